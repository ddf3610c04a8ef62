//! One attribute of many entries: a column.

use std::sync::Arc;

use arc_swap::Guard;

use super::Partition;
use super::walk::Records;
use crate::array::AttrValue;
use crate::entry::AttrFinder;
use crate::error::Result;
use crate::store::Inner;

impl Partition {
    /// The attribute called `name` of every entry, with its key, in the order of
    /// [`entries`](Self::entries), as of this call. `None` for an entry that has none of that
    /// name, as a plain value; one that was amended counts as it is then.
    ///
    /// Costs a read of each record's head, and of entries of 64 KiB and more the blocks alone
    /// that have the attribute: nothing of an array is decoded, and nothing but the key and
    /// the attribute copied. Where entries of the partition were amended, a look-up of each.
    pub fn attr_column(&self, name: &str) -> Result<AttrColumn> {
        let inner = Guard::into_inner(self.inner());
        Ok(AttrColumn {
            records: self.records(&inner)?,
            inner,
            finder: AttrFinder::new(name),
        })
    }

    /// The attribute called `name` of many entries, in the order of the keys, as of one
    /// moment. The outer `None` is for a key that is not there, the inner one for an entry
    /// without the attribute. Cost of each as of [`attr_column`](Self::attr_column), and a
    /// lookup, which overlap as those of [`get_many`](Self::get_many).
    pub fn attr_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        name: &str,
    ) -> Result<Vec<Option<Option<AttrValue>>>> {
        let inner = self.inner();
        let mut finder = AttrFinder::new(name);
        self.find_many(&inner, keys, |key, located, beside| {
            finder.find(inner.source(), key, located, beside)
        })
    }
}

/// Iterator over keys and the attribute of each entry.
#[derive(Debug)]
pub struct AttrColumn {
    records: Records,
    inner: Arc<Inner>,
    finder: AttrFinder,
}

impl Iterator for AttrColumn {
    type Item = Result<(Vec<u8>, Option<AttrValue>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let beside = self.records.beside()?;
        Some(record.and_then(|(located, key)| {
            let source = self.inner.source();
            let value = self.finder.find(source, &key, located, beside)?;
            Ok((key, value))
        }))
    }
}
