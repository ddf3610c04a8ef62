//! What lines need not repeat.
//!
//! A member of a line beats the last defaults line, which beats the flags. A
//! defaults line takes the place of the one before as a whole.

use std::collections::HashMap;

use arraylog::DType;

use super::array::{self, ArrayDefaults};
use super::document::{Member, Value};
use super::fault::{Fault, Parsed, Within};

const MEMBERS: [&str; 3] = ["collection", "partition", "arrays"];

/// What the flags say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) collection: Option<String>,
    pub(crate) partition: Option<String>,
    pub(crate) dtypes: HashMap<String, DType>,
}

/// Flags with the last defaults line laid over them.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    flags: Flags,
    collection: Option<String>,
    partition: Option<String>,
    arrays: HashMap<String, ArrayDefaults>,
}

impl Defaults {
    pub(crate) fn new(flags: Flags) -> Self {
        let mut defaults = Self {
            flags,
            collection: None,
            partition: None,
            arrays: HashMap::new(),
        };
        defaults.replace(Stated::default());
        defaults
    }

    pub(crate) fn collection(&self) -> Option<&str> {
        self.collection.as_deref()
    }

    pub(crate) fn partition(&self) -> Option<&str> {
        self.partition.as_deref()
    }

    /// What is stated for the arrays called `name`.
    pub(crate) fn array(&self, name: &str) -> Option<&ArrayDefaults> {
        if self.arrays.is_empty() {
            None
        } else {
            self.arrays.get(name)
        }
    }

    /// Puts a defaults line in the place of the one before.
    pub(crate) fn replace(&mut self, stated: Stated) {
        self.collection = stated.collection.or_else(|| self.flags.collection.clone());
        self.partition = stated.partition.or_else(|| self.flags.partition.clone());
        self.arrays = stated.arrays;
        for (name, dtype) in &self.flags.dtypes {
            self.arrays
                .entry(name.clone())
                .or_default()
                .dtype
                .get_or_insert(*dtype);
        }
    }
}

/// What a defaults line says.
#[derive(Debug, Default)]
pub(crate) struct Stated {
    collection: Option<String>,
    partition: Option<String>,
    arrays: HashMap<String, ArrayDefaults>,
}

/// Reads the value of `defaults`.
pub(crate) fn read(value: Value<'_, '_>) -> Parsed<Stated> {
    let mut stated = Stated::default();
    for member in value.members()? {
        read_member(&mut stated, &member)?;
    }
    Ok(stated)
}

fn read_member(stated: &mut Stated, member: &Member<'_, '_>) -> Parsed<()> {
    match member.name {
        "collection" => {
            stated.collection = Some(member.value.expect_text().within("collection")?.to_owned());
        }
        "partition" => {
            stated.partition = Some(member.value.expect_text().within("partition")?.to_owned());
        }
        "arrays" => {
            for array in member.value.members().within("arrays")? {
                let defaults = array::read_defaults(array.value)
                    .within(array.name)
                    .within("arrays")?;
                stated.arrays.insert(array.name.to_owned(), defaults);
            }
        }
        _ => return Err(member.unknown(&MEMBERS)),
    }
    Ok(())
}

/// Reads `NAME=DTYPE` of `--dtype`. The name may hold `=`.
pub(crate) fn parse_flag(text: &str) -> Result<(String, DType), String> {
    let (name, dtype) = text.rsplit_once('=').ok_or("expected NAME=DTYPE")?;
    Ok((name.to_owned(), super::elements::parse_dtype(dtype)?))
}

/// A line without the member `name`, which no default gives.
pub(crate) fn missing(name: &str, flag: &str) -> Box<Fault> {
    Fault::at(
        0,
        format!("no `{name}`: not in the line, not in a defaults line, and no {flag}"),
    )
}
