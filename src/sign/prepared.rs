//! What the requests of a second have in common, made once for all of them.

use std::{
    ptr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::SystemTime,
};

use aws_credential_types::Credentials;
use http::HeaderValue;

#[cfg(feature = "sigv4a")]
use super::sigv4a::EcdsaKey;
use super::{
    SignError, Signature,
    beginning::Beginning,
    date::{AmzDate, day_of, second_of},
    encode::hex_of,
    headers::folded,
    key::{HmacKey, SigningKey, derive},
    presign::SharedParameters,
    string_to_sign::{Algorithm, CredentialScope, start_of_string_to_sign},
};

const CREDENTIAL: &[u8] = b" Credential=";
const SIGNED_HEADERS: &[u8] = b", SignedHeaders=";

/// What signing with some credentials, for a region and a service, needs in one second.
pub(crate) struct Prepared {
    /// Since 1 January 1970.
    pub(super) second: u64,
    pub(super) key: Arc<SigningKey>,
    /// The key with `start`, where it can begin before the end is known.
    begun: Option<HmacKey>,
    /// The string to sign up to its last line, which is the hash of the canonical request.
    pub(super) start: Box<[u8]>,
    pub(super) date: AmzDate,
    /// The value of `authorization` up to the names of the signed headers.
    pub(super) authorization: Box<[u8]>,
    /// The start of a signature in the query, once there was one.
    pub(super) parameters: OnceLock<SharedParameters>,
    /// The session token as the header that goes out, spelled as it is signed.
    pub(super) token: Option<HeaderValue>,
    /// Of the canonical requests up to the token or, where none is signed, the date.
    pub(super) beginning: Beginning,
}

impl Prepared {
    fn new(derived: &Derived, second: u64, token: Option<HeaderValue>) -> Result<Self, SignError> {
        let (algorithm, date) = (derived.algorithm, AmzDate::new(second)?);
        let scope = [&date.day()[..], &derived.scope().end()].concat();
        let start = start_of_string_to_sign(algorithm, date, &scope);
        let key_id = derived.credentials.access_key_id().as_bytes();
        let authorization = [algorithm.name().as_bytes(), CREDENTIAL, key_id, b"/", &scope, SIGNED_HEADERS].concat();
        Ok(Self {
            second,
            key: Arc::clone(&derived.key),
            begun: derived.key.begun(&start),
            start: start.into(),
            parameters: OnceLock::new(),
            authorization: authorization.into(),
            date,
            token,
            beginning: Beginning::default(),
        })
    }

    /// What stands in `authorization` as the credential: `AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request`.
    pub(super) fn credential(&self) -> &[u8] {
        let start = self.authorization.iter().take_while(|byte| **byte != b'=').count() + 1;
        &self.authorization[start..self.authorization.len() - SIGNED_HEADERS.len()]
    }

    /// Whose signatures these are.
    pub(crate) fn access_key_id(&self) -> &str {
        let id = self.credential().split(|byte| *byte == b'/').next().unwrap_or_default();
        // It was found to be ASCII.
        std::str::from_utf8(id).unwrap_or_default()
    }

    /// Whether this is of the second that a time lies in.
    pub(crate) fn is_of(&self, time: SystemTime) -> bool {
        second_of(time).is_ok_and(|second| second == self.second)
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
pub(super) struct Derived {
    credentials: Credentials,
    algorithm: Algorithm,
    /// The days since 1 January 1970.
    pub(super) day: u64,
    region: Box<str>,
    service: Box<str>,
    key: Arc<SigningKey>,
    token: Option<HeaderValue>,
    /// The last second in which a thread needed this that goes on to other keys.
    latest: RwLock<Option<Arc<Prepared>>>,
}

impl Derived {
    /// `neighbour` is of any scope: with the same token its header is shared, which is long.
    pub(super) fn new(
        credentials: &Credentials,
        scope: &CredentialScope<'_>,
        second: u64,
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
            Algorithm::Hmac => {
                let day = AmzDate::new(second)?.day();
                SigningKey::Hmac(derive(credentials.secret_access_key(), day, region, service))
            }
            #[cfg(feature = "sigv4a")]
            Algorithm::Ecdsa => SigningKey::Ecdsa(EcdsaKey::derive(credentials)?),
        };
        Ok(Self {
            credentials: credentials.clone(),
            algorithm,
            day: day_of(second),
            region: region.into(),
            service: service.into(),
            key: Arc::new(key),
            token,
            latest: RwLock::default(),
        })
    }

    pub(super) fn is_for(&self, credentials: &Credentials, scope: &CredentialScope<'_>) -> bool {
        self.scope() == *scope
            && same(self.credentials.access_key_id(), credentials.access_key_id())
            && same(self.credentials.secret_access_key(), credentials.secret_access_key())
            && match (self.credentials.session_token(), credentials.session_token()) {
                (Some(a), Some(b)) => same(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
    }

    fn scope(&self) -> CredentialScope<'_> {
        CredentialScope { algorithm: self.algorithm, region: &self.region, service: &self.service }
    }

    /// A key of one region is one day's key, a pair holds as long as its credentials do.
    pub(super) fn holds_in(&self, second: u64) -> bool {
        self.day == day_of(second) || !self.algorithm.is_regional()
    }

    /// In memory that nobody else has.
    pub(super) fn own(&self, second: u64) -> Result<Arc<Prepared>, SignError> {
        let token = self.token.as_ref().map(|token| sensitive(token.as_bytes())).transpose()?;
        Prepared::new(self, second, token).map(Arc::new)
    }

    /// Shared by all that ask in the same second.
    pub(super) fn shared(&self, second: u64) -> Result<Arc<Prepared>, SignError> {
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
