//! Bytes of a file as a slice of fixed structures.
#![expect(unsafe_code, reason = "reads a table where it lies in the file")]

use std::marker::PhantomData;
use std::ops::{Deref, Range};

use zerocopy::{FromBytes, Immutable};

use crate::storage::Bytes;

/// A slice of `T` in bytes that the view keeps.
pub(super) struct View<T> {
    bytes: Bytes,
    len: usize,
    of: PhantomData<T>,
}

impl<T: FromBytes + Immutable> View<T> {
    /// The part of `bytes` at `range`; `None` unless it is inside, aligned, and a whole
    /// number of elements.
    pub(super) fn new(bytes: &Bytes, range: Range<u64>) -> Option<Self> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        let bytes = bytes.slice(range)?;
        let whole = bytes.len().is_multiple_of(size_of::<T>());
        let aligned = bytes.as_ptr().cast::<T>().is_aligned();
        let len = bytes.len() / size_of::<T>();
        (whole && aligned).then_some(Self {
            bytes,
            len,
            of: PhantomData,
        })
    }
}

impl<T: FromBytes + Immutable> Deref for View<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `new` found the bytes aligned and long enough for `len` elements; any
        // bytes are a `T` without interior mutability; they live and stay as they are for
        // as long as `self.bytes`.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len) }
    }
}

impl<T> std::fmt::Debug for View<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({} elements)", self.len)
    }
}
