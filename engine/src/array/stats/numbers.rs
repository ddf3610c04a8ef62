//! Least and greatest of plain numbers, in one pass.
//!
//! A block of elements is compared lane by lane, without a branch, and each lane has its
//! own least, greatest and counts, as wide as the number: the compiler makes instructions
//! on whole registers of it.

/// A number of `W` bytes.
pub(super) trait Number<const W: usize>: Copy + PartialEq {
    /// Counts elements of one lane; as wide as they are.
    type Count: Count;
    /// Where the search for the least starts: none that counts is higher.
    const TOP: Self;
    /// Where the search for the greatest starts.
    const BOTTOM: Self;
    /// From its stored bytes.
    fn load(bytes: [u8; W]) -> Self;
    /// NaN or NaT.
    fn is_nan(self) -> bool;
    /// The lower of both; the other one if this is NaN.
    fn lower(self, other: Self) -> Self;
    /// The higher of both; the other one if this is NaN.
    fn higher(self, other: Self) -> Self;
}

/// A count of at most [`RUN`].
pub(super) trait Count: Copy + Default + Into<u64> {
    fn add(self, one: bool) -> Self;
}

macro_rules! integers {
    ($($int:ty, $count:ty);* $(;)?) => {$(
        impl Number<{ size_of::<$int>() }> for $int {
            type Count = $count;
            const TOP: Self = Self::MAX;
            const BOTTOM: Self = Self::MIN;
            #[inline(always)]
            fn load(bytes: [u8; size_of::<$int>()]) -> Self {
                Self::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            #[inline(always)]
            fn lower(self, other: Self) -> Self {
                self.min(other)
            }
            #[inline(always)]
            fn higher(self, other: Self) -> Self {
                self.max(other)
            }
        }
    )*};
}
integers! { i8, u8; i16, u16; i32, u32; i64, u64; u8, u8; u16, u16; u32, u32; u64, u64; }

macro_rules! floats {
    ($($float:ty, $count:ty);* $(;)?) => {$(
        impl Number<{ size_of::<$float>() }> for $float {
            type Count = $count;
            const TOP: Self = Self::INFINITY;
            const BOTTOM: Self = Self::NEG_INFINITY;
            #[inline(always)]
            fn load(bytes: [u8; size_of::<$float>()]) -> Self {
                Self::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            // A comparison with NaN is false: one instruction does it, unlike `f32::min`.
            #[inline(always)]
            fn lower(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn higher(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
        }
    )*};
}
floats! { f32, u32; f64, u64; }

macro_rules! counts {
    ($($count:ty),*) => {$(
        impl Count for $count {
            #[inline(always)]
            fn add(self, one: bool) -> Self {
                self.wrapping_add(Self::from(one))
            }
        }
    )*};
}
counts! { u8, u16, u32, u64 }

/// A float of 16 bits, as an integer of the same order: zeros are one, and more than
/// `INFINITY` from it is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Short<const INFINITY: i16>(i16);

impl<const INFINITY: i16> Short<INFINITY> {
    #[inline(always)]
    pub(super) fn from_bits(bits: u16) -> Self {
        // All ones if it is negative: turns the magnitude into its negative.
        let sign = bits.cast_signed() >> 15;
        let magnitude = (bits & 0x7fff).cast_signed();
        Self((magnitude ^ sign).wrapping_sub(sign))
    }

    pub(super) fn to_bits(self) -> u16 {
        let sign = if self.0 < 0 { 0x8000 } else { 0 };
        self.0.unsigned_abs() | sign
    }
}

impl<const INFINITY: i16> Number<2> for Short<INFINITY> {
    type Count = u16;
    const TOP: Self = Self(INFINITY);
    const BOTTOM: Self = Self(INFINITY.wrapping_neg());
    #[inline(always)]
    fn load(bytes: [u8; 2]) -> Self {
        Self::from_bits(u16::from_le_bytes(bytes))
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        (self.0 > INFINITY) | (self.0 < INFINITY.wrapping_neg())
    }
    #[inline(always)]
    fn lower(self, other: Self) -> Self {
        // Below negative infinity there is NaN alone, and it goes to the top.
        Self(if self.is_nan() { i16::MAX } else { self.0 }.min(other.0))
    }
    #[inline(always)]
    fn higher(self, other: Self) -> Self {
        Self(if self.is_nan() { i16::MIN } else { self.0 }.max(other.0))
    }
}

/// A time, of which the least integer is NaT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Time(pub(super) i64);

impl Number<8> for Time {
    type Count = u64;
    const TOP: Self = Self(i64::MAX);
    const BOTTOM: Self = Self(i64::MIN);
    #[inline(always)]
    fn load(bytes: [u8; 8]) -> Self {
        Self(i64::from_le_bytes(bytes))
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.0 == i64::MIN
    }
    #[inline(always)]
    fn lower(self, other: Self) -> Self {
        Self(if self.is_nan() { i64::MAX } else { self.0 }.min(other.0))
    }
    #[inline(always)]
    fn higher(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

/// Blocks whose counts are added up before a lane of a byte would overflow.
const RUN: usize = 200;
/// Elements of a masked array that are looked at together.
const MASKED_RUN: usize = 1024;

/// Least and greatest of those that count, and how many do not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread<T> {
    pub(super) low: T,
    pub(super) high: T,
    pub(super) nans: u64,
    pub(super) fills: u64,
}

impl<T> Spread<T> {
    /// Of all elements.
    pub(super) fn of<const W: usize, const LANES: usize>(items: &[[u8; W]], fill: Option<T>) -> Self
    where
        T: Number<W>,
    {
        // NaN is no fill value: no element is both.
        match fill.filter(|fill| !fill.is_nan()) {
            None => Self::of_all::<W, LANES, false>(items, T::TOP),
            Some(fill) => Self::of_all::<W, LANES, true>(items, fill),
        }
    }

    /// Of the elements whose bit is set, and the number of those whose bit is not.
    pub(super) fn of_masked<const W: usize, const LANES: usize>(
        items: &[[u8; W]],
        validity: &[u8],
        fill: Option<T>,
    ) -> (Self, u64)
    where
        T: Number<W>,
    {
        let mut spread = Self::nothing();
        let mut nulls = 0_u64;
        let mut bits = validity.chunks(MASKED_RUN / 8);
        for run in items.chunks(MASKED_RUN) {
            let bits = bits.next().unwrap_or_default();
            if bits.iter().all(|byte| *byte == u8::MAX) {
                spread.add(&Self::of::<W, LANES>(run, fill));
                continue;
            }
            for (at, item) in run.iter().enumerate() {
                if is_set(bits, at) {
                    spread.take(T::load(*item), fill);
                } else {
                    nulls = nulls.saturating_add(1);
                }
            }
        }
        (spread, nulls)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "lanes of arrays of LANES; iterators over four of them are ten times slower"
    )]
    fn of_all<const W: usize, const LANES: usize, const FILLED: bool>(
        items: &[[u8; W]],
        fill: T,
    ) -> Self
    where
        T: Number<W>,
    {
        let mut spread = Self::nothing();
        let mut lows = [T::TOP; LANES];
        let mut highs = [T::BOTTOM; LANES];
        for run in items.chunks(LANES.saturating_mul(RUN)) {
            let mut nans = [T::Count::default(); LANES];
            let mut fills = [T::Count::default(); LANES];
            let (blocks, rest) = run.as_chunks::<LANES>();
            for block in blocks {
                for lane in 0..LANES {
                    let x = T::load(block[lane]);
                    let filled = FILLED & (x == fill);
                    nans[lane] = nans[lane].add(x.is_nan());
                    fills[lane] = fills[lane].add(filled);
                    let (below, above) = if filled { (T::TOP, T::BOTTOM) } else { (x, x) };
                    lows[lane] = below.lower(lows[lane]);
                    highs[lane] = above.higher(highs[lane]);
                }
            }
            for item in rest {
                spread.take(T::load(*item), FILLED.then_some(fill));
            }
            spread.nans = sum(spread.nans, nans);
            spread.fills = sum(spread.fills, fills);
        }
        for (low, high) in lows.into_iter().zip(highs) {
            spread.low = low.lower(spread.low);
            spread.high = high.higher(spread.high);
        }
        spread
    }

    fn nothing<const W: usize>() -> Self
    where
        T: Number<W>,
    {
        Self {
            low: T::TOP,
            high: T::BOTTOM,
            nans: 0,
            fills: 0,
        }
    }

    #[inline]
    fn take<const W: usize>(&mut self, x: T, fill: Option<T>)
    where
        T: Number<W>,
    {
        if x.is_nan() {
            self.nans = self.nans.saturating_add(1);
        } else if fill == Some(x) {
            self.fills = self.fills.saturating_add(1);
        } else {
            self.low = x.lower(self.low);
            self.high = x.higher(self.high);
        }
    }

    fn add<const W: usize>(&mut self, other: &Self)
    where
        T: Number<W>,
    {
        self.low = other.low.lower(self.low);
        self.high = other.high.higher(self.high);
        self.nans = self.nans.saturating_add(other.nans);
        self.fills = self.fills.saturating_add(other.fills);
    }
}

/// Whether the bit of element `at` is set, or lies beyond the bits.
pub(super) fn is_set(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8)
        .is_none_or(|byte| (byte >> (at % 8)) & 1 == 1)
}

fn sum<C: Count, const LANES: usize>(start: u64, counts: [C; LANES]) -> u64 {
    counts
        .into_iter()
        .fold(start, |sum, count| sum.saturating_add(count.into()))
}
