//! Changes of entries: some arrays or attributes, and not the rest.

use std::collections::{HashMap, HashSet};

use super::Partition;
use crate::array::{ArraySpec, Attrs, Changes};
use crate::chunks::NewChunk;
use crate::condition::Condition;
use crate::entry::{Entry, Parts};
use crate::error::{Error, Result, What, nearest, no_key};
use crate::store::Inner;

/// What [`Partition::assign`] changes of an entry; all else stays as it is.
///
/// First arrays and attributes are dropped, then arrays get their new names, all at once;
/// then `arrays` and `attrs` take the places of those with their names, or follow.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Assignment<'a> {
    /// Arrays that replace those of their names, or are new.
    pub arrays: &'a [(&'a str, ArraySpec<'a>)],
    /// Attributes of the entry, likewise.
    pub attrs: Attrs,
    /// Names of arrays that go.
    pub drop: &'a [&'a str],
    /// Names of attributes that go.
    pub drop_attrs: &'a [&'a str],
    /// Names of arrays and their new names.
    pub rename: &'a [(&'a str, &'a str)],
}

/// Amendments of an entry that a reader has to follow at most, but for one that takes in
/// those before.
const MOST: usize = 8;

/// An amendment takes in those before if they have no more bytes than this.
const LITTLE: u64 = 512;

/// How often a change is made anew because the entry was changed meanwhile.
const TRIES: usize = 64;

impl Partition {
    /// Changes some arrays and attributes of an entry in one commit, and keeps the rest
    /// without writing it again. The entry keeps its place in the order.
    ///
    /// `Error::NotFound` for an entry, array or attribute that is not there;
    /// `Error::Invalid` for a name that two arrays would have; `Error::Shape` for a dim that
    /// would have two sizes; `Error::Kind` for a plain value.
    ///
    /// Writes a record of what is changed, some 100 bytes more, and reads of the entry cost
    /// a look-up more until compaction folds it. After eight such records one takes in what
    /// those before have.
    pub fn assign(&self, key: impl AsRef<[u8]>, assignment: &Assignment<'_>) -> Result<()> {
        let state = self.state(&self.inner(), "change an entry")?;
        let defaults = state.map(|state| state.defaults()).unwrap_or_default();
        let arrays = defaults.under(assignment.arrays);
        self.amend(key.as_ref(), |entry| {
            check(entry, assignment)?;
            let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            let renamed = assignment.rename.iter();
            let changes = Changes {
                fresh: false,
                dropped: owned(assignment.drop),
                renamed: renamed
                    .map(|&(from, to)| (from.to_owned(), to.to_owned()))
                    .collect(),
                dropped_attrs: owned(assignment.drop_attrs),
            };
            let arrays = arrays.iter();
            Ok(Change {
                arrays: arrays
                    .map(|(name, spec)| ((*name).to_owned(), spec.borrowed()))
                    .collect(),
                attrs: assignment.attrs.clone(),
                changes,
                chunks: Vec::new(),
            })
        })
    }

    /// Commits an amendment that `make` makes of the entry; again, if it was changed
    /// meanwhile.
    pub(super) fn amend<'a>(
        &self,
        key: &[u8],
        mut make: impl FnMut(&Entry) -> Result<Change<'a>>,
    ) -> Result<()> {
        let mut tries = 0;
        loop {
            let entry = self.entry(key)?.ok_or_else(|| no_key(key))?;
            let change = make(&entry)?;
            let done = self
                .store
                .on_newest(|inner| self.write_amendment(inner, &entry, &change));
            match done {
                Err(Error::Conflict { .. }) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    fn write_amendment(&self, inner: &Inner, entry: &Entry, change: &Change<'_>) -> Result<()> {
        let before = match entry.takes_in(MOST, LITTLE) {
            true => Some(entry.amendment_parts()?),
            false => None,
        };
        let merged = before.as_ref().map(|before| merged(entry, before, change));
        let (arrays, attrs, changes) = match merged.transpose()? {
            Some(merged) => merged,
            None => {
                let arrays = change.arrays.iter();
                let arrays = arrays.map(|(name, spec)| (name.as_str(), spec.borrowed()));
                let (attrs, changes) = (change.attrs.clone(), change.changes.clone());
                (arrays.collect(), attrs, changes)
            }
        };
        let mut plan = crate::array::plan(&arrays, &attrs)?;
        plan.amend(&changes);
        let condition = Condition::Version(entry.version());
        let (key, chunks) = (entry.key(), &change.chunks);
        self.write_plan(inner, "change an entry", key, plan, chunks, condition)
    }
}

/// What an amendment brings.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    pub(super) arrays: Vec<(String, ArraySpec<'a>)>,
    pub(super) attrs: Attrs,
    pub(super) changes: Changes,
    /// Chunks of arrays that stay.
    pub(super) chunks: Vec<NewChunk>,
}

/// Fails unless the assignment can be made to the entry.
fn check(entry: &Entry, assignment: &Assignment<'_>) -> Result<()> {
    let names: Vec<&str> = entry.names().collect();
    if entry.kind() == crate::entry::Kind::Value {
        // Says so.
        entry.array("")?;
    }
    let there: HashSet<&str> = names.iter().copied().collect();
    let from = assignment.rename.iter().map(|(from, _)| from);
    for name in assignment.drop.iter().chain(from) {
        if !there.contains(name) {
            return Err(Error::NotFound {
                what: What::Array,
                name: (*name).to_owned(),
                hint: nearest(name, names.iter().copied()),
            });
        }
    }
    if !assignment.drop_attrs.is_empty() {
        let attrs = entry.attrs()?;
        let missing = assignment
            .drop_attrs
            .iter()
            .find(|name| attrs.get(name).is_none());
        if let Some(name) = missing {
            return Err(Error::NotFound {
                what: What::Attribute,
                name: (*name).to_owned(),
                hint: nearest(name, attrs.iter().map(|(name, _)| name)),
            });
        }
    }
    let mut seen = HashSet::new();
    for (from, to) in assignment.rename {
        crate::array::check_array_name(to)?;
        if !seen.insert(from) || assignment.drop.contains(from) {
            return Err(Error::Invalid {
                what: format!("array {from:?}"),
                detail: "it is renamed or dropped already by the same call".to_owned(),
            });
        }
    }
    let renamed: HashMap<&str, &str> = assignment.rename.iter().copied().collect();
    let mut left = HashSet::new();
    let kept = names.iter().filter(|name| !assignment.drop.contains(name));
    for name in kept {
        let name = renamed.get(name).copied().unwrap_or(name);
        if !left.insert(name) {
            return Err(Error::Invalid {
                what: format!("array name {name:?}"),
                detail: "after the renaming two arrays would have it".to_owned(),
            });
        }
    }
    let brought: HashSet<&str> = assignment.arrays.iter().map(|(name, _)| *name).collect();
    let specs = assignment.arrays.iter().map(|(name, spec)| {
        let dims = spec.dims.iter().map(Option::as_deref);
        (*name, dims.collect::<Vec<_>>(), spec.shape.clone())
    });
    check_dims(
        entry,
        &assignment.drop.iter().copied().chain(brought).collect(),
        specs,
    )
}

/// Fails if a dim would have two sizes: those of the arrays of `entry` but `gone`, and of
/// `others`, with their dims and shapes.
pub(super) fn check_dims<'d>(
    entry: &Entry,
    gone: &HashSet<&str>,
    others: impl Iterator<Item = (&'d str, Vec<Option<&'d str>>, Vec<u64>)>,
) -> Result<()> {
    let mut sizes: HashMap<String, (u64, String)> = HashMap::new();
    for position in 0..entry.len() {
        let array = entry.array_at(position)?;
        let info = array.info();
        if gone.contains(info.name.as_str()) {
            continue;
        }
        for (dim, &size) in info.dims.iter().zip(array.shape()) {
            if let Some(dim) = dim {
                sizes.insert(dim.clone(), (size, info.name.clone()));
            }
        }
    }
    for (name, dims, shape) in others {
        for (dim, size) in dims.iter().zip(&shape) {
            let Some(dim) = dim else { continue };
            match sizes.get(*dim) {
                Some((known, other)) if known != size && other != name => {
                    return Err(Error::Shape {
                        array: name.to_owned(),
                        detail: format!(
                            "dim {dim:?} would have size {size} here and has {known} in array \
                             {other:?} of the same entry; change both in one call or batch"
                        ),
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

type Merged<'a> = (Vec<(&'a str, ArraySpec<'a>)>, Attrs, Changes);

/// The one amendment that does what those of the entry and `change` do.
fn merged<'a>(entry: &'a Entry, before: &'a Parts, change: &'a Change<'a>) -> Result<Merged<'a>> {
    // Names of the arrays of the whole entry, and what they are called now.
    let mut origins = entry.origins();
    let Change {
        arrays: brought,
        attrs: new_attrs,
        changes: last,
        ..
    } = change;
    let rename = |name: &String| {
        let mut renamed = last.renamed.iter().filter(|(from, _)| from == name);
        renamed
            .next()
            .map_or_else(|| name.clone(), |(_, to)| to.clone())
    };
    for (_, now) in &mut origins {
        *now = now
            .take()
            .filter(|name| !last.dropped.contains(name))
            .map(|name| rename(&name));
    }
    let mut specs: Vec<(&str, ArraySpec<'_>)> = Vec::new();
    for (name, spec) in before.specs() {
        if last.dropped.iter().any(|dropped| dropped == name) {
            continue;
        }
        let mut renamed = last.renamed.iter().filter(|(from, _)| from == name);
        let name = renamed.next().map_or(name, |(_, to)| to.as_str());
        specs.push((name, spec));
    }
    for (name, spec) in brought {
        match specs.iter_mut().find(|(other, _)| other == name) {
            Some(place) => place.1 = spec.borrowed(),
            None => specs.push((name, spec.borrowed())),
        }
    }
    let mut changes = Changes {
        fresh: true,
        ..Changes::default()
    };
    for (was, now) in origins {
        match now {
            None => changes.dropped.push(was),
            Some(now) if now != was => changes.renamed.push((was, now)),
            Some(_) => {}
        }
    }
    // As they were brought: two values may be equal and not the same, as 0.0 and -0.0.
    let mut attrs = before.attrs.clone();
    for name in &last.dropped_attrs {
        attrs.remove(name);
    }
    for (name, value) in new_attrs.iter() {
        attrs.set(name, value.clone());
    }
    let now = entry.attrs()?;
    let is_gone = |name: &str| match new_attrs.get(name) {
        Some(_) => false,
        None => now.get(name).is_none() || last.dropped_attrs.iter().any(|gone| gone == name),
    };
    let whole = entry.whole_attrs()?;
    let gone = whole.iter().filter(|(name, _)| is_gone(name));
    changes.dropped_attrs = gone.map(|(name, _)| name.to_owned()).collect();
    Ok((specs, attrs, changes))
}
