//! Memory of tables.

use zerocopy::FromZeros;

use crate::storage::system;

/// Tables from this length on ask for large pages.
const LARGE: usize = 4 << 20;

/// Zeroed memory straight from the allocator: what is not used costs no time.
///
/// A large table is touched at random, a page of the processor's translation cache for
/// each lookup: the kernel is asked for pages of 2 MiB.
pub(super) fn zeroed<T: FromZeros>(len: usize) -> Box<[T]> {
    let table = <[T]>::new_box_zeroed_with_elems(len).unwrap_or_else(|_| {
        // The same as every collection of std does when memory runs out.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<T>())
    });
    if size_of_val(&*table) >= LARGE {
        system::want_large_pages(&table);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_any_length_are_zero() {
        for len in [0, 1, 1000, 1 << 20] {
            let table: Box<[u64]> = zeroed(len);
            assert_eq!(table.len(), len);
            assert!(table.iter().all(|&word| word == 0));
        }
    }
}
