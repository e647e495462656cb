use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    mem,
    sync::{PoisonError, RwLock},
};

use aws_credential_types::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use super::{SignError, date::AmzDate};

/// How many keys one generation of the cache holds; there are two.
const GENERATION: usize = 1024;

/// A key of HMAC-SHA256, with both of its pads already hashed.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    fn new(key: &[u8]) -> Self {
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
    pub(crate) key: HmacKey,
    /// The session token as the header that goes out.
    pub(crate) token: Option<HeaderValue>,
}

struct Entry {
    credentials: Credentials,
    day: [u8; 8],
    region: Box<str>,
    service: Box<str>,
    prepared: Prepared,
}

impl Entry {
    fn new(credentials: &Credentials, date: AmzDate, region: &str, service: &str) -> Result<Self, SignError> {
        check_scope("service", service)?;
        check_scope("region", region)?;
        let key_id = credentials.access_key_id();
        if key_id.is_empty() || !key_id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',') {
            return Err(SignError::AccessKeyId);
        }
        let token = credentials.session_token().filter(|token| !token.is_empty());
        let token = token.map(HeaderValue::from_str).transpose().map_err(|_| SignError::SessionToken)?;
        let token = token.map(|mut token| {
            token.set_sensitive(true);
            token
        });
        let key = derive(credentials.secret_access_key(), date.day(), region, service);
        Ok(Self {
            credentials: credentials.clone(),
            day: date.day(),
            region: region.into(),
            service: service.into(),
            prepared: Prepared { key, token },
        })
    }

    fn is_for(&self, credentials: &Credentials, date: AmzDate, region: &str, service: &str) -> bool {
        self.day == date.day()
            && *self.region == *region
            && *self.service == *service
            && self.credentials.access_key_id() == credentials.access_key_id()
            && self.credentials.secret_access_key() == credentials.secret_access_key()
            && self.credentials.session_token() == credentials.session_token()
    }
}

fn check_scope(what: &'static str, value: &str) -> Result<(), SignError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
    if value.is_empty() || !value.bytes().all(fits) {
        return Err(SignError::Scope { what, value: value.chars().take(80).collect() });
    }
    Ok(())
}

/// The derived keys, bounded: keys in use survive any flood of others.
///
/// New entries go into the young generation. When that is full it becomes the old one, whose entries are dropped but for
/// those that are asked for again before the next turn.
pub(crate) struct KeyCache {
    hasher: RandomState,
    generations: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Entry>,
    old: HashMap<u64, Entry>,
}

impl KeyCache {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), generations: RwLock::default() }
    }

    pub(crate) fn get(
        &self,
        credentials: &Credentials,
        date: AmzDate,
        region: &str,
        service: &str,
    ) -> Result<Prepared, SignError> {
        let slot = self.hasher.hash_one((credentials.access_key_id(), region, service));
        let fits = |entry: &&Entry| entry.is_for(credentials, date, region, service);
        // A panic while the lock is held leaves whole entries behind, so a poisoned lock is as good as any.
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(&slot).filter(fits) {
            return Ok(entry.prepared.clone());
        }
        drop(generations);

        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        let entry = match generations.old.remove(&slot).filter(|entry| fits(&entry)) {
            Some(entry) => entry,
            None => Entry::new(credentials, date, region, service)?,
        };
        let prepared = entry.prepared.clone();
        if generations.young.len() >= GENERATION {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(slot, entry);
        Ok(prepared)
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

    use super::*;

    fn credentials(secret: &str) -> Credentials {
        Credentials::new("AKIDEXAMPLE", secret, None, None, "test")
    }

    fn date(day: u64) -> AmzDate {
        AmzDate::new(UNIX_EPOCH + Duration::from_secs(day * 86_400)).unwrap()
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
            cache.get(credentials, date(day), region, service).unwrap().key.sign(&[b"x"])
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

    #[test]
    fn a_new_token_is_noticed() {
        let cache = KeyCache::new();
        for token in [Some("one"), Some("two"), None] {
            let credentials = Credentials::new("AKID", "secret", token.map(Into::into), None, "test");
            let prepared = cache.get(&credentials, date(1), "r", "s").unwrap();
            assert_eq!(prepared.token.as_ref().map(|token| token.to_str().unwrap()), token);
            assert!(prepared.token.is_none_or(|token| token.is_sensitive()));
        }
    }

    #[test]
    fn a_flood_is_bounded_and_leaves_what_is_in_use() {
        let cache = KeyCache::new();
        let mine = credentials("mine");
        cache.get(&mine, date(1), "mine", "s").unwrap();
        for flood in 0..20 * GENERATION {
            cache.get(&mine, date(1), &format!("r{flood}"), "s").unwrap();
            if flood % 100 == 0 {
                let slot = cache.hasher.hash_one(("AKIDEXAMPLE", "mine", "s"));
                let generations = cache.generations.read().unwrap();
                assert!(generations.young.contains_key(&slot) || generations.old.contains_key(&slot));
                drop(generations);
                cache.get(&mine, date(1), "mine", "s").unwrap();
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
            let error = cache.get(&credentials("x"), date(1), region, service).err().unwrap();
            assert!(matches!(&error, SignError::Scope { what, .. } if *what == named), "{error}");
        }
        for key_id in ["", "AK ID", "AK/ID", "AK,ID", "AKÏD"] {
            let credentials = Credentials::new(key_id, "secret", None, None, "test");
            let error = cache.get(&credentials, date(1), "r", "s").err().unwrap();
            assert!(matches!(error, SignError::AccessKeyId), "{error}");
        }
        let credentials = Credentials::new("AKID", "secret", Some("to\nken".into()), None, "test");
        let error = cache.get(&credentials, date(1), "r", "s").err().unwrap();
        assert!(matches!(error, SignError::SessionToken), "{error}");
    }
}
