//! Everything that a store holds, in order, as plain data.

use arraylog::{Entry, Kind, Result, Store};

/// Partitions in order, each with its entries in order.
pub type Dump = Vec<(String, Vec<(Vec<u8>, Content)>)>;

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A plain value.
    Value(Vec<u8>),
    /// Arrays, each with its name, and the attributes.
    Arrays(Vec<(String, ArrayContent)>, String),
}

/// What an array holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayContent {
    /// Dtype, dims, fill value and attributes, as text.
    pub info: String,
    /// Length of each axis.
    pub shape: Vec<u64>,
    /// The elements.
    pub data: Vec<u8>,
    /// The validity bits.
    pub validity: Option<Vec<u8>>,
}

/// Reads all of a store.
///
/// # Errors
///
/// Those of the reads.
pub fn dump(store: &Store) -> Result<Dump> {
    let mut dump = Dump::new();
    for info in store.info()?.partitions {
        let part = store.existing_partition(&info.collection, &info.name)?;
        let mut entries = Vec::new();
        for entry in part.entries()? {
            let entry = entry?;
            entries.push((entry.key().to_vec(), content(&entry)?));
        }
        dump.push((format!("{}/{}", info.collection, info.name), entries));
    }
    Ok(dump)
}

/// Reads all of an entry.
///
/// # Errors
///
/// Those of the reads.
pub fn content(entry: &Entry) -> Result<Content> {
    if entry.kind() == Kind::Value {
        return Ok(Content::Value(entry.value()?.to_vec()));
    }
    let mut arrays = Vec::new();
    for name in entry.names() {
        let array = entry.array(name)?;
        let read = array.read()?;
        let content = ArrayContent {
            info: format!("{:?}", array.info()),
            shape: array.shape().to_vec(),
            data: read.data().to_vec(),
            validity: read.validity().map(|bits| bits.to_vec()),
        };
        arrays.push((name.to_owned(), content));
    }
    Ok(Content::Arrays(arrays, format!("{:?}", entry.attrs()?)))
}
