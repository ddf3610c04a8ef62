//! An entry or one of its arrays.

use std::io::Write;

use arraylog::{Array, Attrs, Entry, Kind};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Args;
use crate::cmd::ls::{ArrayLine, kind_name};
use crate::cmd::{SCHEMA_VERSION, attrs_json, attrs_line, json, line, raw_json};
use crate::failure::Outcome;
use crate::key;
use crate::ndjson::export;
use crate::text::{self, Table};

#[derive(Serialize)]
struct EntryAnswer<'a> {
    schema_version: u32,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    kind: &'static str,
    version: u64,
    bytes_stored: u64,
    attrs: Box<RawValue>,
    arrays: Vec<ArrayAnswer<'a>>,
}

#[derive(Serialize)]
struct ArrayAnswer<'a> {
    #[serde(flatten)]
    line: ArrayLine<'a>,
    bytes_stored: u64,
    fill_value: Option<Box<RawValue>>,
    attrs: Box<RawValue>,
}

impl<'a> ArrayAnswer<'a> {
    fn of(array: &'a Array) -> Outcome<Self> {
        let info = array.info();
        let fill_value = info.fill_value.as_ref().map(|fill| {
            let mut text = Vec::new();
            export::bare_scalar(&mut text, fill)?;
            raw_json(String::from_utf8_lossy(&text).into_owned())
        });
        Ok(Self {
            line: ArrayLine::of(array)?,
            bytes_stored: array.nbytes_stored()?,
            fill_value: fill_value.transpose()?,
            attrs: attrs_json(&info.attrs)?,
        })
    }
}

impl ArrayAnswer<'_> {
    /// How many bytes of elements each stored byte holds.
    fn ratio(&self) -> String {
        match self.bytes_stored {
            0 => String::new(),
            stored => format!("{:.2}", self.line.bytes as f64 / stored as f64),
        }
    }
}

pub(super) fn info(args: &Args, entry: &Entry, out: &mut dyn Write) -> Outcome {
    let arrays: Vec<Array> = (0..entry.len())
        .map(|position| entry.array_at(position))
        .collect::<Result<_, _>>()?;
    let attrs = match entry.kind() {
        Kind::Value => Attrs::new(),
        Kind::Arrays => entry.attrs()?,
    };
    if args.json {
        return json(
            out,
            &EntryAnswer {
                schema_version: SCHEMA_VERSION,
                key: key::json_text(entry.key()),
                key_b64: key::base64_unless_text(entry.key()),
                kind: kind_name(entry.kind()),
                version: entry.version().into(),
                bytes_stored: entry.nbytes_stored(),
                attrs: attrs_json(&attrs)?,
                arrays: arrays.iter().map(ArrayAnswer::of).collect::<Outcome<_>>()?,
            },
        );
    }
    line(out, &format!("key          {}", key::escaped(entry.key())))?;
    line(out, &format!("kind         {}", kind_name(entry.kind())))?;
    line(
        out,
        &format!("version      {}", text::grouped(entry.version().into())),
    )?;
    let stored = entry.nbytes_stored();
    line(
        out,
        &format!(
            "stored       {} ({} bytes)",
            text::bytes(stored),
            text::grouped(stored)
        ),
    )?;
    attrs_line("attrs        ", &attrs, out)?;
    if arrays.is_empty() {
        return Ok(());
    }
    let titles: Vec<&str> = ArrayLine::TITLES
        .into_iter()
        .chain(["stored", "ratio"])
        .collect();
    let mut table = Table::new(&titles, &[3, 8, 9]);
    for array in &arrays {
        let answer = ArrayAnswer::of(array)?;
        let mut cells = answer.line.cells();
        cells.push(text::grouped(answer.bytes_stored));
        cells.push(answer.ratio());
        table.row(cells);
    }
    line(out, "")?;
    table.lines().try_for_each(|row| line(out, &row))?;
    for array in arrays.iter().filter(|array| !array.info().attrs.is_empty()) {
        let name = key::escaped(array.info().name.as_bytes());
        attrs_line(&format!("attrs of {name}  "), &array.info().attrs, out)?;
    }
    Ok(())
}

/// Attributes as JSON after a title; nothing if there is none.

#[derive(Serialize)]
struct OneArrayAnswer<'a> {
    schema_version: u32,
    #[serde(flatten)]
    array: ArrayAnswer<'a>,
}

pub(super) fn array_info(args: &Args, array: &Array, out: &mut dyn Write) -> Outcome {
    let answer = ArrayAnswer::of(array)?;
    if args.json {
        return json(
            out,
            &OneArrayAnswer {
                schema_version: SCHEMA_VERSION,
                array: answer,
            },
        );
    }
    let ArrayLine {
        dtype,
        shape,
        dims,
        masked,
        bytes,
        array: name,
        codec,
        chunks,
    } = &answer.line;
    line(
        out,
        &format!("array        {}", key::escaped(name.as_bytes())),
    )?;
    line(out, &format!("dtype        {dtype}"))?;
    line(out, &format!("shape        {}", text::shape(shape)))?;
    let dims = text::dims(dims);
    if !dims.is_empty() {
        line(out, &format!("dims         {dims}"))?;
    }
    line(
        out,
        &format!("masked       {}", if *masked { "yes" } else { "no" }),
    )?;
    line(
        out,
        &format!(
            "data         {} ({} bytes)",
            text::bytes(*bytes),
            text::grouped(*bytes)
        ),
    )?;
    line(
        out,
        &format!(
            "stored       {} ({} bytes), ratio {}",
            text::bytes(answer.bytes_stored),
            text::grouped(answer.bytes_stored),
            answer.ratio()
        ),
    )?;
    if let Some(chunks) = chunks {
        line(out, &format!("chunks       {}", text::shape(chunks)))?;
    }
    if let Some(codec) = codec {
        line(out, &format!("codec        {codec}"))?;
    }
    if let Some(fill) = &answer.fill_value {
        line(out, &format!("fill value   {}", fill.get()))?;
    }
    attrs_line("attrs        ", &array.info().attrs, out)
}
