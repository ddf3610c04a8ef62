//! Where the parts of an entry frame lie, for writer and reader alike.
use super::DType;

/// Bytes of the frame header.
pub(super) const HEADER: usize = 8;
/// Most bytes of an array that lie in its slot.
pub(super) const INLINE: u64 = 8;
/// Most bytes of a text that lie in its slot.
pub(super) const INLINE_TEXT: usize = 7;
/// Mark of a text in its slot, beside its length.
pub(super) const INLINE_MARK: u8 = 0x80;

/// Flags of the frame header.
pub(super) mod flag {
    /// Dim sizes are u64.
    pub(in crate::array) const WIDE_DIMS: u16 = 1;
    /// Slots are 16 bytes.
    pub(in crate::array) const WIDE_SLOTS: u16 = 2;
    /// Array attributes stand in the extra part, not in the schema.
    pub(in crate::array) const ARRAY_ATTRS: u16 = 4;
    /// The frame amends an entry; how stands in the extra part.
    pub(in crate::array) const AMENDS: u16 = 8;
    /// Blocks of it are encoded with the dictionary of the partition.
    pub(in crate::array) const SHARES: u16 = 16;
    /// There is an extra part.
    pub(in crate::array) const EXTRA: u16 = 32;
    /// There are statistics.
    pub(in crate::array) const STATS: u16 = 64;
    /// All that this version knows.
    pub(in crate::array) const KNOWN: u16 =
        WIDE_DIMS | WIDE_SLOTS | ARRAY_ATTRS | AMENDS | SHARES | EXTRA | STATS;
}

/// State of a field in the presence bits.
pub(super) mod presence {
    pub(in crate::array) const ABSENT: u8 = 0;
    pub(in crate::array) const PRESENT: u8 = 1;
    pub(in crate::array) const MASKED: u8 = 2;
}

/// `at` rounded up to a multiple of `align`, a power of two.
pub(super) fn align_up(at: u64, align: u64) -> u64 {
    let last = align.saturating_sub(1);
    at.saturating_add(last) & !last
}

/// `at` rounded up to a multiple of 8.
pub(super) fn pad8(at: usize) -> usize {
    at.saturating_add(7) & !7
}

/// Bytes of the validity bits of `elements`.
pub(super) fn validity_len(elements: u64) -> u64 {
    elements.div_ceil(8)
}

/// How the fixed part keeps a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The value in its natural width: 1, 2, 4, 8 or 16 bytes.
    Scalar(u8),
    /// The bytes of an array, or where they are.
    Slot,
    /// A 0-d text or its place.
    Text,
    /// Nothing: an attribute whose value stands in the extra part.
    Extra,
}

impl Class {
    /// Class of an array of `dtype` and `rank`.
    pub(super) fn of_array(dtype: DType, rank: usize) -> Self {
        match (rank, dtype.item_bytes()) {
            (0, Some(width @ (1 | 2 | 4 | 8 | 16))) => Self::Scalar(width as u8),
            (0, None) => Self::Text,
            _ => Self::Slot,
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Scalar(width) => usize::from(width),
            Self::Slot | Self::Text => 8,
            Self::Extra => 0,
        }
    }

    /// Place among the sections of the fixed part.
    fn section(self) -> usize {
        match self {
            Self::Scalar(16) => 0,
            Self::Slot | Self::Text => 1,
            Self::Scalar(8) => 2,
            Self::Scalar(4) => 3,
            Self::Scalar(2) => 4,
            Self::Scalar(_) | Self::Extra => 5,
        }
    }
}

/// What the layout needs to know of a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) class: Class,
    /// Has a byte of validity in the fixed part: a masked 0-d array.
    pub(super) validity: bool,
}

/// Where the fixed part keeps a field, counted from its start, with 8-byte slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) class: Class,
    at: u32,
    validity: Option<u32>,
}

/// Places of all fields of a schema: arrays first, then entry attributes.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    places: Vec<Place>,
    dims: usize,
    slots_at: usize,
    slots: usize,
    narrow_len: usize,
}

impl Layout {
    pub(super) fn new(dims: usize, items: &[Item]) -> Self {
        let mut sizes = [0_usize; 6];
        let [.., bytes] = &mut sizes;
        *bytes = items.iter().filter(|item| item.validity).count();
        for item in items {
            add(&mut sizes, item.class.section(), item.class.width());
        }
        let [wide, slots, ..] = sizes;
        let mut next = starts(sizes);
        let places = items.iter().map(|item| place(*item, &mut next)).collect();
        Self {
            places,
            dims,
            slots_at: wide,
            slots: slots / 8,
            narrow_len: sizes.iter().fold(0, |sum, size| sum.saturating_add(*size)),
        }
    }

    pub(super) fn place(&self, field: usize) -> Option<Place> {
        self.places.get(field).copied()
    }

    /// The layout of a frame with these flags.
    pub(super) fn with_flags(&self, flags: u16) -> Geometry<'_> {
        let dim_width = if flags & flag::WIDE_DIMS != 0 { 8 } else { 4 };
        let bits_at = HEADER.saturating_add(self.dims.saturating_mul(dim_width));
        let bits_len = self.places.len().div_ceil(4);
        Geometry {
            layout: self,
            wide_slots: flags & flag::WIDE_SLOTS != 0,
            dim_width,
            bits_at,
            fixed_at: pad8(bits_at.saturating_add(bits_len)),
        }
    }
}

fn starts(sizes: [usize; 6]) -> [usize; 6] {
    let mut at = 0_usize;
    sizes.map(|size| {
        let start = at;
        at = at.saturating_add(size);
        start
    })
}

/// Adds to one of the sections; gives what it was before.
fn add(sections: &mut [usize; 6], section: usize, len: usize) -> usize {
    let Some(value) = sections.get_mut(section) else {
        return 0;
    };
    let before = *value;
    *value = before.saturating_add(len);
    before
}

fn place(item: Item, next: &mut [usize; 6]) -> Place {
    // At most 131,070 fields of at most 17 bytes: far below 2^32.
    let at = add(next, item.class.section(), item.class.width()) as u32;
    let validity = item.validity.then(|| add(next, 5, 1) as u32);
    Place {
        class: item.class,
        at,
        validity,
    }
}

/// Offsets of the parts of one frame, from its start.
#[derive(Clone, Copy)]
pub(super) struct Geometry<'a> {
    layout: &'a Layout,
    pub(super) wide_slots: bool,
    pub(super) dim_width: usize,
    pub(super) bits_at: usize,
    fixed_at: usize,
}

impl Geometry<'_> {
    /// Where the size of a dim slot is.
    pub(super) fn dim_at(&self, dim: usize) -> usize {
        HEADER.saturating_add(dim.saturating_mul(self.dim_width))
    }

    /// Where the value or slot of a field is.
    pub(super) fn field_at(&self, place: Place) -> usize {
        self.widened(place.at as usize)
    }

    /// Where the validity byte of a masked 0-d array is.
    pub(super) fn validity_at(&self, place: Place) -> Option<usize> {
        place.validity.map(|at| self.widened(at as usize))
    }

    /// Where the fixed part ends, padded: the extra part or the first body.
    pub(super) fn fixed_end(&self) -> usize {
        pad8(self.widened(self.layout.narrow_len))
    }

    /// From an offset in the fixed part with 8-byte slots to one in this frame.
    fn widened(&self, at: usize) -> usize {
        let more = if self.wide_slots {
            let slots_before = at.saturating_sub(self.layout.slots_at) / 8;
            slots_before.min(self.layout.slots).saturating_mul(8)
        } else {
            0
        };
        self.fixed_at.saturating_add(at).saturating_add(more)
    }
}
