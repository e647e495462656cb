//! How a request is signed: pure functions of a request, credentials and a time.
//!
//! The files are the steps: [`Signer`] brings path, query and host into one spelling (`uri`), selects the headers
//! (`headers`), hashes the canonical request while it is written (`canonical`), from where it differs from an earlier one
//! (`beginning`), and signs the string to sign (`string_to_sign`) with a key that is derived once a day (`key`), and begins
//! once a second (`prepared`, `key_cache`).
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use tower_sigv4::{credentials::Credentials, sign::{PayloadHash, Signer}};
//!
//! let signer = Signer::new("iam", "us-east-1");
//! let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "example");
//! let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
//!
//! let (mut parts, ()) = http::Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08")
//!     .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
//!     .body(())?
//!     .into_parts();
//! let signature = signer.sign(&mut parts, PayloadHash::EMPTY, &credentials, time)?;
//!
//! // The signature of AWS's own example.
//! assert_eq!(signature.as_str(), "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
//! assert_eq!(parts.headers["x-amz-date"], "20150830T123600Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beginning;
mod canonical;
mod chunked;
mod date;
pub mod diagnose;
mod draft;
mod encode;
mod error;
mod headers;
pub mod infer;
mod key;
mod key_cache;
mod payload;
mod prepared;
mod presign;
mod profile;
mod query;
mod signature;
#[cfg(feature = "sigv4a")]
mod sigv4a;
mod string_to_sign;
mod uri;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use http::request::Parts;

pub(crate) use chunked::{ChunkSigner, Framer, Framing};
pub(crate) use draft::{DATE, Draft, Settings, is_presigned};
pub use error::SignError;
pub use headers::HeaderSelection;
pub(crate) use headers::says_chunked;
pub(crate) use key_cache::KeyCache;
pub use payload::PayloadHash;
pub(crate) use prepared::Prepared;
pub use profile::{DefaultPayload, PathEncoding, Profile, TokenHeader, TokenPlacement};
pub use signature::{Explanation, Signature};
pub(crate) use string_to_sign::Algorithm;
#[cfg(feature = "client")]
pub(crate) use uri::shown_host;
pub(crate) use uri::without_user;

/// Signs requests for one service in one region, with no I/O and no clock of its own.
///
/// A clone shares the signing keys that were derived. [`SigV4Layer`](crate::SigV4Layer) is this with credentials, a
/// clock and a body.
#[derive(Debug, Clone)]
pub struct Signer {
    service: Cow<'static, str>,
    region: Cow<'static, str>,
    algorithm: Algorithm,
    profile: Profile,
    headers: HeaderSelection,
    host: Option<String>,
    keys: Arc<KeyCache>,
}

impl Signer {
    /// A signer with the profile of this service.
    ///
    /// `service` and `region` are the names that stand in the credential scope, `s3` and `eu-central-1`. Whether they can
    /// is found out when signing.
    pub fn new(service: impl Into<Cow<'static, str>>, region: impl Into<Cow<'static, str>>) -> Self {
        let service = service.into();
        Self {
            profile: Profile::for_service(&service),
            service,
            region: region.into(),
            algorithm: Algorithm::default(),
            headers: HeaderSelection::default(),
            host: None,
            keys: Arc::new(KeyCache::new()),
        }
    }

    /// A signer of SigV4a, whose signatures hold in all the regions of a set.
    ///
    /// `region_set` is what `x-amz-region-set` says: a region, several that are separated by commas, or `*` for all of
    /// them; a `*` may also stand for a part, `eu-*`.
    ///
    /// ```
    /// use tower_sigv4::{credentials::Credentials, sign::{PayloadHash, Signer}};
    ///
    /// let signer = Signer::sigv4a("s3", "*");
    /// let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "example");
    /// let request = http::Request::get("https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/key").body(())?;
    /// let (mut parts, ()) = request.into_parts();
    ///
    /// signer.sign(&mut parts, PayloadHash::UNSIGNED, &credentials, std::time::UNIX_EPOCH)?;
    /// assert_eq!(parts.headers["x-amz-region-set"], "*");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// See [AWS Signature Version 4a](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html#how-sigv4a-works).
    #[cfg(feature = "sigv4a")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sigv4a")))]
    pub fn sigv4a(service: impl Into<Cow<'static, str>>, region_set: impl Into<Cow<'static, str>>) -> Self {
        Self { algorithm: Algorithm::Ecdsa, ..Self::new(service, region_set) }
    }

    /// Signs with these habits instead of the service's own.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Which headers are signed.
    #[must_use]
    pub fn headers(mut self, headers: HeaderSelection) -> Self {
        self.headers = headers;
        self
    }

    /// The host to sign where the request has none: neither a `Host` header nor an authority in its URI.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Signs the headers of a request: adds `x-amz-date`, `authorization` and, where they are needed,
    /// `x-amz-security-token` and `x-amz-content-sha256`; an earlier signature goes.
    ///
    /// Where readers of a URI could differ, it is written anew in the spelling that is signed. After an error the request
    /// is as it was.
    ///
    /// `payload_hash` is a [`PayloadHash`], the 32 bytes of a SHA-256, or a text that is one. The words that stand for a body
    /// in signed chunks are for such a body alone, which [`sign_chunked`](Self::sign_chunked) makes.
    ///
    /// See [Create a signed request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
    pub fn sign<P>(
        &self,
        parts: &mut Parts,
        payload_hash: P,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Signature, SignError>
    where
        P: TryInto<PayloadHash, Error: Into<SignError>>,
    {
        let draft = self.draft(payload_hash, time)?;
        let prepared = draft.prepared(credentials)?;
        draft.sign(parts, &prepared)
    }

    /// Signs the request in its query: what remains is a URL that anyone can use, with the headers that were signed, until
    /// `expires_in` is over.
    ///
    /// S3 expects [`PayloadHash::UNSIGNED`] here, other services the hash of the body;
    /// [`Profile::presigned_payload`] says which. No header moves into the query.
    ///
    /// `expires_in` is 1 to 604,800 seconds; a fraction of a second is dropped. Credentials that end sooner than the URL
    /// are an error, since the URL would end with them.
    ///
    /// See [Authenticating requests: using query parameters](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
    pub fn presign<P>(
        &self,
        parts: &mut Parts,
        payload_hash: P,
        credentials: &Credentials,
        time: SystemTime,
        expires_in: Duration,
    ) -> Result<Signature, SignError>
    where
        P: TryInto<PayloadHash, Error: Into<SignError>>,
    {
        self.draft(payload_hash, time)?.presign(parts, credentials, expires_in)
    }

    /// What [`sign`](Self::sign) would sign, as texts. The same code writes both.
    pub fn explain<P>(
        &self,
        parts: &Parts,
        payload_hash: P,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<Explanation, SignError>
    where
        P: TryInto<PayloadHash, Error: Into<SignError>>,
    {
        self.draft(payload_hash, time)?.explain(parts, credentials)
    }

    /// What [`presign`](Self::presign) would sign, as texts.
    pub fn explain_presigned<P>(
        &self,
        parts: &Parts,
        payload_hash: P,
        credentials: &Credentials,
        time: SystemTime,
        expires_in: Duration,
    ) -> Result<Explanation, SignError>
    where
        P: TryInto<PayloadHash, Error: Into<SignError>>,
    {
        self.draft(payload_hash, time)?.explain_presigned(parts, credentials, expires_in)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn draft<P>(&self, payload_hash: P, time: SystemTime) -> Result<Draft<'_>, SignError>
    where
        P: TryInto<PayloadHash, Error: Into<SignError>>,
    {
        let settings = Settings {
            service: &self.service,
            region: &self.region,
            algorithm: self.algorithm,
            profile: &self.profile,
            headers: &self.headers,
            host: self.host.as_deref(),
            keys: &self.keys,
        };
        Ok(Draft { settings, payload: payload_hash.try_into().map_err(Into::into)?, time })
    }
}
