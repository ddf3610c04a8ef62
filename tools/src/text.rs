//! Numbers and tables for people.

/// An integer with a comma every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in binary units: "5 B", "1.5 MiB".
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 1024.0 {
        size /= 1024.0;
        unit = units.next();
    }
    format!("{size:.1} {}", unit.copied().unwrap_or("EiB"))
}

/// "1 entry", "2,000 entries".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}

/// A shape as in Python: "()", "(3,)", "(3, 4)".
pub(crate) fn shape(shape: &[u64]) -> String {
    match shape {
        [len] => format!("({len},)"),
        _ => {
            let lens: Vec<_> = shape.iter().map(u64::to_string).collect();
            format!("({})", lens.join(", "))
        }
    }
}

/// Dims beside a shape: "depth, -"; an axis without name is "-". Nothing if none has a name.
pub(crate) fn dims(dims: &[Option<String>]) -> String {
    if dims.iter().all(Option::is_none) {
        return String::new();
    }
    let names: Vec<_> = dims
        .iter()
        .map(|dim| {
            dim.as_deref()
                .map_or_else(|| "-".to_owned(), |dim| crate::key::escaped(dim.as_bytes()))
        })
        .collect();
    names.join(", ")
}

/// Rows in columns as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: &'static [usize],
}

impl Table {
    /// A table with a row of titles; the columns of numbers in `right` are set to the right.
    pub(crate) fn new(titles: &[&str], right: &'static [usize]) -> Self {
        Self {
            rows: vec![titles.iter().map(|&title| title.to_owned()).collect()],
            right,
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Lines without trailing spaces.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows.iter().map(move |row| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| {
                    if self.right.contains(&column) {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_grouped_by_three() {
        let numbers = [0, 999, 1000, 42_517, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "42,517", "1,234,567"]);
    }

    #[test]
    fn sizes_are_in_binary_units() {
        let sizes = [0, 1023, 1024, 1536 * 1024, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "16.0 EiB"]);
    }

    #[test]
    fn shapes_read_as_in_python() {
        assert_eq!(
            [shape(&[]), shape(&[3]), shape(&[3, 4])],
            ["()", "(3,)", "(3, 4)"]
        );
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let mut table = Table::new(&["name", "n"], &[1]);
        table.row(vec!["x".into(), "1000".into()]);
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            ["name     n", "x     1000"]
        );
    }
}
