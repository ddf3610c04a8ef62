//! Rows of partition 0: their keys, and what stands in their values.
//!
//! ```text
//! row of a name    u32 id, then fields
//! field            u8 tag, u32 length, content
//!   1              attributes: a map as in the frame of an entry
//!   2              of a partition: log2 of the alignment of its values, u8
//!   3              of a partition: codec of its arrays, text
//!   4              of a partition: length of a chunk along each axis, u64; none: chosen
//! ```
//!
//! A field stands there once and only if it says something. Readers pass over tags that
//! they do not know, writers keep them. The row of the store has 0 for the id.

use crate::array::{self, ArrayDefaults, Attrs, Chunking};
use crate::error::{Error, Result};
use crate::format::Defect;

/// Key of the row of the store, whole.
const STORE: u8 = 0;
pub(super) const COLLECTION: u8 = 1;
pub(super) const PARTITION: u8 = 2;
pub(super) const SCHEMA_HASH: u8 = 4;
pub(super) const SCHEMA: u8 = 5;

/// Longest name of a collection or partition, in bytes of UTF-8.
const MAX_NAME: usize = 255;

const ATTRS: u8 = 1;
const ALIGN: u8 = 2;
const CODEC: u8 = 3;
const CHUNKS: u8 = 4;

/// A key of partition 0 and its value; `None`: the row goes.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

pub(super) fn key(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Key of the row of the store.
pub(crate) fn store_key() -> Vec<u8> {
    vec![STORE]
}

/// Key of the row of a collection.
pub(crate) fn collection_key(name: &str) -> Vec<u8> {
    key(COLLECTION, &[name.as_bytes()])
}

/// Key of the row of a partition of the collection with an id.
pub(crate) fn partition_key(collection: u32, name: &str) -> Vec<u8> {
    key(PARTITION, &[&collection.to_le_bytes(), name.as_bytes()])
}

/// Fails unless `name` can name a collection or partition.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let detail = if name.is_empty() {
        "a name is not empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!(
            "a name has at most {MAX_NAME} bytes, this one {}",
            name.len()
        )
    } else if let Some(at) = name.find('\0') {
        format!("a name has no NUL, this one has it at byte {at}")
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        what: format!("{what} name {name:?}"),
        detail,
    })
}

/// The value of the row of a name, or of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowValue {
    pub(crate) id: u32,
    fields: Vec<(u8, Vec<u8>)>,
}

impl RowValue {
    /// An id and nothing else.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            fields: Vec::new(),
        }
    }

    /// Reads a value. Total on any bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Defect> {
        let truncated = |what, need: usize, have: usize| Defect::Truncated {
            what,
            need: need as u64,
            have: have as u64,
        };
        let (id, mut rest) = bytes
            .split_first_chunk()
            .ok_or_else(|| truncated("the id of a name", 4, bytes.len()))?;
        let mut value = Self::new(u32::from_le_bytes(*id));
        while let Some((&tag, after)) = rest.split_first() {
            let (len, after) = after
                .split_first_chunk()
                .ok_or_else(|| truncated("a field of a name", 4, after.len()))?;
            let len = u32::from_le_bytes(*len) as usize;
            let (content, after) = after
                .split_at_checked(len)
                .ok_or_else(|| truncated("a field of a name", len, after.len()))?;
            if value.field(tag).is_some() {
                return Err(Defect::Field {
                    what: "the tag of a field of a name",
                    found: tag.into(),
                    expected: "a tag that stands there once",
                });
            }
            value.fields.push((tag, content.to_vec()));
            rest = after;
        }
        Ok(value)
    }

    /// The bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.id.to_le_bytes().to_vec();
        for (tag, content) in &self.fields {
            bytes.push(*tag);
            // Attributes are below 2^31 bytes, the rest is small.
            bytes.extend((content.len() as u32).to_le_bytes());
            bytes.extend_from_slice(content);
        }
        bytes
    }

    fn field(&self, tag: u8) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(known, _)| *known == tag);
        found.map(|(_, content)| content.as_slice())
    }

    /// Sets a field, or takes it away if there is nothing to say.
    fn set_field(&mut self, tag: u8, content: Option<Vec<u8>>) {
        let place = self.fields.iter().position(|(known, _)| *known == tag);
        match (place.and_then(|at| self.fields.get_mut(at)), content) {
            (Some((_, old)), Some(content)) => *old = content,
            (None, Some(content)) => self.fields.push((tag, content)),
            (_, None) => self.fields.retain(|(known, _)| *known != tag),
        }
    }

    /// The attributes.
    pub(crate) fn attrs(&self) -> Result<Attrs, Defect> {
        self.field(ATTRS)
            .map_or_else(|| Ok(Attrs::new()), array::decode_attrs)
    }

    /// Replaces the attributes, which are those of `owner`. `Error::Invalid`.
    pub(crate) fn set_attrs(&mut self, attrs: &Attrs, owner: &str) -> Result<()> {
        let content = match attrs.is_empty() {
            true => None,
            false => Some(array::encode_attrs(attrs, owner)?),
        };
        self.set_field(ATTRS, content);
        Ok(())
    }

    /// Log2 of the alignment of the values of a partition, if it asks for one.
    pub(crate) fn align(&self) -> Result<Option<u8>, Defect> {
        match self.field(ALIGN) {
            None => Ok(None),
            Some(&[log2 @ 3..=30]) => Ok(Some(log2)),
            Some(other) => Err(Defect::Field {
                what: "the alignment of a partition",
                found: other.first().copied().unwrap_or_default().into(),
                expected: "a log2 from 3 to 30, in one byte",
            }),
        }
    }

    /// What the partition asks for arrays.
    pub(crate) fn array_defaults(&self) -> Result<ArrayDefaults, Defect> {
        let codec = match self.field(CODEC) {
            None => None,
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Some(text.to_owned()),
                Err(_) => {
                    let what = "the codec of a partition";
                    return Err(Defect::NotUtf8 { what });
                }
            },
        };
        let chunks = match self.field(CHUNKS) {
            None => None,
            Some([]) => Some(Chunking::Auto),
            Some(bytes) => {
                let (lengths, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(Defect::Field {
                        what: "bytes of the chunks of a partition",
                        found: bytes.len() as u64,
                        expected: "a multiple of 8",
                    });
                }
                let lengths = lengths.iter().map(|length| u64::from_le_bytes(*length));
                Some(Chunking::Shape(lengths.collect()))
            }
        };
        Ok(ArrayDefaults { codec, chunks })
    }

    /// Sets what the partition asks for arrays.
    pub(crate) fn set_array_defaults(&mut self, defaults: &ArrayDefaults) {
        let codec = defaults.codec.as_ref();
        self.set_field(CODEC, codec.map(|text| text.as_bytes().to_vec()));
        let chunks = defaults.chunks.as_ref().map(|chunks| match chunks {
            Chunking::Auto => Vec::new(),
            Chunking::Shape(lengths) => {
                let bytes = lengths.iter().flat_map(|length| length.to_le_bytes());
                bytes.collect()
            }
        });
        self.set_field(CHUNKS, chunks);
    }

    /// Sets the log2 of the alignment.
    pub(crate) fn set_align(&mut self, log2: Option<u8>) {
        self.set_field(ALIGN, log2.map(|log2| vec![log2]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::array::AttrValue;

    #[test]
    fn names_of_1_to_255_bytes_are_taken_and_others_refused_with_the_number() {
        for name in ["a", "a/b", "Ω", &"x".repeat(255)] {
            check_name("collection", name).expect("taken");
        }
        for (name, said) in [("", "empty"), (&"x".repeat(256), "256"), ("a\0b", "byte 1")] {
            let error = check_name("partition", name)
                .expect_err("refused")
                .to_string();
            assert!(
                error.contains(said) && error.contains("partition"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_value_without_fields_is_its_id() {
        assert_eq!(RowValue::new(7).to_bytes(), [7, 0, 0, 0]);
        assert_eq!(RowValue::parse(&[7, 0, 0, 0]), Ok(RowValue::new(7)));
    }

    #[test]
    fn fields_read_back_and_those_of_a_later_version_stay() {
        let mut value = RowValue::new(9);
        value.set_field(77, Some(vec![1, 2, 3]));
        let attrs: Attrs = [("lat", AttrValue::Float64(1.5))].into_iter().collect();
        value.set_attrs(&attrs, "a test").expect("stored");
        value.set_align(Some(12));
        let mut value = RowValue::parse(&value.to_bytes()).expect("valid");
        assert_eq!(value.attrs(), Ok(attrs));
        assert_eq!(value.align(), Ok(Some(12)));
        value.set_attrs(&Attrs::new(), "a test").expect("stored");
        value.set_align(None);
        assert_eq!(value.fields, [(77, vec![1, 2, 3])]);
    }

    #[test]
    fn a_field_that_is_cut_or_stands_twice_is_refused() {
        for bytes in [
            &[1, 0, 0][..],
            &[1, 0, 0, 0, 2],
            &[1, 0, 0, 0, 2, 2, 0, 0, 0, 3],
            &[1, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0],
        ] {
            RowValue::parse(bytes).expect_err("refused");
        }
        for align in [2, 31] {
            let value = [1, 0, 0, 0, ALIGN, 1, 0, 0, 0, align];
            let value = RowValue::parse(&value).expect("whole");
            value.align().expect_err("no alignment");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value_that_reads_back_or_a_defect(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(value) = RowValue::parse(&bytes) {
                prop_assert_eq!(value.to_bytes(), bytes);
                let _ = (value.attrs(), value.align());
            }
        }
    }
}
