//! The keys that were derived, and what each thread has at hand of them.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    mem,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use aws_credential_types::Credentials;

use super::{
    SignError,
    date::second_of,
    prepared::{Derived, Prepared},
    string_to_sign::CredentialScope,
};
use crate::lanes::Lanes;

/// How many keys one generation of the cache holds; there are two.
const GENERATION: usize = 1024;

/// The derived keys, bounded: keys in use survive any flood of others.
///
/// Each thread has at hand what it signs with, in memory of its own: the next request is nearly always of the same second,
/// region and service. All keys are in two generations: new ones go into the young one; when that is full it becomes the
/// old one, whose keys are dropped but for those that are asked for again before the next turn.
pub(crate) struct KeyCache {
    hasher: RandomState,
    at_hand: Lanes<AtHand>,
    generations: RwLock<Generations>,
}

struct AtHand {
    derived: Arc<Derived>,
    prepared: Arc<Prepared>,
    /// The slot of the request before, where that was for another key.
    other: AtomicU64,
}

/// What a thread finds at hand.
enum Found {
    Prepared(Arc<Prepared>),
    /// The key, and nothing for this second.
    Derived(Arc<Derived>),
    /// Another key. `is_staying`: the thread asks for this one for the second time in a row.
    Other {
        slot: u64,
        is_staying: bool,
    },
}

#[derive(Default)]
struct Generations {
    young: Slots,
    old: Slots,
}

/// A slot is a hash already, and one that nobody can foresee.
type Slots = HashMap<u64, Arc<Derived>, BuildHasherDefault<SlotHasher>>;

#[derive(Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    /// A slot comes as its eight bytes.
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.try_into().map_or(self.0, u64::from_ne_bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl KeyCache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), at_hand: Lanes::new(), generations: RwLock::default() }
    }

    pub(super) fn get(
        &self,
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        time: SystemTime,
    ) -> Result<Arc<Prepared>, SignError> {
        let second = second_of(time)?;
        let found = self.at_hand.read(|at_hand| Some(self.find(at_hand, credentials, scope, second)));
        if let Some(Found::Prepared(prepared)) = found {
            return Ok(prepared);
        }
        let (slot, is_staying) = match found {
            Some(Found::Other { slot, is_staying }) => (slot, is_staying),
            Some(Found::Derived(derived)) if derived.holds_in(second) => return self.put_at_hand(derived, second),
            _ => (self.slot(credentials.access_key_id(), scope), true),
        };
        if is_staying {
            let derived = self.look_up(slot, credentials, scope, second, Arc::clone)?;
            return self.put_at_hand(derived, second);
        }
        // Where services and regions take turns, a copy would be made for each request.
        self.look_up(slot, credentials, scope, second, |derived| derived.shared(second))?
    }

    fn find(&self, at_hand: &AtHand, credentials: &Credentials, scope: &CredentialScope<'_>, second: u64) -> Found {
        if at_hand.derived.is_for(credentials, scope) {
            at_hand.other.store(0, Relaxed);
            let is_of_now = at_hand.prepared.second == second;
            return if is_of_now {
                Found::Prepared(Arc::clone(&at_hand.prepared))
            } else {
                Found::Derived(Arc::clone(&at_hand.derived))
            };
        }
        let slot = self.slot(credentials.access_key_id(), scope);
        let is_staying = at_hand.other.load(Relaxed) == slot;
        at_hand.other.store(slot, Relaxed);
        Found::Other { slot, is_staying }
    }

    fn put_at_hand(&self, derived: Arc<Derived>, second: u64) -> Result<Arc<Prepared>, SignError> {
        let prepared = derived.own(second)?;
        self.at_hand.set_mine(AtHand { derived, prepared: Arc::clone(&prepared), other: AtomicU64::new(0) });
        Ok(prepared)
    }

    fn look_up<T>(
        &self,
        slot: u64,
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        second: u64,
        take: impl FnOnce(&Arc<Derived>) -> T,
    ) -> Result<T, SignError> {
        let fits = |derived: &&Arc<Derived>| derived.is_for(credentials, scope) && derived.holds_in(second);
        // A panic while the lock is held leaves whole entries behind, so a poisoned lock is as good as any.
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(derived) = generations.young.get(&slot).filter(fits) {
            return Ok(take(derived));
        }
        let old = generations.old.get(&slot).filter(fits).cloned();
        drop(generations);

        let derived = match old {
            Some(derived) => derived,
            None => {
                let neighbour = self.at_hand.read(|at_hand| Some(Arc::clone(&at_hand.derived)));
                Arc::new(Derived::new(credentials, scope, second, neighbour.as_deref())?)
            }
        };
        let taken = take(&derived);
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(slot, derived);
        Ok(taken)
    }

    fn slot(&self, access_key_id: &str, scope: &CredentialScope<'_>) -> u64 {
        self.hasher.hash_one((access_key_id, scope.algorithm, scope.region, scope.service))
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::HeaderValue;

    use super::{
        super::{encode::hex_of, string_to_sign::Algorithm},
        *,
    };

    fn credentials(secret: &str) -> Credentials {
        Credentials::new("AKIDEXAMPLE", secret, None, None, "test")
    }

    fn scope<'a>(region: &'a str, service: &'a str) -> CredentialScope<'a> {
        CredentialScope { algorithm: Algorithm::Hmac, region, service }
    }

    fn day(day: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(day * 86_400)
    }

    #[test]
    fn a_key_is_taken_anew_when_anything_changes() {
        let cache = KeyCache::new();
        let signed = |credentials: &Credentials, time, region, service| {
            cache.get(credentials, &scope(region, service), time).unwrap().key.sign(&[b"x"])
        };
        let first = signed(&credentials("one"), day(1), "r", "s");
        assert_eq!(signed(&credentials("one"), day(1), "r", "s"), first);
        for other in [
            signed(&credentials("two"), day(1), "r", "s"),
            signed(&credentials("one"), day(2), "r", "s"),
            signed(&credentials("one"), day(1), "r2", "s"),
            signed(&credentials("one"), day(1), "r", "s2"),
        ] {
            assert_ne!(other, first);
        }
        assert_eq!(signed(&credentials("one"), day(1), "r", "s"), first);
    }

    #[test]
    fn each_second_has_its_own_texts_whichever_key_came_before() {
        let cache = KeyCache::new();
        let credentials = credentials("one");
        let second = |second: u64, region| {
            let time = UNIX_EPOCH + Duration::from_millis(second * 1000 + 999);
            let prepared = cache.get(&credentials, &scope(region, "s"), time).unwrap();
            let date = std::str::from_utf8(prepared.date.timestamp()).unwrap();
            let scope = format!("{}/{region}/s/aws4_request", &date[..8]);
            assert_eq!(*prepared.start, *format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n").as_bytes());
            let authorization = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=");
            assert_eq!(*prepared.authorization, *authorization.as_bytes());
            assert_eq!(prepared.credential(), format!("AKIDEXAMPLE/{scope}").as_bytes());
            assert_eq!(prepared.access_key_id(), "AKIDEXAMPLE");
            assert!(prepared.is_of(time) && !prepared.is_of(time + Duration::from_millis(1)));
            let whole = [&prepared.start[..], &hex_of([7; 32])].concat();
            assert_eq!(prepared.sign([7; 32]), prepared.key.sign(&[&whole]));
            date.to_owned()
        };
        for (at, region, expected) in [
            (0, "r", "19700101T000000Z"),
            (1, "r", "19700101T000001Z"),
            (1, "r", "19700101T000001Z"),
            (1, "r2", "19700101T000001Z"),
            (2, "r", "19700101T000002Z"),
            (1, "r2", "19700101T000001Z"),
            (2, "r2", "19700101T000002Z"),
            (86_400, "r2", "19700102T000000Z"),
            (86_399, "r2", "19700101T235959Z"),
        ] {
            assert_eq!(second(at, region), expected);
        }
    }

    #[cfg(feature = "sigv4a")]
    #[test]
    fn a_pair_of_keys_is_kept_beside_a_key_and_beyond_a_day() {
        let cache = KeyCache::new();
        let set = CredentialScope { algorithm: Algorithm::Ecdsa, ..scope("r", "s") };
        let credentials = credentials("one");
        let key = cache.get(&credentials, &scope("r", "s"), day(1)).unwrap();
        let pair = cache.get(&credentials, &set, day(1)).unwrap();
        let is_pair = |prepared: &Prepared| matches!(*prepared.key, super::super::key::SigningKey::Ecdsa(_));
        assert!(!is_pair(&key) && is_pair(&pair));
        cache.get(&credentials, &set, day(2)).unwrap();
        let generations = cache.generations.read().unwrap();
        assert_eq!(generations.young.len(), 2);
        assert_eq!(generations.young[&cache.slot("AKIDEXAMPLE", &set)].day, 1, "that of the first day");
    }

    #[test]
    fn a_new_token_is_noticed() {
        let cache = KeyCache::new();
        for token in [Some("one"), Some("two"), None] {
            let credentials = Credentials::new("AKID", "secret", token.map(Into::into), None, "test");
            for time in [day(1), day(1) + Duration::from_secs(1)] {
                let prepared = cache.get(&credentials, &scope("r", "s"), time).unwrap();
                assert_eq!(prepared.token.as_ref().map(|token| token.to_str().unwrap()), token);
                assert!(prepared.token.as_ref().is_none_or(HeaderValue::is_sensitive));
            }
        }
    }

    #[test]
    fn a_flood_is_bounded_and_leaves_what_is_in_use() {
        let cache = KeyCache::new();
        let credentials = credentials("mine");
        let in_use = [scope("mine", "s"), scope("yours", "s")];
        let ask_for = |scope: &CredentialScope<'_>| drop(cache.get(&credentials, scope, day(1)).unwrap());
        in_use.iter().for_each(ask_for);
        for flood in 0..20 * GENERATION {
            ask_for(&scope(&format!("r{flood}"), "s"));
            if flood % 100 == 0 {
                for scope in &in_use {
                    let at_hand = cache.at_hand.read(|at_hand| Some(at_hand.derived.is_for(&credentials, scope)));
                    let slot = cache.slot("AKIDEXAMPLE", scope);
                    let generations = cache.generations.read().unwrap();
                    let is_kept = generations.young.contains_key(&slot) || generations.old.contains_key(&slot);
                    assert!(is_kept || at_hand.unwrap(), "{scope:?} after {flood}");
                }
                in_use.iter().for_each(ask_for);
            }
        }
        let generations = cache.generations.read().unwrap();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }

    #[test]
    fn a_thread_has_at_hand_what_it_asks_for_twice() {
        let cache = KeyCache::new();
        let credentials = credentials("one");
        let at_hand = |region| {
            let prepared = cache.get(&credentials, &scope(region, "s"), day(1)).unwrap();
            cache.at_hand.read(|at_hand| Some(Arc::ptr_eq(&at_hand.prepared, &prepared))).unwrap()
        };
        assert!(at_hand("a"), "the first is");
        for region in ["b", "a", "b", "c", "b", "c"] {
            assert_eq!(at_hand(region), region == "a", "{region} took turns");
        }
        assert!(at_hand("c") && at_hand("c") && !at_hand("a"));
    }

    #[test]
    fn what_cannot_stand_in_a_scope_is_refused() {
        let cache = KeyCache::new();
        for (region, service, named) in
            [("", "s", "region"), ("r", "", "service"), ("r\n", "s", "region"), ("r", "a/b", "service")]
        {
            let error = cache.get(&credentials("x"), &scope(region, service), day(1)).err().unwrap();
            assert!(matches!(&error, SignError::Scope { what, .. } if *what == named), "{error}");
        }
        for key_id in ["", "AK ID", "AK/ID", "AK,ID", "AKÏD"] {
            let credentials = Credentials::new(key_id, "secret", None, None, "test");
            let error = cache.get(&credentials, &scope("r", "s"), day(1)).err().unwrap();
            assert!(matches!(error, SignError::AccessKeyId), "{error}");
        }
        let credentials = Credentials::new("AKID", "secret", Some("to\nken".into()), None, "test");
        let error = cache.get(&credentials, &scope("r", "s"), day(1)).err().unwrap();
        assert!(matches!(error, SignError::SessionToken), "{error}");
    }

    #[test]
    fn times_that_four_digits_cannot_hold_are_refused() {
        let cache = KeyCache::new();
        let get = |time| cache.get(&credentials("x"), &scope("r", "s"), time).err();
        let after = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        assert!(get(after - Duration::from_secs(1)).is_none());
        for time in [UNIX_EPOCH - Duration::from_secs(1), after] {
            assert!(matches!(get(time), Some(SignError::Time)), "{time:?}");
        }
    }
}
