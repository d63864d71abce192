//! Building blocks of a state that come out the same in whatever order their input arrives.
//!
//! Owns: last-writer-wins registers, sets of the latest few, sparse daily and hourly counts, and bounded sets of
//! distinct hashes. Invariant: each is a commutative, associative fold with a bound on its size that does not depend
//! on order either. Deliberately absent: floating point, whose sums depend on order.

use leadscore_domain::{EventId, Timestamp};
use serde::{Deserialize, Serialize};

/// When a value was written: the latest by time wins, ties by event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) at: Timestamp,
    pub(super) id: EventId,
}

/// The value with the greatest stamp.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Register<T>(Option<(Stamp, T)>);

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Register<T> {
    /// Writes `value`; of several in one event the last counts.
    pub(super) fn set(&mut self, stamp: Stamp, value: T) -> bool {
        let newer = self.0.as_ref().is_none_or(|(held, _)| stamp >= *held);
        if newer {
            self.0 = Some((stamp, value));
        }
        newer
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    pub(super) fn at(&self) -> Option<Timestamp> {
        self.stamp().map(|stamp| stamp.at)
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.0.as_ref().map(|(stamp, _)| *stamp)
    }
}

/// The `N` greatest of all values seen, ascending. Values are compared whole, so equal ones are interchangeable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recent<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for Recent<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord, const N: usize> Recent<T, N> {
    pub(super) fn insert(&mut self, value: T) {
        let place = self.0.partition_point(|held| *held <= value);
        if self.0.len() < N {
            self.0.insert(place, value);
        } else if place > 0 {
            self.0.remove(0);
            self.0.insert(place - 1, value);
        }
    }

    /// Takes out the least values for as long as they are `old`.
    pub(super) fn drop_while(&mut self, old: impl Fn(&T) -> bool) {
        let count = self.0.iter().take_while(|value| old(value)).count();
        self.0.drain(..count);
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.0
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() == N
    }

    pub(super) fn latest(&self) -> Option<&T> {
        self.0.last()
    }
}

/// Kinds of activity that are counted by day and hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Web sessions and page views.
    Web,
    /// Searches and saved listings.
    Search,
    /// Showings requested, scheduled or held.
    Showing,
    /// E-mails opened, clicked or forwarded.
    Email,
    /// Calls, messages and e-mail answers from the lead.
    Inbound,
    /// Calls to the lead that were answered.
    Talk,
    /// Calls to the lead that were not answered, messages and e-mails to it.
    Outbound,
    /// Actions of the agent.
    Agent,
}

/// Number of [`Pulse`]s.
pub(super) const PULSES: usize = 8;
/// Pulses before this one are activity of the lead.
pub(super) const LEAD_PULSES: usize = Pulse::Outbound as usize;

/// Counts of one day or hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// Days or hours since the epoch.
    pub(super) index: i32,
    pub(super) counts: [u32; PULSES],
}

/// Counts per day or hour in the `WINDOW` that ends with the latest one seen; ascending, empty ones are absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Buckets<const WINDOW: i32>(Vec<Bucket>);

impl<const WINDOW: i32> Buckets<WINDOW> {
    pub(super) fn add(&mut self, index: i32, pulse: Pulse) {
        let newest = self.0.last().map_or(index, |bucket| bucket.index.max(index));
        if index <= newest - WINDOW {
            return;
        }
        let place = self.0.partition_point(|bucket| bucket.index < index);
        if self.0.get(place).is_none_or(|bucket| bucket.index != index) {
            self.0.insert(place, Bucket { index, counts: [0; PULSES] });
        }
        let count = &mut self.0[place].counts[pulse as usize];
        *count = count.saturating_add(1);
        let expired = self.0.partition_point(|bucket| bucket.index <= newest - WINDOW);
        self.0.drain(..expired);
    }

    pub(super) fn as_slice(&self) -> &[Bucket] {
        &self.0
    }
}

/// Distinct hashes with how often each was seen: all of them up to `K`, then the `K` smallest, a uniform sample
/// whose counts are exact (an evicted hash can never come back, as the `K`-th smallest only falls).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Distinct<const K: usize>(Vec<(u64, u32)>);

impl<const K: usize> Distinct<K> {
    pub(super) fn add(&mut self, hash: u64) {
        match self.0.binary_search_by_key(&hash, |entry| entry.0) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(1),
            Err(place) if place < K => {
                self.0.insert(place, (hash, 1));
                self.0.truncate(K);
            }
            Err(_) => {}
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How often the sampled hashes were seen altogether.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|entry| u64::from(entry.1)).sum()
    }

    /// The most frequent hash; ties by hash.
    pub(super) fn mode(&self) -> Option<u64> {
        self.0.iter().max_by_key(|(hash, count)| (*count, std::cmp::Reverse(*hash))).map(|entry| entry.0)
    }
}

/// FNV-1a over 64 bits (Fowler, Noll and Vo), mixed: the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextHash(u64);

impl Default for TextHash {
    fn default() -> Self {
        Self(Self::OFFSET)
    }
}

impl TextHash {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    pub(crate) fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME);
    }

    pub(crate) fn finish(self) -> u64 {
        mix(self.0)
    }
}

/// Hash of a text without regard to case and outer blanks.
pub(crate) fn hash_text(text: &str) -> u64 {
    let mut hash = TextHash::default();
    let text = text.trim();
    if text.is_ascii() {
        text.bytes().for_each(|byte| hash.push(byte.to_ascii_lowercase()));
    } else {
        text.to_lowercase().bytes().for_each(|byte| hash.push(byte));
    }
    hash.finish()
}

/// Spreads `value` over all bits (the finaliser of `SplitMix64`, Steele, Lea and Flood 2014).
pub(crate) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
