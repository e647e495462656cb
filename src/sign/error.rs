use http::header::{InvalidHeaderValue, MaxSizeReached};

/// Why a request cannot be signed. The request is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no host to sign: no `Host` header, no authority in the URI, none configured.
    #[error("the request has no host: give it an absolute URI or a Host header, or configure the host")]
    NoHost,
    /// A request with several `Host` headers has no one meaning.
    #[error("the request has {0} Host headers: leave one")]
    SeveralHosts(usize),
    /// The clock is before 1970 or past the year 9999.
    #[error("the time to sign at is before 1970 or after 9999: set the clock")]
    Time,
    /// The service or region cannot stand in a credential scope.
    #[error("{what} {value:?} cannot stand in a credential scope: use letters, digits, '-', '_' and '.'")]
    Scope {
        /// `service`, `region` or `region set`
        what: &'static str,
        /// What was given.
        value: String,
    },
    /// The access key id cannot stand in a header or credential scope.
    #[error("the access key id is empty or holds characters that cannot stand in a header: check where it comes from")]
    AccessKeyId,
    /// None of the keys that SigV4a can derive from these credentials is one: a chance of 1 in 2^8000.
    #[cfg(feature = "sigv4a")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sigv4a")))]
    #[error("no SigV4a key can be derived from the credentials: use others")]
    KeyDerivation,
    /// The session token cannot stand in a header.
    #[error("the session token holds characters that cannot stand in a header: check where it comes from")]
    SessionToken,
    /// The payload hash is not one that a request may carry.
    #[error(
        "{0:?} is not a payload hash: give the 64 hex digits of the body's SHA-256, UNSIGNED-PAYLOAD or a STREAMING- value"
    )]
    PayloadHash(String),
    /// The URI cannot be written with the signature, or in the one spelling that all readers share.
    #[error("the signed URI is not valid: shorten it")]
    Uri(#[source] http::Error),
    /// A header that the signature needs cannot be written.
    #[error("a signed header cannot be written")]
    Header(#[from] InvalidHeaderValue),
    /// The request has no room for the signature's headers.
    #[error("the request has too many headers to add the signature's")]
    TooManyHeaders(#[from] MaxSizeReached),
    /// Chunks are at least 8 KiB, but for the last.
    #[error("a chunk of {0} bytes is too small: give it 8192 or more")]
    ChunkSize(usize),
    /// A body in chunks would be longer than 2^64 bytes.
    #[error("a body of {0} bytes is too long to be sent in chunks")]
    BodyLength(u64),
    /// Presigned URLs live from one second to seven days.
    #[error("a presigned URL lives from 1 to 604800 seconds, not {0:?}")]
    Expiry(std::time::Duration),
    /// The credentials end before the URL does, and it would end with them.
    #[error(
        "the credentials expire in {left:?}, before the URL would: refresh them first or let the URL live no longer than that"
    )]
    CredentialsExpireFirst {
        /// What is left of the credentials.
        left: std::time::Duration,
    },
    /// The URI carries a signature, or parts of one.
    #[error("the URI already has the parameter {0}: presign the URL without it")]
    AlreadyPresigned(String),
}

/// What cannot fail to convert never does.
impl From<std::convert::Infallible> for SignError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
