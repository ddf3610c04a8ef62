//! Statistics of an array in answers.

use arraylog::{Array, ArrayStats, AttrValue};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, Outcome};
use crate::ndjson::export;
use crate::text;

/// What the elements of an array are like, as JSON; min and max as NDJSON has elements.
#[derive(Serialize)]
pub(crate) struct StatsAnswer {
    count: u64,
    nulls: u64,
    nans: u64,
    fills: u64,
    min: Box<RawValue>,
    max: Box<RawValue>,
    min_exact: bool,
    max_exact: bool,
}

impl StatsAnswer {
    /// `None` for a dtype that has no statistics.
    pub(crate) fn of(array: &Array) -> Outcome<Option<Self>> {
        let Some(stats) = array.stats()? else {
            return Ok(None);
        };
        let ArrayStats {
            count,
            nulls,
            nans,
            fills,
            ..
        } = stats;
        let (min, max) = (element(stats.min.as_ref())?, element(stats.max.as_ref())?);
        Ok(Some(Self {
            count,
            nulls,
            nans,
            fills,
            min,
            max,
            min_exact: stats.min_exact,
            max_exact: stats.max_exact,
        }))
    }

    /// Titles of [`cells`](Self::cells); the first four hold numbers.
    pub(crate) const TITLES: [&'static str; 6] =
        ["elements", "nulls", "nans", "fills", "min", "max"];

    /// What is not known is "-". A bound that is no element has its sense before it.
    pub(crate) fn cells(stats: Option<&Self>, array: &Array) -> Vec<String> {
        let unknown = || "-".to_owned();
        let Some(stats) = stats else {
            let elements = text::grouped(array.size());
            let rest = std::iter::repeat_with(unknown).take(Self::TITLES.len() - 1);
            return std::iter::once(elements).chain(rest).collect();
        };
        let bound = |value: &RawValue, exact: bool, sense: &str| match value.get() {
            "null" => unknown(),
            bound if exact => bound.to_owned(),
            bound => format!("{sense}{bound}"),
        };
        let counts = [stats.count, stats.nulls, stats.nans, stats.fills];
        let mut cells = counts.map(text::grouped).to_vec();
        cells.push(bound(&stats.min, stats.min_exact, ">="));
        cells.push(bound(&stats.max, stats.max_exact, "<="));
        cells
    }
}

/// A min or max as JSON; null if there is none.
fn element(value: Option<&AttrValue>) -> Outcome<Box<RawValue>> {
    let mut out = Vec::new();
    match value {
        Some(value) => export::bare_scalar(&mut out, value)?,
        None => out.extend_from_slice(b"null"),
    }
    let text = String::from_utf8_lossy(&out).into_owned();
    RawValue::from_string(text).map_err(|error| Failure::output(error.into()))
}
