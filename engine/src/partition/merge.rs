//! Changes of an entry that become one.

use super::assign::Change;
use crate::array::{ArraySpec, Attrs, Changes};
use crate::entry::{Entry, Layer, Parts};
use crate::error::Result;

/// Amendments of an entry that a reader has to follow at most, but for one that takes in
/// those before.
const MOST: usize = 8;

/// An amendment takes in those before if they have no more bytes than this.
const LITTLE: u64 = 512;

/// What a change follows and takes in.
#[derive(Debug)]
pub(crate) struct Before {
    /// The arrays below it by name: what each, or what has its place, is called by now, if it
    /// is still there.
    origins: Vec<(String, Option<String>)>,
    /// What it brought.
    parts: Parts,
    /// Attributes below it.
    attrs_below: Attrs,
    /// Attributes by now.
    attrs: Attrs,
    /// Whether the amendments of the store do not count any more.
    fresh: bool,
}

/// Arrays, attributes and changes of names.
pub(crate) type Merged<'a> = (Vec<(&'a str, ArraySpec<'a>)>, Attrs, Changes);

impl Change<'_> {
    /// It, without any before.
    pub(crate) fn alone(&self) -> Merged<'_> {
        let arrays = self.arrays.iter();
        let arrays = arrays.map(|(name, spec)| (name.as_str(), spec.borrowed()));
        (arrays.collect(), self.attrs.clone(), self.changes.clone())
    }
}

impl Before {
    /// The amendments of an entry, if they are many or small.
    pub(crate) fn to_take_in(entry: &Entry) -> Result<Option<Self>> {
        if !entry.takes_in(MOST, LITTLE) {
            return Ok(None);
        }
        Ok(Some(Self {
            origins: entry.origins(),
            parts: entry.amendment_parts()?,
            attrs_below: entry.whole_attrs()?,
            attrs: entry.attrs()?,
            fresh: true,
        }))
    }

    /// The amendment `layer` that makes `entry` of the one `below`.
    pub(crate) fn of_layer(below: &Entry, layer: &Layer, entry: &Entry) -> Result<Self> {
        let changes = layer.changes()?;
        let now = |name: &str| changes.follow(name).map(str::to_owned);
        Ok(Self {
            origins: below
                .names()
                .map(|name| (name.to_owned(), now(name)))
                .collect(),
            parts: layer.parts()?,
            attrs_below: below.attrs()?,
            attrs: entry.attrs()?,
            fresh: false,
        })
    }

    /// All of an entry: what is merged with it is whole.
    pub(crate) fn whole(parts: Parts) -> Self {
        Self {
            origins: Vec::new(),
            attrs_below: Attrs::new(),
            attrs: parts.attrs.clone(),
            parts,
            fresh: false,
        }
    }

    /// The one change that does what this and `change` do.
    pub(crate) fn merged<'a>(&'a self, change: &'a Change<'a>) -> Merged<'a> {
        let Change {
            arrays: brought,
            attrs: new_attrs,
            changes: last,
            ..
        } = change;
        let mut specs: Vec<(&str, ArraySpec<'_>)> = Vec::new();
        for (name, spec) in self.parts.specs() {
            if let Some(name) = last.follow(name) {
                specs.push((name, spec));
            }
        }
        for (name, spec) in brought {
            match specs.iter_mut().find(|(other, _)| other == name) {
                Some(place) => place.1 = spec.borrowed(),
                None => specs.push((name, spec.borrowed())),
            }
        }
        let mut changes = Changes {
            fresh: self.fresh,
            ..Changes::default()
        };
        for (was, now) in &self.origins {
            match now.as_deref().and_then(|now| last.follow(now)) {
                None => changes.dropped.push(was.clone()),
                Some(now) if now != was => changes.renamed.push((was.clone(), now.to_owned())),
                Some(_) => {}
            }
        }
        // As they were brought: two values may be equal and not the same, as 0.0 and -0.0.
        let mut attrs = self.parts.attrs.clone();
        for name in &last.dropped_attrs {
            attrs.remove(name);
        }
        for (name, value) in new_attrs.iter() {
            attrs.set(name, value.clone());
        }
        let is_gone = |name: &str| match new_attrs.get(name) {
            Some(_) => false,
            None => {
                let dropped = last.dropped_attrs.iter().any(|gone| gone == name);
                self.attrs.get(name).is_none() || dropped
            }
        };
        let gone = self.attrs_below.iter().filter(|(name, _)| is_gone(name));
        changes.dropped_attrs = gone.map(|(name, _)| name.to_owned()).collect();
        (specs, attrs, changes)
    }
}
