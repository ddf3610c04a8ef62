//! What the format can hold, and the messages for what it cannot.

/// Longest name of an array or dim, in bytes of UTF-8.
pub(super) const MAX_NAME: usize = 255;
/// Longest name of an attribute, in bytes of UTF-8.
pub(super) const MAX_ATTR_NAME: usize = 65_535;
/// Most axes of an array.
pub(crate) const MAX_RANK: usize = 32;
/// Most arrays in an entry; most attributes in an entry, too.
pub(super) const MAX_FIELDS: usize = 65_535;
/// Most lists and mappings inside each other in an attribute.
pub(super) const MAX_DEPTH: usize = 32;
/// Largest element of a fixed-width dtype in bytes, as in NumPy.
pub(super) const MAX_ITEM: u64 = i32::MAX as u64;
/// Most bytes of an array, counted without its zero-length axes, so that
/// strides fit a signed word.
pub(super) const MAX_EXTENT: u64 = i64::MAX as u64;
/// Most bytes of attributes that are stored together.
pub(super) const MAX_ATTR_BYTES: usize = 0x7fff_ffff;

/// What is wrong with a name of an array; the empty one is the bare array.
pub(super) fn array_name_fault(name: &str) -> Option<String> {
    if name.len() > MAX_NAME {
        return Some(format!(
            "a name has at most {MAX_NAME} bytes, this one {}",
            name.len()
        ));
    }
    name.find('\0')
        .map(|at| format!("a name has no NUL, this one has it at byte {at}"))
}

/// What is wrong with a name of a dim.
pub(super) fn dim_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is not empty; an axis without name is `None`".to_owned());
    }
    array_name_fault(name)
}

/// What is wrong with a name of an attribute, which stands on its own.
pub(super) fn attr_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is not empty".to_owned());
    }
    inner_name_fault(name)
}

/// What is wrong with a name inside a mapping, which may be empty as in JSON and Python.
pub(super) fn inner_name_fault(name: &str) -> Option<String> {
    (name.len() > MAX_ATTR_NAME).then(|| {
        format!(
            "a name has at most {MAX_ATTR_NAME} bytes, this one {}",
            name.len()
        )
    })
}
