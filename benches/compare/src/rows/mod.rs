//! The rows.

mod ahead;
mod get;
mod large;
mod probe;
mod python;
mod small;
mod touch;

use anyhow::{Context as _, Result};

use crate::row::Row;

/// Every row, in the order of the report.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [&small::ROW, &get::ROW]
        .into_iter()
        .chain(large::ROWS)
        .chain([&touch::ROW])
        .chain(python::ROWS)
        .chain(ahead::ROWS)
}

/// The row called `name`.
pub(crate) fn find(name: &str) -> Result<&'static Row> {
    all().find(|row| row.name == name).with_context(|| {
        let names: Vec<_> = all().map(|row| row.name).collect();
        format!("no row {name:?}; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Against;

    #[test]
    fn names_of_rows_are_unique() {
        let mut names: Vec<_> = all().map(|row| row.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn comparisons_name_engines_and_figures_of_their_row() {
        for row in all() {
            for comparison in row.comparisons {
                let peer = match comparison.against {
                    Against::Peer(cell) => Some(cell),
                    Against::Limit(_) => None,
                };
                for (engine, figure) in peer.into_iter().chain([comparison.subject]) {
                    assert!(row.engines.contains(&engine), "{}: {engine}", row.name);
                    assert!(row.figure(figure).is_some(), "{}: {figure}", row.name);
                }
            }
        }
    }

    #[test]
    fn an_unknown_row_is_answered_with_the_known_ones() {
        let error = find("nonsense").expect_err("there is no such row");
        assert!(error.to_string().contains("get"), "{error}");
    }
}
