//! A partition: its entries, and array names with more than one form.

use std::io::Write;

use arraylog::{Entry, Kind, Partition};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Args;
use crate::Context;
use crate::cmd::{SCHEMA_VERSION, attrs_json, attrs_line, json, line};
use crate::drift::{Drift, Form, Variant};
use crate::failure::Outcome;
use crate::key;
use crate::text::{self, Table};

#[derive(Serialize)]
struct PartitionDetails<'a> {
    schema_version: u32,
    collection: &'a str,
    partition: &'a str,
    entries: u64,
    attrs: Box<RawValue>,
    /// Entries that the members below tell of.
    sampled: u64,
    sampled_values: u64,
    sampled_bytes_stored: u64,
    drift: Vec<DriftAnswer<'a>>,
}

#[derive(Serialize)]
struct DriftAnswer<'a> {
    array: &'a str,
    variants: Vec<VariantAnswer>,
}

#[derive(Serialize)]
struct VariantAnswer {
    dtype: String,
    rank: usize,
    masked: bool,
    entries: u64,
    first_key: String,
}

/// What the entries of a partition hold, as far as they were read.
#[derive(Default)]
struct Sample {
    entries: u64,
    values: u64,
    bytes: u64,
    drift: Drift<Vec<u8>>,
}

impl Sample {
    fn take(partition: &Partition, most: u64, context: &Context) -> Outcome<Self> {
        let mut sample = Self::default();
        for entry in partition
            .entries()?
            .take(usize::try_from(most).unwrap_or(usize::MAX))
        {
            context.interrupt.check()?;
            sample.meet(&entry?)?;
        }
        Ok(sample)
    }

    fn meet(&mut self, entry: &Entry) -> Outcome {
        self.entries += 1;
        self.bytes += entry.nbytes_stored();
        if entry.kind() == Kind::Value {
            self.values += 1;
            return Ok(());
        }
        for position in 0..entry.len() {
            let array = entry.array_at(position)?;
            let info = array.info();
            let form = Form {
                dtype: info.dtype,
                rank: array.shape().len(),
                masked: array.is_masked(),
            };
            self.drift.meet(&info.name, form, || entry.key().to_vec());
        }
        Ok(())
    }
}

pub(super) fn info(
    args: &Args,
    partition: &Partition,
    context: &Context,
    out: &mut dyn Write,
) -> Outcome {
    let entries = partition.len()?;
    let attrs = partition.attrs()?;
    let sample = Sample::take(partition, args.sample, context)?;
    let drift = sample.drift.drifting();
    let answer = PartitionDetails {
        schema_version: SCHEMA_VERSION,
        collection: partition.collection(),
        partition: partition.name(),
        entries,
        attrs: attrs_json(&attrs)?,
        sampled: sample.entries,
        sampled_values: sample.values,
        sampled_bytes_stored: sample.bytes,
        drift: drift
            .map(|(array, variants)| drift_answer(array, variants))
            .collect(),
    };
    if args.json {
        return json(out, &answer);
    }
    line(
        out,
        &format!(
            "collection   {}",
            key::escaped(answer.collection.as_bytes())
        ),
    )?;
    line(
        out,
        &format!("partition    {}", key::escaped(answer.partition.as_bytes())),
    )?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
    attrs_line("attrs        ", &attrs, out)?;
    line(
        out,
        &format!(
            "read         {}, {} of them plain values, {}",
            text::count(sample.entries, "entry", "entries"),
            text::grouped(sample.values),
            text::bytes(sample.bytes)
        ),
    )?;
    if answer.drift.is_empty() {
        return Ok(());
    }
    line(out, "\narrays with more than one form:")?;
    let mut table = Table::new(
        &["array", "dtype", "rank", "masked", "entries", "first"],
        &[2, 4],
    );
    for (name, variants) in sample.drift.drifting() {
        for Variant { form, count, first } in variants {
            table.row(vec![
                key::escaped(name.as_bytes()),
                form.dtype.to_string(),
                form.rank.to_string(),
                if form.masked { "masked" } else { "" }.to_owned(),
                text::grouped(*count),
                key::escaped(first),
            ]);
        }
    }
    table.lines().try_for_each(|row| line(out, &row))
}

fn drift_answer<'a>(array: &'a str, variants: &[Variant<Vec<u8>>]) -> DriftAnswer<'a> {
    let variants = variants.iter().map(|variant| VariantAnswer {
        dtype: variant.form.dtype.to_string(),
        rank: variant.form.rank,
        masked: variant.form.masked,
        entries: variant.count,
        first_key: key::json_text(&variant.first),
    });
    DriftAnswer {
        array,
        variants: variants.collect(),
    }
}
