//! What an amendment does to the entry before it, beside the arrays and attributes that it
//! brings.
//!
//! ```text
//! u8 flags: 1 the amendments before do not count
//! u32 number of changes, each:
//!     u8 0 array dropped, 1 array renamed, 2 attribute dropped
//!     u16 length of the name, name
//!     renamed: u16 length of the new name, new name
//! ```
//!
//! They are the end of the extra part of a frame with flag 8. Names are those before the
//! amendment, and renaming happens to all at once. Then the arrays and attributes of the
//! frame take the places of those with their names, or follow.
use super::cursor::Cursor;
use crate::format::Defect;

const FRESH: u8 = 1;
const DROPPED: u8 = 0;
const RENAMED: u8 = 1;
const ATTR_DROPPED: u8 = 2;

/// Changes of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Whether the amendments before do not count.
    pub(crate) fresh: bool,
    pub(crate) dropped: Vec<String>,
    /// From, to.
    pub(crate) renamed: Vec<(String, String)>,
    pub(crate) dropped_attrs: Vec<String>,
}

impl Changes {
    /// What an array of this name is called after them; `None` if it is dropped.
    pub(crate) fn follow<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.dropped.iter().any(|dropped| dropped == name) {
            return None;
        }
        let mut renamed = self.renamed.iter().filter(|(from, _)| from == name);
        Some(renamed.next().map_or(name, |(_, to)| to))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let count = self
            .dropped
            .len()
            .saturating_add(self.renamed.len())
            .saturating_add(self.dropped_attrs.len());
        out.push(if self.fresh { FRESH } else { 0 });
        // An entry has at most 65,535 of each.
        out.extend((count as u32).to_le_bytes());
        for name in &self.dropped {
            out.push(DROPPED);
            put_name(name, out);
        }
        for (name, new) in &self.renamed {
            out.push(RENAMED);
            put_name(name, out);
            put_name(new, out);
        }
        for name in &self.dropped_attrs {
            out.push(ATTR_DROPPED);
            put_name(name, out);
        }
    }

    pub(super) fn parse(from: &mut Cursor<'_>) -> Result<Self, Defect> {
        let flags = from.u8()?;
        if flags & !FRESH != 0 {
            return Err(Defect::Field {
                what: "flags of an amendment",
                found: flags.into(),
                expected: "0 or 1",
            });
        }
        let mut changes = Self {
            fresh: flags & FRESH != 0,
            ..Self::default()
        };
        for _ in 0..from.count()? {
            let kind = from.u8()?;
            let name = take_name(from)?;
            match kind {
                DROPPED => changes.dropped.push(name),
                RENAMED => changes.renamed.push((name, take_name(from)?)),
                ATTR_DROPPED => changes.dropped_attrs.push(name),
                _ => {
                    return Err(Defect::Field {
                        what: "kind of a change",
                        found: kind.into(),
                        expected: "0, 1 or 2",
                    });
                }
            }
        }
        Ok(changes)
    }
}

/// Names of arrays and attributes have at most 65,535 bytes.
fn put_name(name: &str, out: &mut Vec<u8>) {
    out.extend((name.len() as u16).to_le_bytes());
    out.extend_from_slice(name.as_bytes());
}

fn take_name(from: &mut Cursor<'_>) -> Result<String, Defect> {
    let len = usize::from(from.u16()?);
    Ok(from.text(len, "name in an amendment")?.to_owned())
}
