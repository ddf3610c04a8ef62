//! What is wrong with a line, and where in it.

use std::fmt;

/// Result of reading a part of a line. Boxed: faults are rare and wide.
pub(crate) type Parsed<T> = Result<T, Box<Fault>>;

/// Where in a line a fault is, before the line is searched for the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The node of the parsed line with this number.
    Node(usize),
    /// This byte of the line, from 0.
    Byte(usize),
}

/// What is wrong with a line.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    /// Names of the members around the fault, innermost first.
    path: Vec<String>,
    message: String,
}

impl Fault {
    /// A fault at a node of the parsed line.
    pub(crate) fn at(node: usize, message: impl Into<String>) -> Box<Self> {
        Self::new(Place::Node(node), message)
    }

    /// A fault at a place.
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            place,
            path: Vec::new(),
            message: message.into(),
        })
    }

    /// The same fault, known to be inside the member `name`.
    #[must_use]
    pub(crate) fn within(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.path.push(name.to_owned());
        self
    }

    /// The fault with the column that its place has in the line.
    pub(crate) fn located(self, column: Option<u64>) -> Finding {
        let mut path = self.path;
        path.reverse();
        Finding {
            column,
            member: path.join("."),
            message: self.message,
        }
    }
}

/// A fault with its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Byte of the line, from 1; `None` if the line as a whole is meant.
    pub(crate) column: Option<u64>,
    /// Path of the member, joined by dots; empty for the line itself.
    pub(crate) member: String,
    pub(crate) message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        if !self.member.is_empty() {
            write!(f, "member `{}`: ", self.member)?;
        }
        f.write_str(&self.message)
    }
}

/// Adds the member's name to a fault on its way up.
pub(crate) trait Within<T> {
    /// As [`Fault::within`].
    fn within(self, name: &str) -> Parsed<T>;
}

impl<T> Within<T> for Parsed<T> {
    fn within(self, name: &str) -> Self {
        self.map_err(|fault| fault.within(name))
    }
}

/// "; did you mean `x`?" for the known name nearest to `name`, or nothing.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let best = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min_by_key(|&(distance, _)| distance);
    match best {
        // Beyond a third of its letters a suggestion is a guess.
        Some((distance, candidate)) if distance <= candidate.chars().count().div_ceil(3).max(1) => {
            format!("; did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}
