//! Making, dropping and renaming whole partitions and collections.

use crate::array::{ArrayDefaults, Attrs, Chunking, MAX_RANK};
use crate::catalog::{Drafts, Row, RowValue, check_name, collection_key, partition_key};
use crate::codec::Pipeline;
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::store::{Inner, Store};

/// Smallest and largest alignment, as log2.
const ALIGN: std::ops::RangeInclusive<u32> = 3..=30;

/// What [`Store::create_partition`] makes: defaults for what is written to it.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PartitionOptions {
    align: Option<u64>,
    codec: Option<String>,
    chunks: Option<Chunking>,
    attrs: Attrs,
    exist_ok: bool,
}

impl PartitionOptions {
    /// Values aligned by their length, no attributes, a partition that must not exist.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values and arrays of 256 bytes and more start at offsets in the file that are
    /// multiples of this one, a power of two from 8 to 2^30, and so do entries that hold
    /// such arrays. What is encoded needs none of it. It does not lower the alignment that
    /// their length gives them. Padding is stored: each costs up to `align` bytes more, and
    /// memory for them at its commit.
    ///
    /// In memory the alignment is that of a page at most, 4096: that of the mapping.
    /// Entries that are copied or renamed keep their arrays where these lie in them.
    pub fn align(mut self, align: u64) -> Self {
        self.align = Some(align);
        self
    }

    /// Codec of arrays that do not say theirs: `"zstd:3"`. What it cannot encode, 0-d arrays
    /// and, with pco, what is no number, stands as it is.
    pub fn codec(mut self, codec: impl Into<String>) -> Self {
        self.codec = Some(codec.into());
        self
    }

    /// Chunks of arrays that do not say theirs: for those of as many axes that are longer than
    /// a chunk along one; with [`Chunking::Auto`] for those that are more than one chunk.
    pub fn chunks(mut self, chunks: Chunking) -> Self {
        self.chunks = Some(chunks);
        self
    }

    /// Attributes of the partition.
    pub fn attrs(mut self, attrs: Attrs) -> Self {
        self.attrs = attrs;
        self
    }

    /// Whether the partition may exist. It is then left as it is, its attributes too.
    pub fn exist_ok(mut self, exist_ok: bool) -> Self {
        self.exist_ok = exist_ok;
        self
    }

    /// What is asked for arrays. `Error::Invalid`.
    fn array_defaults(&self, partition: &str) -> Result<ArrayDefaults> {
        let of_partition = |error| match error {
            Error::Invalid { what, detail } => Error::Invalid {
                what: format!("{what} of partition {partition:?}"),
                detail,
            },
            other => other,
        };
        let codec = self.codec.as_deref();
        let codec = codec.map(|text| Pipeline::parse(text).map_err(of_partition));
        if let Some(Chunking::Shape(lengths)) = &self.chunks
            && (lengths.is_empty() || lengths.contains(&0) || lengths.len() > MAX_RANK)
        {
            return Err(Error::Invalid {
                what: format!("chunks of partition {partition:?}"),
                detail: format!(
                    "a length of 1 and more for each of 1 to {MAX_RANK} axes, these are {lengths:?}"
                ),
            });
        }
        Ok(ArrayDefaults {
            codec: codec.transpose()?.map(|codec| codec.to_string()),
            chunks: self.chunks.clone(),
        })
    }

    /// Log2 of the alignment. `Error::Invalid`.
    fn check(&self, partition: &str) -> Result<Option<u8>> {
        let Some(align) = self.align else {
            return Ok(None);
        };
        let log2 = align.checked_ilog2().filter(|_| align.is_power_of_two());
        match log2.filter(|log2| ALIGN.contains(log2)) {
            Some(log2) => Ok(Some(log2 as u8)),
            None => Err(Error::Invalid {
                what: format!("alignment of partition {partition:?}"),
                detail: format!("a power of two from 8 to 2^30, this is {align}"),
            }),
        }
    }
}

fn check_names(collection: &str, partition: &str) -> Result<()> {
    check_name("collection", collection)?;
    check_name("partition", partition)
}

/// A name that is taken.
fn taken(name: &str, what: &str) -> Error {
    Error::Conflict {
        key: name.to_owned(),
        expected: format!("no {what} of this name"),
        found: "one that exists".to_owned(),
    }
}

impl Store {
    /// Makes a partition with defaults for what is written to it, in one commit, and its
    /// collection if that is missing.
    ///
    /// `Error::Conflict` if it exists, unless [`PartitionOptions::exist_ok`] says that it
    /// may; then too if it has another alignment, codec or chunks than are asked for.
    /// `Error::Invalid` for a name, alignment, codec or chunks that cannot be.
    pub fn create_partition(
        &self,
        collection: &str,
        partition: &str,
        options: &PartitionOptions,
    ) -> Result<Partition> {
        check_names(collection, partition)?;
        let align = options.check(partition)?;
        let mut value = RowValue::default();
        value.set_align(align);
        value.set_array_defaults(&options.array_defaults(partition)?);
        value.set_attrs(&options.attrs, &format!("partition {partition:?}"))?;
        self.on_newest(|inner| {
            self.create_in(inner, (collection, partition), options, align, &value)
        })
    }

    fn create_in(
        &self,
        inner: &Inner,
        (collection, partition): (&str, &str),
        options: &PartitionOptions,
        align: Option<u8>,
        value: &RowValue,
    ) -> Result<Partition> {
        let mut writer = inner.log.writer("create a partition")?;
        if let Some((_, found_row)) = inner
            .catalog
            .partition_row(&inner.log, collection, partition)?
        {
            if !options.exist_ok {
                return Err(taken(partition, "partition"));
            }
            let found = found_row.align().unwrap_or_default();
            if align.is_some() && align != found {
                let bytes = |log2: Option<u8>| match log2 {
                    Some(log2) => format!("an alignment of {} bytes", 1u64 << log2),
                    None => "no alignment of its own".to_owned(),
                };
                return Err(Error::Conflict {
                    key: partition.to_owned(),
                    expected: bytes(align),
                    found: bytes(found),
                });
            }
            let (asked, has) = (value.array_defaults(), found_row.array_defaults());
            let (asked, has) = (asked.unwrap_or_default(), has.unwrap_or_default());
            let same_codec = asked.codec.is_none() || asked.codec == has.codec;
            if !same_codec || (asked.chunks.is_some() && asked.chunks != has.chunks) {
                return Err(Error::Conflict {
                    key: partition.to_owned(),
                    expected: format!("{asked:?}"),
                    found: format!("{has:?}"),
                });
            }
            return Ok(Partition::new(self, collection, partition));
        }
        let mut drafts = Drafts::default();
        let names = (collection, partition);
        let made = drafts
            .make_partition(&inner.catalog, &inner.log, names, value.clone())
            .and_then(|_| inner.commit_rows(&mut writer, &drafts.rows));
        inner.settle(&drafts, &made);
        made?;
        Ok(Partition::new(self, collection, partition))
    }

    /// Drops a partition with everything in it, in one commit of a few bytes; false if it
    /// is not there. `Error::Invalid` for what cannot be a name.
    ///
    /// It reads as absent at once, through handles from before too; a write through one
    /// makes a new partition. Values, entries, walks and readers from before stay valid.
    /// Its bytes stay in the file until that is compacted.
    pub fn drop_partition(&self, collection: &str, partition: &str) -> Result<bool> {
        check_names(collection, partition)?;
        self.on_newest(|inner| self.drop_partition_in(inner, collection, partition))
    }

    fn drop_partition_in(&self, inner: &Inner, collection: &str, partition: &str) -> Result<bool> {
        let mut writer = inner.log.writer("drop a partition")?;
        let Some((key, found)) = inner
            .catalog
            .partition_row(&inner.log, collection, partition)?
        else {
            return Ok(false);
        };
        inner.commit_rows(&mut writer, &[Row { key, value: None }])?;
        inner.catalog.forget_partition(found.id);
        inner.catalog.note_change();
        Ok(true)
    }

    /// Drops a collection with all its partitions, in one commit of a few bytes; false if
    /// it is not there. As [`Store::drop_partition`] otherwise.
    pub fn drop_collection(&self, collection: &str) -> Result<bool> {
        check_name("collection", collection)?;
        self.on_newest(|inner| self.drop_collection_in(inner, collection))
    }

    fn drop_collection_in(&self, inner: &Inner, collection: &str) -> Result<bool> {
        let mut writer = inner.log.writer("drop a collection")?;
        let Some(id) = inner.catalog.collection(&inner.log, collection)? else {
            return Ok(false);
        };
        let key = collection_key(collection);
        inner.commit_rows(&mut writer, &[Row { key, value: None }])?;
        inner.catalog.forget_collection(id);
        inner.catalog.note_change();
        Ok(true)
    }

    /// Gives a partition another name, and another collection if that differs, which is
    /// made if it is missing; one commit of a few bytes. Entries and attributes stay as
    /// they are. Onto itself it does nothing.
    ///
    /// Handles of the old name then show a partition that is not there.
    ///
    /// `Error::NotFound` with the nearest name, `Error::Conflict` if the new name is
    /// taken, `Error::Invalid` for what cannot be a name.
    pub fn rename_partition(
        &self,
        collection: &str,
        partition: &str,
        new_collection: &str,
        new_partition: &str,
    ) -> Result<()> {
        check_names(collection, partition)?;
        check_names(new_collection, new_partition)?;
        self.on_newest(|inner| {
            self.rename_partition_in(
                inner,
                (collection, partition),
                (new_collection, new_partition),
            )
        })
    }

    fn rename_partition_in(
        &self,
        inner: &Inner,
        (collection, partition): (&str, &str),
        (new_collection, new_partition): (&str, &str),
    ) -> Result<()> {
        let (log, catalog) = (&inner.log, &inner.catalog);
        let mut writer = log.writer("rename a partition")?;
        let Some((key, value)) = catalog.partition_row(log, collection, partition)? else {
            return Err(catalog.no_partition(log, collection, partition));
        };
        if (collection, partition) == (new_collection, new_partition) {
            return Ok(());
        }
        let there = catalog.partition_row(log, new_collection, new_partition)?;
        if there.is_some() {
            return Err(taken(new_partition, "partition"));
        }
        let mut drafts = Drafts::default();
        let committed = drafts
            .collection(catalog, log, new_collection)
            .and_then(|id| {
                let new = partition_key(id, new_partition);
                drafts.rows.extend(moved(new, &value, key));
                inner.commit_rows(&mut writer, &drafts.rows)?;
                Ok(id)
            });
        inner.settle(&drafts, &committed);
        catalog.note_move(log, value.id, committed?)?;
        catalog.note_change();
        Ok(())
    }

    /// Gives a collection another name, in one commit of a few bytes. Errors and handles
    /// as with [`Store::rename_partition`].
    pub fn rename_collection(&self, collection: &str, new: &str) -> Result<()> {
        check_name("collection", collection)?;
        check_name("collection", new)?;
        self.on_newest(|inner| self.rename_collection_in(inner, collection, new))
    }

    fn rename_collection_in(&self, inner: &Inner, collection: &str, new: &str) -> Result<()> {
        let (log, catalog) = (&inner.log, &inner.catalog);
        let mut writer = log.writer("rename a collection")?;
        let key = collection_key(collection);
        let Some(value) = catalog.row_value(log, &key)? else {
            return Err(catalog.no_collection(log, collection));
        };
        if collection == new {
            return Ok(());
        }
        if catalog.collection(log, new)?.is_some() {
            return Err(taken(new, "collection"));
        }
        let rows = moved(collection_key(new), &value, key);
        inner.commit_rows(&mut writer, &rows)?;
        catalog.note_change();
        Ok(())
    }
}

/// The rows that give an id another name. The new one comes first: by this a replay
/// tells that the id lives on.
fn moved(new: Vec<u8>, value: &RowValue, old: Vec<u8>) -> [Row; 2] {
    let value = Some(value.to_bytes());
    [
        Row { key: new, value },
        Row {
            key: old,
            value: None,
        },
    ]
}

impl Inner {
    /// Keeps or forgets what a commit made.
    pub(crate) fn settle<T>(&self, drafts: &Drafts<'_>, committed: &Result<T>) {
        match committed {
            Ok(_) => drafts.adopt(&self.catalog),
            Err(_) => drafts.abandon(&self.catalog),
        }
    }
}
