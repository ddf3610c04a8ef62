//! The second address of a command, after `--to`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::key;

/// Where something goes.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) store: PathBuf,
    pub(crate) collection: String,
    pub(crate) partition: String,
    /// `None` where the first address has no key either.
    pub(crate) key: Option<Vec<u8>>,
}

impl Address {
    /// The address in `parts`, of which those that are left out on the left are those of
    /// `source`.
    pub(crate) fn after_to(parts: &[OsString], source: &Self) -> Outcome<Self> {
        let mut rest = parts.iter().rev();
        let key = match &source.key {
            Some(_) => rest.next().map(|key| key::bytes(key)).transpose()?,
            None => None,
        };
        let name = |part: Option<&OsString>, default: &str, what: &str| match part {
            None => Ok(default.to_owned()),
            Some(part) => part.to_str().map(str::to_owned).ok_or_else(|| {
                Failure::Usage(format!("the name of a {what} is UTF-8 text, not {part:?}"))
            }),
        };
        let partition = name(rest.next(), &source.partition, "partition")?;
        let collection = name(rest.next(), &source.collection, "collection")?;
        let store = rest.next().map(PathBuf::from);
        if let Some(more) = rest.next() {
            return Err(Failure::Usage(format!(
                "--to has at most {}, this one begins with {more:?}",
                match key {
                    Some(_) => "STORE COLLECTION PARTITION KEY",
                    None => "STORE COLLECTION PARTITION where no KEY is given before it",
                }
            )));
        }
        Ok(Self {
            store: store.unwrap_or_else(|| source.store.clone()),
            collection,
            partition,
            key,
        })
    }

    /// The first address.
    pub(crate) fn source(
        store: &Path,
        collection: &str,
        partition: &str,
        key: Option<&OsStr>,
    ) -> Outcome<Self> {
        Ok(Self {
            store: store.to_owned(),
            collection: collection.to_owned(),
            partition: partition.to_owned(),
            key: key.map(key::bytes).transpose()?,
        })
    }

    /// Whether both lie in one file.
    pub(crate) fn is_same_store(&self, other: &Self) -> bool {
        match (self.store.canonicalize(), other.store.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => self.store == other.store,
        }
    }

    /// As people read it.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("{:?}/{:?}", self.collection, self.partition);
        if let Some(key) = &self.key {
            text = format!("\"{}\" of {text}", key::escaped(key));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_to(parts: &[&str], key: Option<&str>) -> Outcome<Vec<String>> {
        let source = Address::source(Path::new("s"), "c", "p", key.map(OsStr::new))?;
        let parts: Vec<OsString> = parts.iter().map(OsString::from).collect();
        let to = Address::after_to(&parts, &source)?;
        let key = to.key.map(|key| key::escaped(&key));
        let names = [to.store.display().to_string(), to.collection, to.partition];
        Ok(names.into_iter().chain(key).collect())
    }

    #[test]
    fn parts_that_are_left_out_are_those_of_the_source() {
        for (parts, expected) in [
            (&["l"][..], ["s", "c", "p", "l"]),
            (&["q", "l"], ["s", "c", "q", "l"]),
            (&["d", "q", "l"], ["s", "d", "q", "l"]),
            (&["t", "d", "q", "l"], ["t", "d", "q", "l"]),
        ] {
            assert_eq!(after_to(parts, Some("k")).expect("an address"), expected);
        }
        for (parts, expected) in [
            (&["q"][..], ["s", "c", "q"]),
            (&["d", "q"], ["s", "d", "q"]),
            (&["t", "d", "q"], ["t", "d", "q"]),
        ] {
            assert_eq!(after_to(parts, None).expect("an address"), expected);
        }
    }

    #[test]
    fn one_part_too_many_is_a_usage_error() {
        assert!(after_to(&["x", "t", "d", "q", "l"], Some("k")).is_err());
        assert!(after_to(&["t", "d", "q", "l"], None).is_err());
    }
}
