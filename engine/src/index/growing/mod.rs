//! The table that the writer inserts into while others read.
//!
//! It never stops to double: its groups are in shards, chosen by the first bits of the
//! hash, that become full one after the other, and its words in log order are in chunks
//! that never move. A table with more room is a new one that shares all but a shard or a
//! chunk with the old one.

mod order;
mod shard;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::order::Order;
use self::shard::Shard;
use super::atomics::AtomicBool;
use super::{ATTENTION, Hash, Records, place_of};

/// Keys up to which a table is one shard: so many are put into others within a fraction
/// of a millisecond.
const ONE_SHARD: usize = 1 << 14;

/// Log2 of the number of shards of a larger one: a shard of a million keys in all is made
/// larger within a millisecond.
const SHARD_BITS: u32 = 4;

/// Up to so many keys a shard grows fourfold, which saves most of the work of growing;
/// beyond, twofold, which bounds the memory.
const SMALL: usize = 1 << 12;

/// Groups, and the same words in log order, of atomic words.
///
/// One writer inserts; any number of readers probe and walk. A word is stored after
/// the record that it leads to was written, and before the commit is published.
#[derive(Default)]
pub(super) struct Growing {
    order: Order,
    /// None, one, or two to the power of [`SHARD_BITS`].
    shards: Box<[Arc<Shard>]>,
    /// Log2 of their number.
    bits: u32,
    /// Whether one of them is full.
    crowded: AtomicBool,
}

impl Growing {
    /// Whether `more` insertions need no [`Self::with_room`] first. Those that meet in one
    /// shard against all odds stand close there, or in its overflow.
    #[inline]
    pub(super) fn has_room(&self, more: usize) -> bool {
        let share = self.share(more);
        let crowded = |shard: &Arc<Shard>| shard.is_crowded(share);
        !self.shards.is_empty()
            && self.order.room() >= more
            && !self.crowded.load(Ordering::Relaxed)
            && (more <= 1 || !self.shards.iter().any(crowded))
    }

    /// How many of `more` keys a shard has to have room for: they are spread evenly, but
    /// for chance.
    fn share(&self, more: usize) -> usize {
        match self.shards.len() {
            0 | 1 => more,
            shards => more.div_ceil(shards).saturating_mul(5).div_ceil(4),
        }
    }

    /// Number of words in log order, superseded ones included.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The words that nothing before place `end` superseded, with the upper halves of
    /// their hashes, in log order.
    pub(super) fn live(&self, end: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.order.kept(end).map(|(word, top, _)| (word, top))
    }

    /// How many words nothing superseded: for the writer, whom nothing escapes.
    pub(super) fn live_count(&self) -> usize {
        self.order.live_count()
    }

    /// The same with room for `more`, and whether it left words in log order out that
    /// nobody with `end` or a later one sees.
    pub(super) fn with_room(&self, more: usize, end: u64) -> (Self, bool) {
        let renew = self.order.is_mostly_dead();
        let order = match renew {
            true => Order::of(self.order.kept(end)).with_room(more),
            false if self.order.room() < more => self.order.with_room(more),
            false => self.order.clone(),
        };
        let filled = self.shards.iter().map(|shard| shard.filled());
        let filled = filled.sum::<usize>();
        let keys = filled + more;
        let bits = if keys > ONE_SHARD {
            SHARD_BITS
        } else {
            self.bits
        };
        let mut shards = Shards::new(bits);
        if bits != self.bits || self.shards.is_empty() {
            shards.make(keys.max(with_growth(filled)));
            shards.take(&[self], |_, _| true);
        } else {
            let share = self.share(more);
            shards.0.extend(
                self.shards
                    .iter()
                    .map(|shard| match shard.is_crowded(share) {
                        true => Arc::new(grown(shard, share, bits)),
                        false => Arc::clone(shard),
                    }),
            );
        }
        (shards.table(order), renew)
    }

    /// A table with every word of `tables`, older first, that a reader with `end` (a place)
    /// or a later one may ask for: those that nothing before `end` superseded. `hidden`
    /// says of which places of the older tables a newer one has the key.
    pub(super) fn joined(tables: &[&Self], end: u64, hidden: impl Fn(u64) -> bool) -> Self {
        let order = Order::of(tables.iter().flat_map(|table| table.order.kept(end)));
        // A tombstone of an older table would hide what a newer one has of its key.
        let sees = |table: &Self, place| table.order.sees(place, end);
        Self::of(order, tables, |table, place| {
            sees(table, place) && !hidden(place)
        })
    }

    /// A table with the words from place `since` on.
    pub(super) fn since(&self, since: u64) -> Self {
        let words = self.order.iter();
        let order = Order::of(words.filter(|&(word, ..)| place_of(word) >= since));
        Self::of(order, &[self], |_, place| place >= since)
    }

    /// A table with an order, and those keys of `tables` whose places `keep` has.
    fn of(order: Order, tables: &[&Self], keep: impl Fn(&Self, u64) -> bool) -> Self {
        let shards = tables.iter().flat_map(|table| &table.shards);
        let keys: usize = shards.map(|shard| shard.filled()).sum();
        let mut shards = Shards::new(if keys > ONE_SHARD { SHARD_BITS } else { 0 });
        shards.make(with_growth(keys));
        shards.take(tables, keep);
        shards.table(order)
    }

    #[inline(always)]
    fn shard(&self, hash: Hash) -> Option<&Shard> {
        self.shards
            .get(number(hash.top(), self.bits))
            .map(|shard| &**shard)
    }

    /// The place of the key with `hash`: of the words with its tag the first whose
    /// record `same` says has the key. 0 = none. With [`ATTENTION`] the answer is that of
    /// [`Self::find_checked`].
    #[inline]
    pub(super) fn find(&self, hash: Hash, same: impl Fn(u64) -> bool + Copy) -> u64 {
        self.shard(hash).map_or(0, |shard| shard.find(hash, same))
    }

    /// As [`Self::find`], with the overflow.
    pub(super) fn find_checked<R: Records>(&self, hash: Hash, records: &R) -> u64 {
        match self.find(hash, |place| records.has_key(place)) {
            ATTENTION => self
                .shard(hash)
                .map_or(0, |shard| shard.find_spilled(hash, records.key())),
            place => place,
        }
    }

    /// As [`Self::find`], of a table that newer words are not inserted into: without those
    /// that something before place `end` superseded.
    #[inline(never)]
    pub(super) fn find_seen(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        match self.find(hash, same) {
            0 => 0,
            ATTENTION => ATTENTION,
            place if self.order.sees(place, end) => place,
            _ => 0,
        }
    }

    /// As [`Self::find_seen`], with the overflow.
    pub(super) fn find_seen_checked<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        let place = self.find_checked(hash, records);
        if place != 0 && self.order.sees(place, end) {
            place
        } else {
            0
        }
    }

    /// As [`Self::find_checked`], for the one writer: with vectors.
    #[inline]
    pub(super) fn find_for_writer(&self, hash: Hash, records: &impl Records) -> u64 {
        self.shard(hash)
            .map_or(0, |shard| shard.find_for_writer(hash, records))
    }

    /// Starts to load the group of `hash`.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        if let Some(shard) = self.shard(hash) {
            shard.prefetch(hash);
        }
    }

    /// Makes the key of `records`, with `hash`, lead to `place`; gives the place that it
    /// led to in this table, 0 = none. A tombstone is no entry of the order. Needs room.
    /// Only the writer calls this.
    pub(super) fn upsert(
        &self,
        hash: Hash,
        place: u64,
        tombstone: bool,
        records: &impl Records,
    ) -> u64 {
        let Some(shard) = self.shard(hash) else {
            return 0;
        };
        let replaced = shard.upsert(hash, place, records);
        if replaced != 0 {
            self.order.supersede(replaced, place);
        } else if shard.is_crowded(1) {
            self.crowded.store(true, Ordering::Relaxed);
        }
        let by = if tombstone { place } else { 0 };
        self.order.append(hash.word(place), hash.top(), by);
        replaced
    }

    /// Notes that the word with place `old` was superseded at `by`. False if there is no
    /// such word. Only the writer calls this.
    pub(super) fn supersede(&self, old: u64, by: u64) -> bool {
        self.order.supersede(old, by)
    }

    /// Number of words that a reader with `end` sees.
    pub(super) fn seen_count(&self, end: u64) -> usize {
        self.order.seen_count(end)
    }

    /// The place of the word number `nth` of those that a reader with `end` sees, or how
    /// many it sees. Costs a look at each thousand words before, and at one thousand.
    pub(super) fn select(&self, nth: usize, end: u64) -> Result<u64, usize> {
        self.order.select(nth, end)
    }

    /// The place at `ordinal` in log order, if a reader with `end` sees it.
    pub(super) fn visible(&self, ordinal: usize, end: u64) -> Option<u64> {
        self.order.visible(ordinal, end)
    }
}

/// Shards that are being filled.
struct Shards(Vec<Arc<Shard>>, u32);

impl Shards {
    fn new(bits: u32) -> Self {
        Self(Vec::with_capacity(1 << bits), bits)
    }

    /// Empty ones, with room for so many keys.
    fn make(&mut self, keys: usize) {
        let Self(shards, bits) = self;
        // Spread evenly, but for chance.
        let share = keys >> *bits;
        let room = if *bits == 0 {
            share
        } else {
            share + share / 16 + 32
        };
        shards.resize_with(1 << *bits, || Arc::new(Shard::with_room(room, *bits)));
    }

    /// Takes in those keys of `tables` whose places `keep` has.
    fn take(&mut self, tables: &[&Growing], keep: impl Fn(&Growing, u64) -> bool) {
        for table in tables {
            for (word, top) in table.shards.iter().flat_map(|shard| shard.words()) {
                if keep(table, place_of(word))
                    && let Some(shard) = self.shard(top)
                {
                    shard.take(word, top);
                }
            }
        }
        // Last: what those keys need decides how many groups are looked into.
        for table in tables {
            for (hash, key, place) in table.shards.iter().flat_map(|shard| shard.overflow()) {
                if keep(table, place)
                    && let Some(shard) = self.shard(hash.top())
                {
                    shard.take_spilled(hash, &key, place);
                }
            }
        }
    }

    /// The shard of the keys with this half of the hash.
    fn shard(&mut self, top: u32) -> Option<&mut Shard> {
        Arc::get_mut(self.0.get_mut(number(top, self.1))?)
    }

    fn table(self, order: Order) -> Growing {
        Growing {
            order,
            shards: self.0.into(),
            bits: self.1,
            crowded: AtomicBool::new(false),
        }
    }
}

/// The shard, of two to the power of `bits`, of the keys with this half of the hash.
#[inline(always)]
fn number(top: u32, bits: u32) -> usize {
    (u64::from(top) << bits >> 32) as usize
}

/// Keys that a shard gets room for which has so many.
fn with_growth(keys: usize) -> usize {
    keys * if keys < SMALL { 4 } else { 2 }
}

/// The same shard with room for `more` and for growth.
fn grown(shard: &Shard, more: usize, bits: u32) -> Shard {
    let room = with_growth(shard.filled()).max(shard.filled() + more);
    let mut grown = Shard::with_room(room, bits);
    for (word, top) in shard.words() {
        grown.take(word, top);
    }
    for (hash, key, place) in shard.overflow() {
        grown.take_spilled(hash, &key, place);
    }
    grown
}

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Growing({} words in {} shards)",
            self.len(),
            self.shards.len()
        )
    }
}
