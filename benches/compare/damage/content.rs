//! What every store holds.

use std::path::Path;

use anyhow::Result;

/// Values.
pub(crate) const COUNT: usize = 200;

/// Bytes of each.
pub(crate) const LEN: usize = 3000;

/// Name of the file with all values, one after the other, that children of other languages
/// read.
pub(crate) const FILE: &str = "content.bin";

/// The key of value `number`.
pub(crate) fn key(number: usize) -> String {
    format!("key {number:03}")
}

/// Random bytes, the same each time: nothing is won by compressing them.
pub(crate) fn values() -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(0xDA_3A6E);
    let value = |_| {
        let mut value = vec![0; LEN];
        rng.fill(&mut value);
        value
    };
    (0..COUNT).map(value).collect()
}

/// Writes all values to `folder`.
pub(crate) fn save(folder: &Path) -> Result<()> {
    Ok(std::fs::write(folder.join(FILE), values().concat())?)
}

/// What the answers of a store amount to.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    values: &'a [Vec<u8>],
    wrong: usize,
    missing: usize,
    errors: usize,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(values: &'a [Vec<u8>]) -> Self {
        Self {
            values,
            wrong: 0,
            missing: 0,
            errors: 0,
        }
    }

    /// Takes in what reading value `number` gave.
    pub(crate) fn take<E>(&mut self, number: usize, found: Result<Option<&[u8]>, E>) {
        match found {
            Err(_) => self.errors += 1,
            Ok(None) => self.missing += 1,
            Ok(Some(found)) => {
                let is_right = self.values.get(number).is_some_and(|value| value == found);
                self.wrong += usize::from(!is_right);
            }
        }
    }

    /// Takes in how many entries the store says that it has.
    pub(crate) fn count<E>(&mut self, found: Result<u64, E>) {
        match found {
            Err(_) => self.errors += 1,
            Ok(found) => self.wrong += usize::from(found != COUNT as u64),
        }
    }

    /// In one word. What is wrong or missing without its error counts before errors.
    pub(crate) fn word(&self) -> &'static str {
        match (self.wrong, self.missing, self.errors) {
            (1.., _, _) => "wrong",
            (0, 1.., _) => "missing",
            (0, 0, 1..) => "error",
            (0, 0, 0) => "right",
        }
    }
}
