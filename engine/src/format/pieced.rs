//! An identity of which both copies are damaged, pieced together.
//!
//! Most of the 512 bytes are the same in every store of this version. Of the others each
//! copy may have what the other lost, and the checksum, which stands twice as well, says
//! which pieces belong together; of one copy it finds a single bit that is wrong.
//! What neither has is lost: store id and seed are random, and the log has only
//! checksums that were made with them.

use super::header::{IDENTITY_LEN, Identity};

/// Bytes in which the copies differ, at most: each doubles the pieces to try, and with more
/// of them a checksum would fit by chance.
const MOST: usize = 16;

type Page = [u8; IDENTITY_LEN];

/// The identity that two damaged copies give together; `None` if they give none, or more
/// than one.
pub(crate) fn identity(pages: &[Page; 2]) -> Option<Identity> {
    let pages = pages.map(|page| with_constants(&page));
    let [first, second] = &pages;
    let differ: Vec<usize> = (0..IDENTITY_LEN)
        .filter(|&at| first.get(at) != second.get(at))
        .collect();
    let mut found = Found::default();
    if differ.len() <= MOST {
        for choice in 0..1u32 << differ.len() {
            let mut page = *first;
            for (number, &at) in differ.iter().enumerate() {
                if choice >> number & 1 == 1
                    && let (Some(to), Some(from)) = (page.get_mut(at), second.get(at))
                {
                    *to = *from;
                }
            }
            found.take(&page);
        }
    }
    for page in &pages {
        found.take(page);
        for bit in 0..IDENTITY_LEN.saturating_mul(8) {
            let mut page = *page;
            if let Some(byte) = page.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            found.take(&page);
        }
    }
    found.only()
}

/// What holds of what was tried.
#[derive(Default)]
struct Found {
    one: Option<Identity>,
    others: bool,
}

impl Found {
    fn take(&mut self, page: &Page) {
        if let Ok(identity) = Identity::parse(page) {
            self.others |= self.one.is_some_and(|one| one != identity);
            self.one = Some(identity);
        }
    }

    fn only(self) -> Option<Identity> {
        self.one.filter(|_| !self.others)
    }
}

/// A copy with the bytes that every identity of this version has.
fn with_constants(page: &Page) -> Page {
    let blank = Identity {
        store_id: [0; 16],
        lineage_id: [0; 16],
        generation: 0,
        seed: 0,
        first_seqno: 0,
        ro_compat: 0,
        parent: [0; 16],
    };
    let mut whole = blank.to_bytes();
    // From the store id to the first seqno, the generation before, the checksum.
    for own in [16..72, 96..112, 508..512] {
        if let (Some(to), Some(from)) = (whole.get_mut(own.clone()), page.get(own)) {
            to.copy_from_slice(from);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> (Identity, Page) {
        let identity = Identity {
            store_id: *b"an id of a store",
            lineage_id: *b"another, of line",
            generation: 3,
            seed: 0x1234_5678_9ABC_DEF0,
            first_seqno: 77,
            ro_compat: 0,
            parent: *b"the one before..",
        };
        (identity, identity.to_bytes())
    }

    fn with(page: &Page, at: &[usize]) -> Page {
        let mut page = *page;
        at.iter().for_each(|&at| page[at] ^= 0x5A);
        page
    }

    #[test]
    fn what_one_copy_lost_comes_from_the_other() {
        let (expected, page) = whole();
        for (first, second) in [
            (&[20, 60][..], &[30, 70, 510][..]),
            (&[16, 17, 18, 19, 20, 21], &[508, 509, 510, 511]),
            (&[0, 8, 300, 400], &[3, 12, 200]),
            (&[1], &[56, 57, 58, 59, 60, 61, 62, 63]),
        ] {
            let pages = [with(&page, first), with(&page, second)];
            assert_eq!(identity(&pages), Some(expected), "{first:?}, {second:?}");
        }
    }

    #[test]
    fn a_single_bit_is_found_where_the_other_copy_is_of_no_use() {
        let (expected, page) = whole();
        for bit in 0..IDENTITY_LEN * 8 {
            let mut flipped = page;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(identity(&[flipped, [0; 512]]), Some(expected), "bit {bit}");
            assert_eq!(identity(&[[0xFF; 512], flipped]), Some(expected));
        }
    }

    #[test]
    fn what_both_copies_lost_is_lost() {
        let (_, page) = whole();
        let all: Vec<usize> = (16..72).collect();
        for (first, second) in [(&[56, 57][..], &[56, 57][..]), (&all, &all)] {
            assert_eq!(identity(&[with(&page, first), with(&page, second)]), None);
        }
        assert_eq!(identity(&[[0; 512], [0; 512]]), None);
        assert_eq!(identity(&[[0x41; 512], [0x42; 512]]), None);
    }
}
