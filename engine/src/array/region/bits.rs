//! Copies of validity bits, as Arrow has them: the lowest bit of a byte is the first.
use super::selection::Selection;
use super::walk::Walk;

/// [`super::gather`] of bits, of arrays of one bit an element. Bits of `to` outside the
/// box keep their values.
///
/// `false`, and nothing copied, if a selection or a shape does not fit, or a slice has
/// fewer bits than its array.
pub(crate) fn gather_bits(
    from: &[u8],
    from_shape: &[u64],
    inside: &Selection,
    to: &mut [u8],
    to_shape: &[u64],
    at: &[u64],
) -> bool {
    inside.moved(at).is_some_and(|place| {
        let walk = Walk::new(1, (from_shape, inside), (to_shape, &place));
        walk.is_some_and(|walk| copy(&walk, from, to))
    })
}

/// [`super::scatter`] of bits. Bits of `to` that are not selected keep their values.
pub(crate) fn scatter_bits(
    from: &[u8],
    from_shape: &[u64],
    at: &[u64],
    to: &mut [u8],
    to_shape: &[u64],
    inside: &Selection,
) -> bool {
    inside.moved(at).is_some_and(|place| {
        let walk = Walk::new(1, (from_shape, &place), (to_shape, inside));
        walk.is_some_and(|walk| copy(&walk, from, to))
    })
}

fn copy(walk: &Walk, from: &[u8], to: &mut [u8]) -> bool {
    let bits = |bytes: &[u8]| (bytes.len() as u64).saturating_mul(8);
    if walk.from_len > bits(from) || walk.to_len > bits(to) {
        return false;
    }
    walk.each(|from_at, to_at| {
        for row in 0..walk.rows.count {
            // Within the arrays.
            let from_at = from_at.wrapping_add(row.wrapping_mul(walk.rows.from));
            let to_at = to_at.wrapping_add(row.wrapping_mul(walk.rows.to));
            match walk.run {
                1 => copy_bit(from, from_at, to, to_at)?,
                run => copy_run(from, from_at, to, to_at, run)?,
            }
        }
        Some(())
    })
}

/// Byte and place in it.
fn place(bit: u64) -> Option<(usize, u32)> {
    Some((usize::try_from(bit >> 3).ok()?, (bit & 7) as u32))
}

/// Copies one bit; `None` if it is not in its slice.
pub(super) fn copy_bit(from: &[u8], from_at: u64, to: &mut [u8], to_at: u64) -> Option<()> {
    let (byte, shift) = place(from_at)?;
    let bit = from.get(byte)?.wrapping_shr(shift) & 1;
    let (byte, shift) = place(to_at)?;
    let to = to.get_mut(byte)?;
    *to = (*to & !1_u8.wrapping_shl(shift)) | bit.wrapping_shl(shift);
    Some(())
}

/// Copies `run` bits: whole bytes of `to` at once, the ends bit by bit.
fn copy_run(from: &[u8], from_at: u64, to: &mut [u8], to_at: u64, run: u64) -> Option<()> {
    let head = to_at.wrapping_neg() & 7;
    let head = head.min(run);
    let whole = run.checked_sub(head)? & !7;
    let single = |from: &[u8], to: &mut [u8], bits: std::ops::Range<u64>| {
        for bit in bits {
            copy_bit(from, from_at.checked_add(bit)?, to, to_at.checked_add(bit)?)?;
        }
        Some(())
    };
    single(from, to, 0..head)?;
    if whole > 0 {
        let (first, shift) = place(from_at.checked_add(head)?)?;
        let (begin, _) = place(to_at.checked_add(head)?)?;
        let bytes = usize::try_from(whole >> 3).ok()?;
        let to = to.get_mut(begin..begin.checked_add(bytes)?)?;
        let end = first.checked_add(bytes)?;
        if shift == 0 {
            to.copy_from_slice(from.get(first..end)?);
        } else {
            let low = from.get(first..end)?;
            let high = from.get(first.checked_add(1)?..end.checked_add(1)?)?;
            for ((to, low), high) in to.iter_mut().zip(low).zip(high) {
                let pair = u16::from(*low) | u16::from(*high).wrapping_shl(8);
                *to = pair.wrapping_shr(shift) as u8;
            }
        }
    }
    single(from, to, head.checked_add(whole)?..run)
}
