//! Attributes of the store, of collections and of partitions.

use crate::array::Attrs;
use crate::catalog::{Drafts, Row, RowValue, check_name, collection_key, store_key};
use crate::error::Result;
use crate::log::WriterGuard;
use crate::partition::Partition;
use crate::store::{Inner, Store};

/// What has attributes.
#[derive(Clone, Copy, Debug)]
enum Owner<'a> {
    Store,
    Collection(&'a str),
    Partition(&'a str, &'a str),
}

impl Owner<'_> {
    /// As messages name it.
    fn describe(self) -> String {
        match self {
            Self::Store => "the store".to_owned(),
            Self::Collection(name) => format!("collection {name:?}"),
            Self::Partition(_, name) => format!("partition {name:?}"),
        }
    }

    fn check(self) -> Result<()> {
        match self {
            Self::Store => Ok(()),
            Self::Collection(name) => check_name("collection", name),
            Self::Partition(collection, name) => {
                check_name("collection", collection)?;
                check_name("partition", name)
            }
        }
    }
}

impl Store {
    /// Attributes of the store, as its newest commit has them. Types and values are
    /// exactly those that were set.
    pub fn attrs(&self) -> Result<Attrs> {
        let found = self.inner().attrs(Owner::Store)?;
        Ok(found.unwrap_or_default())
    }

    /// Replaces the attributes of the store, in one commit. `Error::Invalid` names an
    /// attribute that cannot be stored.
    pub fn set_attrs(&self, attrs: &Attrs) -> Result<()> {
        self.update_attrs(|old| old.clone_from(attrs))
    }

    /// Changes the attributes of the store, in one commit, or none if they stay the same.
    ///
    /// `change` is given the attributes of that moment and runs while other writes wait:
    /// a write to the store from inside would wait for itself.
    pub fn update_attrs(&self, change: impl FnOnce(&mut Attrs)) -> Result<()> {
        self.update_attrs_of(Owner::Store, change)
    }

    /// Attributes of a collection. `Error::NotFound` with the nearest name.
    pub fn collection_attrs(&self, collection: &str) -> Result<Attrs> {
        let inner = self.inner();
        let found = inner.attrs(Owner::Collection(collection))?;
        found.ok_or_else(|| inner.catalog.no_collection(&inner.log, collection))
    }

    /// As [`Store::set_attrs`], for a collection; makes it if it is missing.
    /// `Error::Invalid` for what cannot be a name, too.
    pub fn set_collection_attrs(&self, collection: &str, attrs: &Attrs) -> Result<()> {
        self.update_collection_attrs(collection, |old| old.clone_from(attrs))
    }

    /// As [`Store::update_attrs`], for a collection; makes it if it is missing.
    pub fn update_collection_attrs(
        &self,
        collection: &str,
        change: impl FnOnce(&mut Attrs),
    ) -> Result<()> {
        self.update_attrs_of(Owner::Collection(collection), change)
    }

    fn update_attrs_of(&self, owner: Owner<'_>, change: impl FnOnce(&mut Attrs)) -> Result<()> {
        owner.check()?;
        let mut change = Some(change);
        self.on_newest(|inner| {
            // Once this is held no other generation comes between.
            let mut writer = inner.log.writer("set attributes")?;
            match change.take() {
                Some(change) => inner.update_attrs(&mut writer, owner, change),
                None => Ok(()),
            }
        })
    }
}

impl Partition {
    fn owner(&self) -> Owner<'_> {
        Owner::Partition(self.collection(), self.name())
    }

    /// Attributes of the partition; none if it does not exist yet.
    pub fn attrs(&self) -> Result<Attrs> {
        let found = self.store().inner().attrs(self.owner())?;
        Ok(found.unwrap_or_default())
    }

    /// As [`Store::set_attrs`], for the partition; makes it if it is missing.
    pub fn set_attrs(&self, attrs: &Attrs) -> Result<()> {
        self.update_attrs(|old| old.clone_from(attrs))
    }

    /// As [`Store::update_attrs`], for the partition; makes it if it is missing.
    pub fn update_attrs(&self, change: impl FnOnce(&mut Attrs)) -> Result<()> {
        self.store().update_attrs_of(self.owner(), change)
    }
}

impl Inner {
    /// The row that has the attributes, if there is one.
    fn owner_row(&self, owner: Owner<'_>) -> Result<Option<(Vec<u8>, RowValue)>> {
        let (log, catalog) = (&self.log, &self.catalog);
        let key = match owner {
            // Always there, if with nothing to say.
            Owner::Store => {
                let value = catalog.row_value(log, &store_key())?;
                return Ok(Some((store_key(), value.unwrap_or_default())));
            }
            Owner::Collection(name) => collection_key(name),
            Owner::Partition(collection, name) => {
                return catalog.partition_row(log, collection, name);
            }
        };
        let value = catalog.row_value(log, &key)?;
        Ok(value.map(|value| (key, value)))
    }

    fn attrs(&self, owner: Owner<'_>) -> Result<Option<Attrs>> {
        self.check_open("read attributes")?;
        let row = self.owner_row(owner)?;
        row.map(|(_, value)| self.attrs_of(&value)).transpose()
    }

    fn attrs_of(&self, value: &RowValue) -> Result<Attrs> {
        let at = self.log.published();
        value.attrs().map_err(|defect| self.log.corrupt(at, defect))
    }

    fn update_attrs(
        &self,
        writer: &mut WriterGuard<'_>,
        owner: Owner<'_>,
        change: impl FnOnce(&mut Attrs),
    ) -> Result<()> {
        let row = self.owner_row(owner)?;
        let old = row.as_ref().map(|(_, value)| value.clone());
        let mut value = old.clone().unwrap_or_default();
        let mut attrs = self.attrs_of(&value)?;
        change(&mut attrs);
        value.set_attrs(&attrs, &owner.describe())?;
        if old.as_ref() == Some(&value) {
            return Ok(());
        }
        let mut drafts = Drafts::default();
        let added = match (row, owner) {
            (None, Owner::Partition(collection, name)) => {
                let names = (collection, name);
                let made = drafts.make_partition(&self.catalog, &self.log, names, value);
                made.map(drop)
            }
            (None, Owner::Collection(name)) => {
                let made = drafts.make_collection(&self.catalog, name, value);
                made.map(drop)
            }
            (row, _) => {
                let key = row.map_or_else(store_key, |(key, _)| key);
                let value = Some(value.to_bytes());
                drafts.rows.push(Row { key, value });
                Ok(())
            }
        };
        let committed = added.and_then(|()| self.commit_rows(writer, &drafts.rows));
        self.settle(&drafts, &committed);
        committed.map(drop)
    }
}
