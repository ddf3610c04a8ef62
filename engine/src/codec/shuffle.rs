//! The filter `shuffle`: the first bytes of all elements, then all second ones, and so on.
//!
//! Bytes of the same weight resemble each other more than their neighbours do, so that a
//! compressor finds more. The layout is the one that HDF5 and Blosc have under this name.
//! What is shorter than an element, at the end, stays as it is.
//!
//! A block of `W` elements of `N` bytes is `N` vectors of `W` bytes. Interleaving the bytes
//! of the first half of them with those of the second half turns the number of a byte's
//! place round by one bit. After `log2(W)` turns the number of the element has gone from the
//! upper bits to the lower ones, which is the block shuffled; `log2(N)` turns bring it back.
//! Compilers make a few vector instructions of each turn, for 6 to 40 GB/s, if a block has
//! 256 bytes; of a smaller one they move single bytes, at a tenth of that.

/// Turns elements of `size` bytes into planes of bytes.
pub(super) fn shuffle(size: usize, data: &[u8], out: &mut [u8]) {
    match size {
        2 => shuffle_blocks::<2, 128>(data, out),
        4 => shuffle_blocks::<4, 64>(data, out),
        8 => shuffle_blocks::<8, 32>(data, out),
        16 => shuffle_blocks::<16, 16>(data, out),
        _ => shuffle_from(0, size, data, out),
    }
}

/// Turns planes of bytes back into elements of `size` bytes.
pub(super) fn unshuffle(size: usize, data: &[u8], out: &mut [u8]) {
    match size {
        2 => unshuffle_blocks::<2, 128>(data, out),
        4 => unshuffle_blocks::<4, 64>(data, out),
        8 => unshuffle_blocks::<8, 32>(data, out),
        16 => unshuffle_blocks::<16, 16>(data, out),
        _ => unshuffle_from(0, size, data, out),
    }
}

/// The vectors with the bytes of their halves interleaved.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all places are below the lengths in the types, which lets these loops be unrolled"
)]
fn turn<const N: usize, const W: usize>(vectors: [[u8; W]; N]) -> [[u8; W]; N] {
    let mut turned = [[0; W]; N];
    for k in 0..N / 2 {
        let (a, b) = (vectors[k], vectors[k + N / 2]);
        for i in 0..W / 2 {
            turned[2 * k][2 * i] = a[i];
            turned[2 * k][2 * i + 1] = b[i];
            turned[2 * k + 1][2 * i] = a[W / 2 + i];
            turned[2 * k + 1][2 * i + 1] = b[W / 2 + i];
        }
    }
    turned
}

fn shuffle_blocks<const N: usize, const W: usize>(data: &[u8], out: &mut [u8]) {
    let elements = data.len().checked_div(N).unwrap_or(0);
    let (blocks, _) = data.as_chunks::<W>().0.as_chunks::<N>();
    let mut planes = out.chunks_exact_mut(elements.max(1));
    let mut planes: [_; N] = std::array::from_fn(|_| {
        let plane = planes.next().unwrap_or_default();
        plane.as_chunks_mut::<W>().0.iter_mut()
    });
    for block in blocks {
        let mut vectors = *block;
        for _ in 0..W.ilog2() {
            vectors = turn(vectors);
        }
        for (plane, vector) in planes.iter_mut().zip(&vectors) {
            if let Some(place) = plane.next() {
                *place = *vector;
            }
        }
    }
    shuffle_from(blocks.len().saturating_mul(W), N, data, out);
}

fn unshuffle_blocks<const N: usize, const W: usize>(data: &[u8], out: &mut [u8]) {
    let elements = data.len().checked_div(N).unwrap_or(0);
    let mut planes = data.chunks_exact(elements.max(1));
    let mut planes: [_; N] = std::array::from_fn(|_| {
        let plane = planes.next().unwrap_or_default();
        plane.as_chunks::<W>().0.iter()
    });
    let (blocks, _) = out.as_chunks_mut::<W>().0.as_chunks_mut::<N>();
    let done = blocks.len().saturating_mul(W);
    for block in blocks {
        let mut vectors = [[0; W]; N];
        for (vector, plane) in vectors.iter_mut().zip(&mut planes) {
            if let Some(place) = plane.next() {
                *vector = *place;
            }
        }
        for _ in 0..N.ilog2() {
            vectors = turn(vectors);
        }
        *block = vectors;
    }
    unshuffle_from(done, N, data, out);
}

/// The elements from `first` on, of any size, byte by byte.
fn shuffle_from(first: usize, size: usize, data: &[u8], out: &mut [u8]) {
    let Some(elements) = data.len().checked_div(size) else {
        return out.copy_from_slice(data);
    };
    let whole = elements.saturating_mul(size);
    let (data, tail) = data.split_at(whole);
    let (out, end) = out.split_at_mut(whole);
    end.copy_from_slice(tail);
    if first < elements {
        for (at, plane) in out.chunks_exact_mut(elements).enumerate() {
            let from = first.saturating_mul(size).saturating_add(at);
            let bytes = data.iter().skip(from).step_by(size);
            for (to, from) in plane.iter_mut().skip(first).zip(bytes) {
                *to = *from;
            }
        }
    }
}

/// The elements from `first` on, of any size, byte by byte.
fn unshuffle_from(first: usize, size: usize, data: &[u8], out: &mut [u8]) {
    let Some(elements) = data.len().checked_div(size) else {
        return out.copy_from_slice(data);
    };
    let whole = elements.saturating_mul(size);
    let (data, tail) = data.split_at(whole);
    let (out, end) = out.split_at_mut(whole);
    end.copy_from_slice(tail);
    if first < elements {
        for (at, plane) in data.chunks_exact(elements).enumerate() {
            let to = first.saturating_mul(size).saturating_add(at);
            let places = out.iter_mut().skip(to).step_by(size);
            for (to, from) in places.zip(plane.iter().skip(first)) {
                *to = *from;
            }
        }
    }
}
