//! The corrections of many hosts, for every request to look up.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Response, Uri, header::HOST};

use super::{MeasuredSkew, SkewCorrection, measure};
use crate::retry::observe;

/// What an attempt must remember until its answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SkewedAttempt {
    /// `None` where the host's date is not to be believed.
    host: Option<HostKey>,
    offset: i64,
}

impl SkewedAttempt {
    /// By how many seconds the time is moved.
    pub(crate) fn offset(self) -> i64 {
        self.offset
    }

    /// The time to sign at.
    pub(crate) fn corrected(self, now: SystemTime) -> SystemTime {
        if self.offset == 0 {
            return now;
        }
        let by = Duration::from_secs(self.offset.unsigned_abs());
        if self.offset < 0 { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now)
    }
}

const WAYS: usize = 4;
const SETS: usize = 64;
/// The bits of a slot that hold the offset, which is less than 2³⁵ seconds either way; the others tell the hosts of a set
/// apart.
const OFFSET_BITS: u32 = 36;
const TAG_BITS: u32 = u64::BITS - OFFSET_BITS;

/// The corrections of up to 256 hosts.
///
/// Every request asks for its host's, so a look-up is a few loads: a slot is one word, and there is nothing to lock.
/// Where more hosts than a set has ways fall together one of them is forgotten, and measured again at its next 4xx.
pub(crate) struct SkewTable {
    correction: SkewCorrection,
    seed: Seed,
    /// How many slots are taken: a machine whose clock is right looks no further.
    taken: AtomicUsize,
    /// A slot holds an offset above a tag, or zero where it is free.
    slots: Box<[[AtomicU64; WAYS]; SETS]>,
    writing: Mutex<()>,
}

/// What the names of hosts are hashed with, so that nobody can choose some that fall together.
#[derive(Debug, Clone, Copy)]
struct Seed(u64, u64);

/// A host, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HostKey(u64);

impl HostKey {
    /// Every request comes by here, so it takes sixteen bytes at a time: two words, multiplied and folded.
    #[allow(clippy::cast_possible_truncation, reason = "the halves of the product are what is wanted")]
    fn of(seed: Seed, host: &[u8]) -> Self {
        // Host names ignore case; on all that may stand in them this bit does nothing but lower it.
        const LOWER: u64 = 0x2020_2020_2020_2020;
        let mix = |hash: u64, bytes: &[u8; 16]| {
            let [first, second] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n])) | LOWER);
            let product = u128::from(first ^ seed.1) * u128::from(second ^ hash);
            (product as u64) ^ ((product >> 64) as u64)
        };
        let last = host.last_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; 16];
            padded[..host.len()].copy_from_slice(host);
            padded
        });
        let (pairs, _) = host.as_chunks();
        let hash = pairs.iter().fold(seed.0 ^ host.len() as u64, mix);
        Self(mix(hash, &last))
    }

    fn set(self) -> usize {
        (self.0 >> 32) as usize % SETS
    }

    /// Never zero, which marks a free slot.
    fn tag(self) -> u64 {
        (self.0 | 1) & ((1 << TAG_BITS) - 1)
    }
}

fn packed(tag: u64, offset: i64) -> u64 {
    (offset.cast_unsigned() << TAG_BITS) | tag
}

fn tag_of(slot: u64) -> u64 {
    slot & ((1 << TAG_BITS) - 1)
}

fn offset_of(slot: u64) -> i64 {
    slot.cast_signed() >> TAG_BITS
}

impl SkewTable {
    pub(crate) fn new(correction: SkewCorrection) -> Self {
        Self {
            correction,
            seed: Seed(RandomState::new().hash_one(0), RandomState::new().hash_one(1)),
            taken: AtomicUsize::new(0),
            slots: Box::new(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0)))),
            writing: Mutex::new(()),
        }
    }

    /// An attempt that is about to be signed, with the offset that is known for its host.
    #[inline]
    pub(crate) fn attempt(&self, uri: &Uri, headers: &HeaderMap) -> SkewedAttempt {
        let host = uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = host.or_else(|| Some(headers.get(HOST)?.as_bytes())).filter(|_| self.correction.covers(uri));
        let host = host.map(|host| HostKey::of(self.seed, host));
        SkewedAttempt { host, offset: host.map_or(0, |host| self.offset(host)) }
    }

    /// What the answer to an attempt says about the clock, kept for the next attempt.
    ///
    /// `sent` is when the attempt was signed, by the clock and not corrected; `now` reads the clock, and is asked only
    /// where there is something to measure.
    pub(crate) fn answered<B>(
        &self,
        attempt: SkewedAttempt,
        sent: SystemTime,
        now: impl FnOnce() -> SystemTime,
        response: &Response<B>,
    ) -> Option<MeasuredSkew> {
        if !response.status().is_client_error() {
            return None;
        }
        let host = attempt.host?;
        let measured = measure(response.headers(), sent, now)?;
        let skew = MeasuredSkew { measured, applied: attempt.offset };
        if self.keep(host, skew.offset()) && skew.is_significant() {
            observe::corrected(skew, skew.offset());
        }
        Some(skew)
    }

    fn offset(&self, host: HostKey) -> i64 {
        if self.taken.load(Relaxed) == 0 {
            return 0;
        }
        let mut slots = self.slots[host.set()].iter().map(|slot| slot.load(Relaxed));
        slots.find(|slot| tag_of(*slot) == host.tag()).map_or(0, offset_of)
    }

    /// Whether that changes anything.
    fn keep(&self, host: HostKey, offset: i64) -> bool {
        if self.offset(host) == offset {
            return false;
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let set = &self.slots[host.set()];
        let with_tag = |tag| set.iter().find(|slot| tag_of(slot.load(Relaxed)) == tag);
        let slot = match with_tag(host.tag()) {
            Some(slot) => slot,
            None if offset == 0 => return false,
            None => with_tag(0).unwrap_or_else(|| &set[fastrand::usize(..WAYS)]),
        };
        let new = if offset == 0 { 0 } else { packed(host.tag(), offset) };
        let old = slot.swap(new, Relaxed);
        match (old, new) {
            (0, 1..) => self.taken.fetch_add(1, Relaxed),
            (1.., 0) => self.taken.fetch_sub(1, Relaxed),
            _ => 0,
        };
        old != new
    }
}

impl std::fmt::Debug for SkewTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SkewTable")
            .field("correction", &self.correction)
            .field("hosts", &self.taken.load(Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
