use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    mem, ptr,
    sync::{Arc, PoisonError, RwLock},
};

use aws_credential_types::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

#[cfg(feature = "sigv4a")]
use super::sigv4a::EcdsaKey;
use super::{
    SignError, Signature,
    canonical::HashSink,
    date::Dates,
    headers::folded,
    string_to_sign::{Algorithm, CredentialScope, StringToSign},
};
use crate::lanes::Lanes;

/// How many keys one generation of the cache holds; there are two.
const GENERATION: usize = 1024;

/// A key of HMAC-SHA256, with both of its pads already hashed.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    pub(super) fn new(key: &[u8]) -> Self {
        // `new` takes 64 bytes, and `new_from_slice` takes any number without ever failing.
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into())))
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// What signs.
#[derive(Clone)]
pub(crate) enum SigningKey {
    Hmac(HmacKey),
    #[cfg(feature = "sigv4a")]
    Ecdsa(EcdsaKey),
}

impl SigningKey {
    pub(super) fn sign_text(&self, text: &StringToSign<'_>) -> Signature {
        match self {
            Self::Hmac(HmacKey(keyed)) => {
                let mac = HashSink::hash(keyed.clone(), |sink| text.write(sink));
                Signature::new(mac.finalize().into_bytes().into())
            }
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa(key) => key.sign(&[&text.to_text()]),
        }
    }

    /// Signs a message that is given in parts.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Signature {
        match self {
            Self::Hmac(key) => Signature::new(key.sign(parts)),
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa(key) => key.sign(parts),
        }
    }
}

/// The signing key of a day, a region and a service.
///
/// See [Derive a signing key](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#calculate-signing-key).
fn derive(secret: &str, day: [u8; 8], region: &str, service: &str) -> HmacKey {
    let secret = zeroize::Zeroizing::new([b"AWS4", secret.as_bytes()].concat());
    let day = HmacKey::new(&secret).sign(&[&day]);
    let region = HmacKey::new(&day).sign(&[region.as_bytes()]);
    let service = HmacKey::new(&region).sign(&[service.as_bytes()]);
    HmacKey::new(&HmacKey::new(&service).sign(&[b"aws4_request"]))
}

/// What signing with these credentials needs, made once a day for each region and service.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(super) key: SigningKey,
    /// The credential scope behind its date.
    pub(super) scope_end: Box<[u8]>,
    /// The session token as the header that goes out, spelled as it is signed.
    pub(crate) token: Option<HeaderValue>,
}

impl Prepared {
    /// A copy that shares no reference count with this one.
    fn unshared(&self) -> Result<Self, SignError> {
        Ok(Self {
            key: self.key.clone(),
            scope_end: self.scope_end.clone(),
            token: self.token.as_ref().map(|token| sensitive(token.as_bytes())).transpose()?,
        })
    }
}

fn sensitive(token: &[u8]) -> Result<HeaderValue, SignError> {
    let mut token = HeaderValue::from_bytes(token).map_err(|_| SignError::SessionToken)?;
    token.set_sensitive(true);
    Ok(token)
}

struct Entry {
    credentials: Credentials,
    algorithm: Algorithm,
    day: [u8; 8],
    region: Box<str>,
    service: Box<str>,
    prepared: Arc<Prepared>,
}

impl Entry {
    /// `neighbour` is an entry of any scope: with the same token its header is shared, which is long.
    fn new(
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        neighbour: Option<&Self>,
    ) -> Result<Self, SignError> {
        let &CredentialScope { algorithm, region, service, .. } = scope;
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
        let neighbour = neighbour.filter(|neighbour| neighbour.credentials.session_token() == token);
        let token = match neighbour {
            Some(neighbour) => neighbour.prepared.token.clone(),
            None => token.map(|token| sensitive(&folded(token.as_bytes()))).transpose()?,
        };
        let key = match algorithm {
            Algorithm::Hmac => {
                SigningKey::Hmac(derive(credentials.secret_access_key(), scope.date.day(), region, service))
            }
            #[cfg(feature = "sigv4a")]
            Algorithm::Ecdsa => SigningKey::Ecdsa(EcdsaKey::derive(credentials)?),
        };
        Ok(Self {
            credentials: credentials.clone(),
            algorithm,
            day: scope.date.day(),
            region: region.into(),
            service: service.into(),
            prepared: Arc::new(Prepared { key, scope_end: scope.end().into(), token }),
        })
    }

    fn is_for(&self, credentials: &Credentials, scope: &CredentialScope<'_>) -> bool {
        // A key of one region is one day's key, a pair holds as long as its credentials do.
        (self.day == scope.date.day() || !scope.algorithm.is_regional())
            && self.algorithm == scope.algorithm
            && *self.region == *scope.region
            && *self.service == *scope.service
            && same(self.credentials.access_key_id(), credentials.access_key_id())
            && same(self.credentials.secret_access_key(), credentials.secret_access_key())
            && match (self.credentials.session_token(), credentials.session_token()) {
                (Some(a), Some(b)) => same(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
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
/// Each thread has the key that it used last at hand. The others are in two generations: new entries go into the young
/// one; when that is full it becomes the old one, whose entries are dropped but for those that are asked for again before
/// the next turn.
pub(crate) struct KeyCache {
    pub(super) dates: Dates,
    hasher: RandomState,
    /// The entry and, from the second request in a row, what it prepared in memory of the thread's own.
    last: Lanes<(Arc<Entry>, Option<Arc<Prepared>>)>,
    generations: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Arc<Entry>>,
    old: HashMap<u64, Arc<Entry>>,
}

impl KeyCache {
    pub(crate) fn new() -> Self {
        Self { dates: Dates::new(), hasher: RandomState::new(), last: Lanes::new(), generations: RwLock::default() }
    }

    pub(super) fn get(
        &self,
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
    ) -> Result<Arc<Prepared>, SignError> {
        let last = self.last.read(|(entry, own)| {
            entry.is_for(credentials, scope).then(|| own.as_ref().map(Arc::clone).ok_or_else(|| Arc::clone(entry)))
        });
        match last {
            Some(Ok(own)) => Ok(own),
            Some(Err(entry)) => {
                let own = Arc::new(entry.prepared.unshared()?);
                self.last.set_mine((entry, Some(Arc::clone(&own))));
                Ok(own)
            }
            // Where services and regions take turns, a copy would be made for each request.
            None => {
                let entry = self.look_up(credentials, scope)?;
                let prepared = Arc::clone(&entry.prepared);
                self.last.set_mine((entry, None));
                Ok(prepared)
            }
        }
    }

    fn look_up(&self, credentials: &Credentials, scope: &CredentialScope<'_>) -> Result<Arc<Entry>, SignError> {
        let slot = self.slot(credentials.access_key_id(), scope);
        let fits = |entry: &&Arc<Entry>| entry.is_for(credentials, scope);
        // A panic while the lock is held leaves whole entries behind, so a poisoned lock is as good as any.
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(&slot).filter(fits) {
            return Ok(Arc::clone(entry));
        }
        let old = generations.old.get(&slot).filter(fits).cloned();
        drop(generations);

        let entry = match old {
            Some(entry) => entry,
            None => {
                let neighbour = self.last.read(|(entry, _)| Some(Arc::clone(entry)));
                Arc::new(Entry::new(credentials, scope, neighbour.as_deref())?)
            }
        };
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(slot, Arc::clone(&entry));
        Ok(entry)
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
    use super::{super::date::AmzDate, *};

    fn credentials(secret: &str) -> Credentials {
        Credentials::new("AKIDEXAMPLE", secret, None, None, "test")
    }

    fn scope<'a>(day: u64, region: &'a str, service: &'a str) -> CredentialScope<'a> {
        let date = AmzDate::new(day * 86_400).unwrap();
        CredentialScope { algorithm: Algorithm::Hmac, date, region, service }
    }

    fn from_hex(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).unwrap();
        bytes
    }

    /// The derivation that AWS's documentation works through.
    #[test]
    fn the_published_signing_key() {
        let key = derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", *b"20120215", "us-east-1", "iam");
        let mut mac = Hmac::<Sha256>::new_from_slice(&from_hex(
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
        ))
        .unwrap();
        mac.update(b"message");
        assert_eq!(key.sign(&[b"mess", b"age"]), <[u8; 32]>::from(mac.finalize().into_bytes()));
    }

    #[test]
    fn a_key_is_taken_anew_when_anything_changes() {
        let cache = KeyCache::new();
        let signed = |credentials: &Credentials, day, region, service| {
            cache.get(credentials, &scope(day, region, service)).unwrap().key.sign(&[b"x"])
        };
        let first = signed(&credentials("one"), 1, "r", "s");
        assert_eq!(signed(&credentials("one"), 1, "r", "s"), first);
        for other in [
            signed(&credentials("two"), 1, "r", "s"),
            signed(&credentials("one"), 2, "r", "s"),
            signed(&credentials("one"), 1, "r2", "s"),
            signed(&credentials("one"), 1, "r", "s2"),
        ] {
            assert_ne!(other, first);
        }
        assert_eq!(signed(&credentials("one"), 1, "r", "s"), first);
    }

    #[cfg(feature = "sigv4a")]
    #[test]
    fn a_pair_of_keys_is_kept_beside_a_key_and_beyond_a_day() {
        let cache = KeyCache::new();
        let set = |day| CredentialScope { algorithm: Algorithm::Ecdsa, ..scope(day, "r", "s") };
        let credentials = credentials("one");
        let key = cache.get(&credentials, &scope(1, "r", "s")).unwrap();
        let pair = cache.get(&credentials, &set(1)).unwrap();
        assert!(matches!(key.key, SigningKey::Hmac(_)) && matches!(pair.key, SigningKey::Ecdsa(_)));
        cache.get(&credentials, &set(2)).unwrap();
        let generations = cache.generations.read().unwrap();
        assert_eq!(generations.young.len(), 2);
        assert_eq!(generations.young[&cache.slot("AKIDEXAMPLE", &set(2))].day, *b"19700102", "that of the first day");
    }

    #[test]
    fn a_new_token_is_noticed() {
        let cache = KeyCache::new();
        for token in [Some("one"), Some("two"), None] {
            let credentials = Credentials::new("AKID", "secret", token.map(Into::into), None, "test");
            let prepared = cache.get(&credentials, &scope(1, "r", "s")).unwrap();
            assert_eq!(prepared.token.as_ref().map(|token| token.to_str().unwrap()), token);
            assert!(prepared.token.as_ref().is_none_or(HeaderValue::is_sensitive));
        }
    }

    #[test]
    fn a_flood_is_bounded_and_leaves_what_is_in_use() {
        let cache = KeyCache::new();
        let mine = credentials("mine");
        cache.get(&mine, &scope(1, "mine", "s")).unwrap();
        for flood in 0..20 * GENERATION {
            cache.get(&mine, &scope(1, &format!("r{flood}"), "s")).unwrap();
            if flood % 100 == 0 {
                let slot = cache.slot("AKIDEXAMPLE", &scope(1, "mine", "s"));
                let generations = cache.generations.read().unwrap();
                assert!(generations.young.contains_key(&slot) || generations.old.contains_key(&slot));
                drop(generations);
                cache.get(&mine, &scope(1, "mine", "s")).unwrap();
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
            let error = cache.get(&credentials("x"), &scope(1, region, service)).err().unwrap();
            assert!(matches!(&error, SignError::Scope { what, .. } if *what == named), "{error}");
        }
        for key_id in ["", "AK ID", "AK/ID", "AK,ID", "AKÏD"] {
            let credentials = Credentials::new(key_id, "secret", None, None, "test");
            let error = cache.get(&credentials, &scope(1, "r", "s")).err().unwrap();
            assert!(matches!(error, SignError::AccessKeyId), "{error}");
        }
        let credentials = Credentials::new("AKID", "secret", Some("to\nken".into()), None, "test");
        let error = cache.get(&credentials, &scope(1, "r", "s")).err().unwrap();
        assert!(matches!(error, SignError::SessionToken), "{error}");
    }
}
