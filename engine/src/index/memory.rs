//! Memory of tables.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "advice to the kernel")
)]

use zerocopy::FromZeros;

/// Tables from this length on ask for large pages.
#[cfg(target_os = "linux")]
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
    #[cfg(target_os = "linux")]
    advise(&table);
    table
}

#[cfg(target_os = "linux")]
fn advise<T>(table: &[T]) {
    const PAGE: usize = 4096;
    let bytes = size_of_val(table);
    let start = table.as_ptr().cast::<u8>();
    let skip = start.align_offset(PAGE);
    if bytes < LARGE {
        return;
    }
    let len = (bytes - skip) / PAGE * PAGE;
    // SAFETY: `skip` is below a page and hence inside the allocation.
    let first = unsafe { start.add(skip) };
    // SAFETY: the whole pages from `first` on lie inside the allocation. The advice does
    // not change what they hold; a kernel that does not know it answers with an error,
    // which changes nothing either.
    let _ = unsafe { libc::madvise(first.cast_mut().cast(), len, libc::MADV_HUGEPAGE) };
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
