//! Probes for x86-64: SSE2, which every such processor has, and AVX2.
//!
//! With SSE2 the tags of eight words are packed into one vector, compared, and packed into
//! a mask of bytes. With AVX2 a 16-bit comparison leaves the result for the tag in the top
//! bits of each word, where the move-mask of doubles looks.
#![expect(
    unsafe_code,
    reason = "vector loads and calls of functions for one processor"
)]

use core::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_and_si128, _mm_castps_si128, _mm_castsi128_pd,
    _mm_castsi128_ps, _mm_cmpeq_epi16, _mm_cmpeq_epi32, _mm_load_si128, _mm_movemask_epi8,
    _mm_movemask_pd, _mm_packs_epi16, _mm_packs_epi32, _mm_prefetch, _mm_set1_epi16,
    _mm_setzero_si128, _mm_shuffle_epi32, _mm_shuffle_ps, _mm_srai_epi32, _mm256_castsi256_pd,
    _mm256_cmpeq_epi16, _mm256_cmpeq_epi64, _mm256_load_si256, _mm256_movemask_pd,
    _mm256_set1_epi16, _mm256_setzero_si256,
};

use super::{Group, Probe, Slots};

/// Probes with SSE2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sse2;

impl Probe for Sse2 {
    #[inline(always)]
    fn tagged(self, group: &Group, tag: u16) -> Slots {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { tagged_sse2(group, tag) }
    }

    #[inline(always)]
    fn empty(self, group: &Group) -> Slots {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { empty_sse2(group) }
    }
}

/// Probes with AVX2: half the instructions. A value exists only where it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof that this processor has AVX2.
    #[inline]
    pub(crate) fn new() -> Option<Self> {
        std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Probe for Avx2 {
    #[inline(always)]
    fn tagged(self, group: &Group, tag: u16) -> Slots {
        // SAFETY: `self` exists only where the processor has AVX2.
        unsafe { tagged_avx2(group, tag) }
    }

    #[inline(always)]
    fn empty(self, group: &Group) -> Slots {
        // SAFETY: `self` exists only where the processor has AVX2.
        unsafe { empty_avx2(group) }
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn tagged_sse2(group: &Group, tag: u16) -> Slots {
    // The upper halves of four words each, then their upper quarters: the tags in order.
    let halves = |pair: usize| {
        let (a, b) = (load(group, pair), load(group, pair + 1));
        let upper = _mm_shuffle_ps::<0b11_01_11_01>(_mm_castsi128_ps(a), _mm_castsi128_ps(b));
        _mm_srai_epi32::<16>(_mm_castps_si128(upper))
    };
    let tags = _mm_packs_epi32(halves(0), halves(2));
    let equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag as i16));
    let slots = _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) as u8;
    // Only tag 0 can meet an empty slot.
    if tag == 0 {
        Slots(slots & !empty_sse2(group).0)
    } else {
        Slots(slots)
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn empty_sse2(group: &Group) -> Slots {
    let mut slots = 0;
    for pair in 0..4 {
        let halves = _mm_cmpeq_epi32(load(group, pair), _mm_setzero_si128());
        // Both halves of a word must be zero.
        let both = _mm_and_si128(halves, _mm_shuffle_epi32::<0b10_11_00_01>(halves));
        slots |= top_bits(both) << (pair * 2);
    }
    Slots(slots)
}

#[inline]
#[target_feature(enable = "sse2")]
fn top_bits(words: __m128i) -> u8 {
    _mm_movemask_pd(_mm_castsi128_pd(words)) as u8
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(group: &Group, pair: usize) -> __m128i {
    let words: *const __m128i = std::ptr::from_ref(group).cast();
    // SAFETY: a group holds four vectors and `pair` is below 4.
    let words = unsafe { words.add(pair) };
    // SAFETY: the vector lies inside the borrowed group, which is aligned to 64 bytes.
    unsafe { _mm_load_si128(words) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn tagged_avx2(group: &Group, tag: u16) -> Slots {
    let tags = _mm256_set1_epi16(tag as i16);
    let mut slots = 0;
    for half in 0..2 {
        let equal = _mm256_cmpeq_epi16(load_avx2(group, half), tags);
        slots |= (_mm256_movemask_pd(_mm256_castsi256_pd(equal)) as u8) << (half * 4);
    }
    if tag == 0 {
        Slots(slots & !empty_avx2(group).0)
    } else {
        Slots(slots)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn empty_avx2(group: &Group) -> Slots {
    let mut slots = 0;
    for half in 0..2 {
        let zero = _mm256_cmpeq_epi64(load_avx2(group, half), _mm256_setzero_si256());
        slots |= (_mm256_movemask_pd(_mm256_castsi256_pd(zero)) as u8) << (half * 4);
    }
    Slots(slots)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_avx2(group: &Group, half: usize) -> __m256i {
    let words: *const __m256i = std::ptr::from_ref(group).cast();
    // SAFETY: a group holds two vectors and `half` is below 2.
    let words = unsafe { words.add(half) };
    // SAFETY: the vector lies inside the borrowed group, which is aligned to 64 bytes.
    unsafe { _mm256_load_si256(words) }
}

/// Starts to load the cache line at `reference`.
#[inline(always)]
pub(crate) fn prefetch<T>(reference: &T) {
    // SAFETY: a prefetch may be given any address; SSE is part of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(reference).cast()) };
}
