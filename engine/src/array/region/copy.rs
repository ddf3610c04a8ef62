//! Copies of elements of fixed width between a selection and a box.
use super::selection::Selection;
use super::walk::Walk;

/// Copies what is `inside` of a C-order array `from` of shape `from_shape` to the box of
/// the same shape at `at` in `to`, of shape `to_shape`. Elements of `item` bytes.
///
/// `false`, and nothing copied, if a selection, a shape or a length does not fit: each
/// slice has exactly the bytes of its array.
pub(crate) fn gather(
    item: usize,
    from: &[u8],
    from_shape: &[u64],
    inside: &Selection,
    to: &mut [u8],
    to_shape: &[u64],
    at: &[u64],
) -> bool {
    inside.moved(at).is_some_and(|place| {
        let walk = Walk::new(item as u64, (from_shape, inside), (to_shape, &place));
        walk.is_some_and(|walk| copy(&walk, from, to))
    })
}

/// The other way round: the box at `at` of `from`, of shape `from_shape`, goes to what is
/// `inside` of `to`, of shape `to_shape`.
pub(crate) fn scatter(
    item: usize,
    from: &[u8],
    from_shape: &[u64],
    at: &[u64],
    to: &mut [u8],
    to_shape: &[u64],
    inside: &Selection,
) -> bool {
    inside.moved(at).is_some_and(|place| {
        let walk = Walk::new(item as u64, (from_shape, &place), (to_shape, inside));
        walk.is_some_and(|walk| copy(&walk, from, to))
    })
}

fn copy(walk: &Walk, from: &[u8], to: &mut [u8]) -> bool {
    if walk.from_len != from.len() as u64 || walk.to_len != to.len() as u64 {
        return false;
    }
    // Only with nothing to copy, as `Walk` says; what follows cuts slices by these steps.
    if walk.run == 0 || walk.rows.from < walk.run || walk.rows.to < walk.run {
        return walk.rows.count == 0;
    }
    // A run as short as a number is moved as one, without a call.
    match walk.run {
        1 => each::<1>(walk, from, to),
        2 => each::<2>(walk, from, to),
        4 => each::<4>(walk, from, to),
        8 => each::<8>(walk, from, to),
        16 => each::<16>(walk, from, to),
        _ => long(walk, from, to),
    }
}

/// Runs of `N` bytes.
fn each<const N: usize>(walk: &Walk, from: &[u8], to: &mut [u8]) -> bool {
    // Within the slices, thus no more than a word.
    let (from_step, to_step) = (walk.rows.from as usize, walk.rows.to as usize);
    walk.each(|from_at, to_at| {
        let from = rows(walk, walk.rows.from, from_at).and_then(|at| from.get(at))?;
        let to = rows(walk, walk.rows.to, to_at).and_then(|at| to.get_mut(at))?;
        // Without the last run all rows are whole, and of one length for the compiler.
        let (from, from_last) = from.split_last_chunk::<N>()?;
        let (to, to_last) = to.split_last_chunk_mut::<N>()?;
        *to_last = *from_last;
        // Runs side by side are arrays for it.
        if to_step == N {
            let to = to.as_chunks_mut::<N>().0;
            for (to, from) in to.iter_mut().zip(from.chunks_exact(from_step)) {
                *to = *from.first_chunk()?;
            }
        } else if from_step == N {
            let from = from.as_chunks::<N>().0;
            for (to, from) in to.chunks_exact_mut(to_step).zip(from) {
                *to.first_chunk_mut()? = *from;
            }
        } else {
            for (to, from) in to
                .chunks_exact_mut(to_step)
                .zip(from.chunks_exact(from_step))
            {
                *to.first_chunk_mut::<N>()? = *from.first_chunk()?;
            }
        }
        Some(())
    })
}

/// Runs of any length.
fn long(walk: &Walk, from: &[u8], to: &mut [u8]) -> bool {
    let (from_step, to_step) = (walk.rows.from as usize, walk.rows.to as usize);
    let run = walk.run as usize;
    walk.each(|from_at, to_at| {
        let from = rows(walk, walk.rows.from, from_at).and_then(|at| from.get(at))?;
        let to = rows(walk, walk.rows.to, to_at).and_then(|at| to.get_mut(at))?;
        for (to, from) in to.chunks_mut(to_step).zip(from.chunks(from_step)) {
            to.get_mut(..run)?.copy_from_slice(from.get(..run)?);
        }
        Some(())
    })
}

/// From the first byte of the rows at `at`, `step` apart, to the last.
fn rows(walk: &Walk, step: u64, at: u64) -> Option<std::ops::Range<usize>> {
    let steps = walk.rows.count.checked_sub(1)?;
    let last = steps.checked_mul(step)?.checked_add(at)?;
    let end = last.checked_add(walk.run)?;
    Some(usize::try_from(at).ok()?..usize::try_from(end).ok()?)
}
