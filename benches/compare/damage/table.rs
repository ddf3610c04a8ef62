//! The answers as a table for people.

use std::fmt::Write as _;

use crate::Arguments;
use crate::content::{COUNT, LEN};
use crate::drive::Row;

/// All rows as Markdown.
pub(crate) fn markdown(rows: &[Row], arguments: &Arguments) -> String {
    let mut out = format!(
        "{COUNT} values of {LEN} bytes, {} bytes changed one at a time, seed {}.\n\n",
        arguments.flips, arguments.seed
    );
    out.push_str(
        "| store | file, bytes | flips | right | error | silently wrong | missing without error \
         | panic | killed | hung | file changed by reading |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.bytes,
            row.flips,
            row.right,
            row.error,
            row.wrong,
            row.missing,
            row.panic,
            row.died,
            row.hung,
            row.changed
        );
    }
    out
}
