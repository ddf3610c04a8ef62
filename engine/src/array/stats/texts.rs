//! Least and greatest of texts and bytes.
//!
//! Elements are compared as they are stored, and only the two that are left are cut and
//! turned into values.
use std::cmp::Ordering;

use super::numbers::is_set;
use super::{ArrayStats, Bound, Ends, MAX_TEXT};
use crate::array::{AttrValue, DType};

pub(super) fn stats(
    dtype: DType,
    count: u64,
    data: &[u8],
    ends: Ends<'_>,
    validity: Option<&[u8]>,
    fill: Option<&AttrValue>,
) -> ArrayStats {
    let mut found = Found {
        order: if let DType::FixedString(_) = dtype {
            order_of_chars
        } else {
            <[u8]>::cmp
        },
        fill: fill.and_then(|fill| stored(dtype, fill)),
        low: None,
        high: None,
        fills: 0,
    };
    let (mut all, mut nulls) = (0_u64, 0_u64);
    for (at, element) in elements(dtype, count, data, ends).enumerate() {
        all = all.saturating_add(1);
        if validity.is_some_and(|bits| !is_set(bits, at)) {
            nulls = nulls.saturating_add(1);
        } else {
            found.take(element);
        }
    }
    let (min, min_exact) = found.low.map_or((None, true), |low| least(dtype, low));
    let (max, max_exact) = found
        .high
        .map_or((None, true), |high| greatest(dtype, high));
    ArrayStats {
        count: all,
        nulls,
        nans: 0,
        fills: found.fills,
        min,
        max,
        min_exact,
        max_exact,
    }
}

struct Found<'a> {
    order: fn(&[u8], &[u8]) -> Ordering,
    fill: Option<Vec<u8>>,
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
    fills: u64,
}

impl<'a> Found<'a> {
    fn take(&mut self, element: &'a [u8]) {
        if self.fill.as_deref() == Some(element) {
            self.fills = self.fills.saturating_add(1);
            return;
        }
        if self
            .low
            .is_none_or(|low| (self.order)(element, low).is_lt())
        {
            self.low = Some(element);
        }
        if self
            .high
            .is_none_or(|high| (self.order)(element, high).is_gt())
        {
            self.high = Some(element);
        }
    }
}

/// The elements as they are stored, without the zeros at the end of those of fixed width.
/// Those that the data is too short for are left out.
fn elements<'a>(
    dtype: DType,
    count: u64,
    data: &'a [u8],
    ends: Ends<'a>,
) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    let nothing: &[u8] = &[];
    let none_longer = usize::try_from(count).unwrap_or(usize::MAX);
    match (dtype, dtype.item_size()) {
        (_, Some(0)) => Box::new(std::iter::repeat_n(nothing, none_longer)),
        (DType::FixedString(_), Some(width)) => {
            Box::new(data.chunks_exact(width).map(trimmed_chars))
        }
        (_, Some(width)) => Box::new(data.chunks_exact(width).map(trimmed)),
        (_, None) => match ends {
            Ends::None => Box::new(std::iter::once(data)),
            Ends::Given(ends) => Box::new(between(data, ends.iter().copied())),
            Ends::Stored(ends) => {
                let narrow = none_longer.saturating_add(1).saturating_mul(4);
                if ends.len() == narrow {
                    let (ends, _) = ends.as_chunks();
                    Box::new(between(
                        data,
                        ends.iter().map(|end| u64::from(u32::from_le_bytes(*end))),
                    ))
                } else {
                    let (ends, _) = ends.as_chunks();
                    Box::new(between(
                        data,
                        ends.iter().map(|end| u64::from_le_bytes(*end)),
                    ))
                }
            }
        },
    }
}

/// What lies between each two of `ends`.
fn between<'a>(
    data: &'a [u8],
    mut ends: impl Iterator<Item = u64> + 'a,
) -> impl Iterator<Item = &'a [u8]> + 'a {
    let mut start = ends.next().unwrap_or(0);
    ends.map(move |end| {
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        start = end;
        range
            .and_then(|(start, end)| data.get(start..end))
            .unwrap_or_default()
    })
}

fn trimmed(element: &[u8]) -> &[u8] {
    let zeros = element.iter().rev().take_while(|byte| **byte == 0).count();
    let (kept, _) = element
        .split_at_checked(element.len().saturating_sub(zeros))
        .unwrap_or_default();
    kept
}

/// Without the characters at the end that are zero.
fn trimmed_chars(element: &[u8]) -> &[u8] {
    let len = trimmed(element).len().next_multiple_of(4);
    element.get(..len).unwrap_or(element)
}

/// The order of characters of four bytes, which are little-endian.
fn order_of_chars(a: &[u8], b: &[u8]) -> Ordering {
    chars(a).cmp(chars(b))
}

fn chars(element: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let (chars, _) = element.as_chunks();
    chars.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// A fill value as an element equal to it is stored.
fn stored(dtype: DType, fill: &AttrValue) -> Option<Vec<u8>> {
    match (dtype, fill) {
        (DType::FixedString(_), AttrValue::String(text)) => {
            let chars = text.chars().flat_map(|c| u32::from(c).to_le_bytes());
            Some(trimmed_chars(&chars.collect::<Vec<_>>()).to_vec())
        }
        (DType::FixedBytes(_), AttrValue::Bytes(bytes)) => Some(trimmed(bytes).to_vec()),
        (DType::String, AttrValue::String(text)) => Some(text.clone().into_bytes()),
        (DType::Bytes, AttrValue::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

/// The element, or its start, which is not greater.
fn least(dtype: DType, element: &[u8]) -> Bound {
    match dtype {
        DType::FixedBytes(_) | DType::Bytes => {
            let head = element.get(..MAX_TEXT).unwrap_or(element);
            let exact = head.len() == element.len();
            (Some(AttrValue::Bytes(head.to_vec())), exact)
        }
        _ => {
            let (head, exact) = head(dtype, element);
            (Some(AttrValue::String(head)), exact)
        }
    }
}

/// The element, or something short that is greater; nothing if there is nothing.
fn greatest(dtype: DType, element: &[u8]) -> Bound {
    match least(dtype, element) {
        (Some(AttrValue::Bytes(head)), false) => (after(head).map(AttrValue::Bytes), false),
        (Some(AttrValue::String(head)), false) => (after_text(head).map(AttrValue::String), false),
        whole => whole,
    }
}

/// As much of a text as fits, up to what is no character; whether that is all of it.
fn head(dtype: DType, element: &[u8]) -> (String, bool) {
    if let DType::FixedString(_) = dtype {
        let mut head = String::new();
        for char in chars(element) {
            match char::from_u32(char) {
                Some(c) if head.len().saturating_add(c.len_utf8()) <= MAX_TEXT => head.push(c),
                _ => return (head, false),
            }
        }
        return (head, true);
    }
    let start = element.get(..MAX_TEXT).unwrap_or(element);
    let head = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    (head.to_owned(), head.len() == element.len())
}

/// The least bytes, not longer, that are greater than all that start with these.
fn after(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = bytes.pop() {
        if let Some(next) = last.checked_add(1) {
            bytes.push(next);
            return Some(bytes);
        }
    }
    None
}

/// A text, not longer than a bound may be, that is greater than all that start with this.
fn after_text(mut text: String) -> Option<String> {
    while let Some(last) = text.pop() {
        // Ranges of characters pass over what is none.
        let next = (last..=char::MAX).nth(1);
        if let Some(next) = next.filter(|c| text.len().saturating_add(c.len_utf8()) <= MAX_TEXT) {
            text.push(next);
            return Some(text);
        }
    }
    None
}
