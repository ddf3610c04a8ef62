//! The report for people, as Markdown.

use std::fmt::Write as _;

use arraylog_benches::Summary;

use crate::report::{ComparisonReport, Report, RowReport};

/// Repetitions below which a run is no measurement.
const ENOUGH: usize = 7;

/// The report as Markdown.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    for row in &report.rows {
        section(&mut text, row);
    }
    text
}

fn head(text: &mut String, report: &Report) {
    let settings = &report.settings;
    let versions: Vec<_> = report
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    line(text, "# arraylog beside its peers\n");
    line(
        text,
        &format!("Commit {}. {}.", report.commit, report.machine.line()),
    );
    line(text, &format!("{}.", versions.join(", ")));
    line(
        text,
        &format!(
            "{} processes for each engine of a row, interleaved; seed {}.",
            settings.repetitions, settings.seed
        ),
    );
    line(
        text,
        "Figures: median [lower..upper quartile]. Ratios: more is better for the first named; \
         the median of the ratios of one repetition each.",
    );
    if settings.quick || settings.repetitions < ENOUGH {
        line(
            text,
            "\n**A trial run: it shows that everything runs and measures nothing.**",
        );
    }
    if !settings.skipped_without_python.is_empty() {
        let names = settings.skipped_without_python.join(", ");
        line(text, &format!("\nSkipped, for want of --python: {names}."));
    }
}

fn section(text: &mut String, row: &RowReport) {
    line(text, &format!("\n## {}\n\n{}\n", row.name, row.title));
    figures(text, row);
    for engine in &row.engines {
        if let Some(reason) = engine.failures.first() {
            let count = engine.failures.len();
            line(
                text,
                &format!(
                    "\n{} failed in {count} of its processes: {reason}",
                    engine.name
                ),
            );
        }
    }
    let found: Vec<_> = row.comparisons.iter().filter_map(comparison).collect();
    if !found.is_empty() {
        line(
            text,
            "\n| ratio | median [quartiles] | min..max | target | verdict |",
        );
        line(text, "|---|---|---|---|---|");
        line(text, &found.join("\n"));
    }
}

fn figures(text: &mut String, row: &RowReport) {
    let mut columns: Vec<(&str, &str)> = Vec::new();
    for figure in row.engines.iter().flat_map(|engine| &engine.figures) {
        if !columns.contains(&(figure.name, figure.unit)) {
            columns.push((figure.name, figure.unit));
        }
    }
    let names: Vec<_> = columns
        .iter()
        .map(|(name, unit)| format!("{name} ({unit})"))
        .collect();
    line(text, &format!("| engine | {} |", names.join(" | ")));
    line(text, &format!("|---|{}", "---|".repeat(columns.len())));
    for engine in &row.engines {
        let cells: Vec<_> = columns
            .iter()
            .map(|(name, _)| {
                let figure = engine.figures.iter().find(|figure| figure.name == *name);
                figure
                    .and_then(|figure| figure.summary)
                    .map_or_else(|| "–".to_owned(), |summary| spread(&summary))
            })
            .collect();
        line(
            text,
            &format!("| {} | {} |", engine.name, cells.join(" | ")),
        );
    }
}

fn comparison(found: &ComparisonReport) -> Option<String> {
    let ratio = found.ratio?;
    let target = found
        .target
        .map_or_else(|| "–".to_owned(), |target| format!("≥ {}", short(target)));
    let verdict = found
        .verdict
        .map_or_else(|| "–".to_owned(), |verdict| verdict.to_string());
    Some(format!(
        "| {} | {} | {}..{} | {target} | {verdict} |",
        found.name,
        spread(&ratio),
        number(ratio.min),
        number(ratio.max),
    ))
}

fn spread(summary: &Summary) -> String {
    if summary.count == 1 {
        return number(summary.median);
    }
    format!(
        "{} [{}..{}]",
        number(summary.median),
        number(summary.lower),
        number(summary.upper)
    )
}

/// Three digits that count, more where they stand before the point.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A target: three digits, without zeros at its end.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::{number, short};

    #[test]
    fn numbers_show_three_digits() {
        let shown = [1234.5, 12.345, 1.2345, 0.12345].map(number);
        assert_eq!(shown, ["1234", "12.3", "1.23", "0.123"]);
    }

    #[test]
    fn targets_show_no_more_digits_than_they_need() {
        let shown = [100.0, 1.4, 1.0 / 1.5].map(short);
        assert_eq!(shown, ["100", "1.4", "0.667"]);
    }
}
