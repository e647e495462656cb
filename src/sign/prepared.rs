//! What the requests of a second have in common, made once for all of them.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    mem, ptr,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use http::HeaderValue;

#[cfg(feature = "sigv4a")]
use super::sigv4a::EcdsaKey;
use super::{
    SignError, Signature,
    date::AmzDate,
    encode::hex_of,
    headers::folded,
    key::{HmacKey, SigningKey, derive},
    presign::SharedParameters,
    string_to_sign::{Algorithm, CredentialScope, start_of_string_to_sign},
};
use crate::lanes::Lanes;

/// How many keys one generation of the cache holds; there are two.
const GENERATION: usize = 1024;

/// What signing with some credentials, for a region and a service, needs in one second.
pub(super) struct Prepared {
    /// Since 1 January 1970.
    second: u64,
    pub(super) key: SigningKey,
    /// The key with `start`, where it can begin before the end is known.
    begun: Option<HmacKey>,
    /// The string to sign up to its last line, which is the hash of the canonical request.
    pub(super) start: Vec<u8>,
    /// The value of `x-amz-date`.
    pub(super) date: HeaderValue,
    /// The value of `authorization` up to the names of the signed headers.
    pub(super) authorization: Vec<u8>,
    /// The start of a signature in the query.
    pub(super) parameters: SharedParameters,
    /// The session token as the header that goes out, spelled as it is signed.
    pub(super) token: Option<HeaderValue>,
}

impl Prepared {
    fn new(derived: &Derived, second: u64, token: Option<HeaderValue>) -> Result<Self, SignError> {
        let (algorithm, date) = (derived.algorithm, AmzDate::new(second)?);
        let scope = [&date.day()[..], &derived.scope_end].concat();
        let start = start_of_string_to_sign(algorithm, date, &scope);
        let credential = [derived.credentials.access_key_id().as_bytes(), b"/", &scope].concat();
        let date = HeaderValue::from_bytes(date.timestamp())?;
        Ok(Self {
            second,
            key: derived.key.clone(),
            begun: derived.key.begun(&start),
            start,
            parameters: SharedParameters::new(algorithm, &credential, &date),
            authorization: [algorithm.name().as_bytes(), b" Credential=", &credential, b", SignedHeaders="].concat(),
            date,
            token,
        })
    }

    /// Signs the request whose canonical request has this hash.
    pub(super) fn sign(&self, canonical_request: [u8; 32]) -> Signature {
        let end = hex_of(canonical_request);
        match &self.begun {
            Some(begun) => Signature::new(begun.sign(&[&end])),
            None => self.key.sign(&[&self.start, &end]),
        }
    }
}

fn sensitive(token: &[u8]) -> Result<HeaderValue, SignError> {
    let mut token = HeaderValue::from_bytes(token).map_err(|_| SignError::SessionToken)?;
    token.set_sensitive(true);
    Ok(token)
}

/// What is derived once a day for each region and service.
struct Derived {
    credentials: Credentials,
    algorithm: Algorithm,
    day: [u8; 8],
    region: Box<str>,
    service: Box<str>,
    key: SigningKey,
    /// The credential scope behind its date.
    scope_end: Vec<u8>,
    token: Option<HeaderValue>,
    /// The last second in which this was needed, for threads that come from another key.
    latest: RwLock<Option<Arc<Prepared>>>,
}

impl Derived {
    /// `neighbour` is of any scope: with the same token its header is shared, which is long.
    fn new(
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        day: [u8; 8],
        neighbour: Option<&Self>,
    ) -> Result<Self, SignError> {
        let &CredentialScope { algorithm, region, service } = scope;
        check_scope("service", service, "")?;
        match algorithm {
            Algorithm::Hmac => check_scope("region", region, "")?,
            #[cfg(feature = "sigv4a")]
            Algorithm::Ecdsa => check_scope("region set", region, "*,")?,
        }
        let key_id = credentials.access_key_id();
        if key_id.is_empty() || !key_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',') {
            return Err(SignError::AccessKeyId);
        }
        let token = credentials.session_token().filter(|token| !token.is_empty());
        let token = match neighbour.filter(|neighbour| neighbour.credentials.session_token() == token) {
            Some(neighbour) => neighbour.token.clone(),
            None => token.map(|token| sensitive(&folded(token.as_bytes()))).transpose()?,
        };
        let key = match algorithm {
            Algorithm::Hmac => SigningKey::Hmac(derive(credentials.secret_access_key(), day, region, service)),
            #[cfg(feature = "sigv4a")]
            Algorithm::Ecdsa => SigningKey::Ecdsa(EcdsaKey::derive(credentials)?),
        };
        Ok(Self {
            credentials: credentials.clone(),
            algorithm,
            day,
            region: region.into(),
            service: service.into(),
            key,
            scope_end: scope.end(),
            token,
            latest: RwLock::default(),
        })
    }

    fn is_for(&self, credentials: &Credentials, scope: &CredentialScope<'_>) -> bool {
        self.algorithm == scope.algorithm
            && *self.region == *scope.region
            && *self.service == *scope.service
            && same(self.credentials.access_key_id(), credentials.access_key_id())
            && same(self.credentials.secret_access_key(), credentials.secret_access_key())
            && match (self.credentials.session_token(), credentials.session_token()) {
                (Some(a), Some(b)) => same(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
    }

    /// A key of one region is one day's key, a pair holds as long as its credentials do.
    fn holds_on(&self, day: [u8; 8]) -> bool {
        self.day == day || !self.algorithm.is_regional()
    }

    /// In memory that nobody else has.
    fn prepared(&self, second: u64) -> Result<Arc<Prepared>, SignError> {
        let token = self.token.as_ref().map(|token| sensitive(token.as_bytes())).transpose()?;
        Prepared::new(self, second, token).map(Arc::new)
    }

    /// Shared by all that ask in the same second.
    fn shared(&self, second: u64) -> Result<Arc<Prepared>, SignError> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = latest.as_ref().filter(|latest| latest.second == second) {
            return Ok(Arc::clone(latest));
        }
        drop(latest);
        let prepared = Arc::new(Prepared::new(self, second, self.token.clone())?);
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&prepared));
        Ok(prepared)
    }
}

/// Clones of credentials share their texts, and a session token is long.
fn same(a: &str, b: &str) -> bool {
    ptr::eq(a, b) || a == b
}

/// Whether a name holds letters, digits and the few other characters that names have, or these.
fn check_scope(what: &'static str, value: &str, others: &str) -> Result<(), SignError> {
    let fits = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*') || others.as_bytes().contains(&byte)
    };
    if value.is_empty() || !value.bytes().all(fits) {
        return Err(SignError::Scope { what, value: value.chars().take(80).collect() });
    }
    Ok(())
}

/// The derived keys, bounded: keys in use survive any flood of others.
///
/// Each thread has at hand what it signed with last: the next request is nearly always of the same second, region and
/// service. The others are in two generations: new keys go into the young one; when that is full it becomes the old one,
/// whose keys are dropped but for those that are asked for again before the next turn.
pub(crate) struct KeyCache {
    hasher: RandomState,
    last: Lanes<(Arc<Derived>, Arc<Prepared>)>,
    generations: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Arc<Derived>>,
    old: HashMap<u64, Arc<Derived>>,
}

impl KeyCache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), last: Lanes::new(), generations: RwLock::default() }
    }

    pub(super) fn get(
        &self,
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        time: SystemTime,
    ) -> Result<Arc<Prepared>, SignError> {
        let second = time.duration_since(UNIX_EPOCH).map_err(|_| SignError::Time)?.as_secs();
        let last = self.last.read(|(derived, prepared)| {
            let is_of_now = prepared.second == second;
            let found = || if is_of_now { Ok(Arc::clone(prepared)) } else { Err(Arc::clone(derived)) };
            derived.is_for(credentials, scope).then(found)
        });
        let derived = match last {
            Some(Ok(prepared)) => return Ok(prepared),
            Some(Err(derived)) => Some(derived),
            None => None,
        };
        let day = AmzDate::new(second)?.day();
        let (derived, prepared) = match derived.filter(|derived| derived.holds_on(day)) {
            // The thread stays with its key, so that it is worth memory of its own.
            Some(derived) => {
                let prepared = derived.prepared(second)?;
                (derived, prepared)
            }
            None => {
                let derived = self.look_up(credentials, scope, day)?;
                let prepared = derived.shared(second)?;
                (derived, prepared)
            }
        };
        self.last.set_mine((derived, Arc::clone(&prepared)));
        Ok(prepared)
    }

    fn look_up(
        &self,
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        day: [u8; 8],
    ) -> Result<Arc<Derived>, SignError> {
        let slot = self.slot(credentials.access_key_id(), scope);
        let fits = |derived: &&Arc<Derived>| derived.is_for(credentials, scope) && derived.holds_on(day);
        // A panic while the lock is held leaves whole entries behind, so a poisoned lock is as good as any.
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(derived) = generations.young.get(&slot).filter(fits) {
            return Ok(Arc::clone(derived));
        }
        let old = generations.old.get(&slot).filter(fits).cloned();
        drop(generations);

        let derived = match old {
            Some(derived) => derived,
            None => {
                let neighbour = self.last.read(|(derived, _)| Some(Arc::clone(derived)));
                Arc::new(Derived::new(credentials, scope, day, neighbour.as_deref())?)
            }
        };
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(slot, Arc::clone(&derived));
        Ok(derived)
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
    use std::time::Duration;

    use super::*;

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
            let date = prepared.date.to_str().unwrap();
            let scope = format!("{}/{region}/s/aws4_request", &date[..8]);
            assert_eq!(prepared.start, format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n").as_bytes());
            let authorization = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=");
            assert_eq!(prepared.authorization, authorization.as_bytes());
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
        assert!(matches!(key.key, SigningKey::Hmac(_)) && matches!(pair.key, SigningKey::Ecdsa(_)));
        cache.get(&credentials, &set, day(2)).unwrap();
        let generations = cache.generations.read().unwrap();
        assert_eq!(generations.young.len(), 2);
        assert_eq!(generations.young[&cache.slot("AKIDEXAMPLE", &set)].day, *b"19700102", "that of the first day");
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
        let mine = credentials("mine");
        cache.get(&mine, &scope("mine", "s"), day(1)).unwrap();
        for flood in 0..20 * GENERATION {
            cache.get(&mine, &scope(&format!("r{flood}"), "s"), day(1)).unwrap();
            if flood % 100 == 0 {
                let slot = cache.slot("AKIDEXAMPLE", &scope("mine", "s"));
                let generations = cache.generations.read().unwrap();
                assert!(generations.young.contains_key(&slot) || generations.old.contains_key(&slot));
                drop(generations);
                cache.get(&mine, &scope("mine", "s"), day(1)).unwrap();
            }
        }
        let generations = cache.generations.read().unwrap();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
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
