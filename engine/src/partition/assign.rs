//! Changes of entries: some arrays or attributes, and not the rest.

use std::collections::{HashMap, HashSet};

use super::Partition;
use super::merge::Before;
use crate::array::{ArraySpec, Attrs, Changes};
use crate::chunks::NewChunk;
use crate::condition::Condition;
use crate::entry::Entry;
use crate::error::{Error, Result, What, describe_key, nearest, no_key};
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
            assigned(entry, assignment, &arrays, Dims::Now)
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
        let before = Before::to_take_in(entry)?;
        let merged = before.as_ref().map(|before| before.merged(change));
        let (arrays, attrs, changes) = merged.unwrap_or_else(|| change.alone());
        let mut plan = crate::array::plan(&arrays, &attrs)?;
        plan.amend(&changes);
        let condition = Condition::Version(entry.version());
        let (key, chunks) = (entry.key(), &change.chunks);
        self.write_plan(inner, "change an entry", key, plan, chunks, condition)
    }
}

/// What an amendment brings.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    pub(crate) arrays: Vec<(String, ArraySpec<'a>)>,
    pub(crate) attrs: Attrs,
    pub(crate) changes: Changes,
    /// Chunks of arrays that stay.
    pub(crate) chunks: Vec<NewChunk>,
}

/// When the arrays of an entry have to agree in the sizes of their dims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dims {
    /// After this change.
    Now,
    /// After the last change of its batch.
    AtCommit,
}

/// The change that an assignment makes to an entry; `arrays` are its own, with what the
/// partition asks for.
pub(crate) fn assigned<'a>(
    entry: &Entry,
    assignment: &Assignment<'_>,
    arrays: &'a [(&str, ArraySpec<'a>)],
    dims: Dims,
) -> Result<Change<'a>> {
    check(entry, assignment, dims)?;
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
}

/// Fails unless the assignment can be made to the entry.
fn check(entry: &Entry, assignment: &Assignment<'_>, dims: Dims) -> Result<()> {
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
    if dims == Dims::AtCommit {
        return Ok(());
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

/// Fails if a dim has two sizes in the entry, which a batch has changed.
pub(crate) fn check_all_dims(entry: &Entry) -> Result<()> {
    let mut sizes: HashMap<String, (u64, String)> = HashMap::new();
    for position in 0..entry.len() {
        let array = entry.array_at(position)?;
        let info = array.info();
        for (dim, &size) in info.dims.iter().zip(array.shape()) {
            let Some(dim) = dim else { continue };
            match sizes.get(dim) {
                None => {
                    sizes.insert(dim.clone(), (size, info.name.clone()));
                }
                Some((known, _)) if *known == size => {}
                Some((known, other)) => {
                    return Err(Error::Shape {
                        array: info.name.clone(),
                        detail: format!(
                            "dim {dim:?} of entry {:?} would have size {size} here and has \
                             {known} in array {other:?}; the changes of a batch have to leave \
                             one size",
                            describe_key(entry.key())
                        ),
                    });
                }
            }
        }
    }
    Ok(())
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
