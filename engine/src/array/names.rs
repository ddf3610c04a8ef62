//! What is known by name within one entry.
use std::collections::HashMap;

/// Up to here, comparing each name costs less than hashing one.
const FEW: usize = 16;

/// A map by name that needs no hash for few names.
#[derive(Default)]
pub(super) struct Names<'a, T> {
    few: Vec<(&'a str, T)>,
    many: HashMap<&'a str, T>,
}

impl<'a, T: Copy> Names<'a, T> {
    pub(super) fn get(&self, name: &str) -> Option<T> {
        let few = self.few.iter().find(|(known, _)| *known == name);
        few.map(|(_, value)| *value)
            .or_else(|| self.many.get(name).copied())
    }

    /// Adds a name that is not known yet.
    pub(super) fn add(&mut self, name: &'a str, value: T) {
        if self.few.len() < FEW {
            self.few.push((name, value));
        } else {
            self.many.insert(name, value);
        }
    }
}
