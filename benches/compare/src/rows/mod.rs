//! The rows.

mod ahead;
mod bytes;
mod chunk;
mod compact;
mod cube;
mod decode;
mod durable;
mod fields;
mod get;
mod growth;
mod index_bytes;
mod killed;
mod large;
mod open;
mod overflow;
mod probe;
mod python;
mod refresh;
mod scan;
mod slice;
mod slowest;
mod small;
mod threads;
mod touch;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::row::Row;

/// Rows that run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Writing and reading.
    Main,
    /// What the index in the file is for.
    Index,
    /// Stores of many sizes, up to 10 GB.
    Growth,
    /// Arrays in chunks, and entries of many fields.
    Arrays,
}

impl Suite {
    const ALL: [Self; 4] = [Self::Main, Self::Index, Self::Growth, Self::Arrays];

    /// Its rows, in the order of the report.
    pub(crate) fn rows(self) -> Vec<&'static Row> {
        match self {
            Self::Main => [&small::ROW, &get::ROW]
                .into_iter()
                .chain(large::ROWS)
                .chain([&touch::ROW])
                .chain(python::ROWS)
                .chain(ahead::ROWS)
                .collect(),
            Self::Index => [&open::ROW, &killed::ROW]
                .into_iter()
                .chain(threads::ROWS)
                .chain([
                    &scan::ROW,
                    &slowest::ROW,
                    &index_bytes::ROW,
                    &bytes::ROW,
                    &durable::ROW,
                    &refresh::ROW,
                    &overflow::ROW,
                ])
                .chain(compact::ROWS)
                .collect(),
            Self::Growth => vec![&growth::ROW],
            Self::Arrays => [&chunk::ROW]
                .into_iter()
                .chain(decode::ROWS)
                .chain(slice::ROWS)
                .chain([&fields::ROW])
                .collect(),
        }
    }
}

/// Every row of every suite.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    Suite::ALL.into_iter().flat_map(Suite::rows)
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
