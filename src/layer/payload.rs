use http::{HeaderMap, Uri, uri::Scheme};
use http_body::Body;

use crate::{
    Error, ErrorKind,
    sign::{CONTENT_SHA256, DefaultPayload, PayloadHash},
};

/// What is signed of a request's body.
///
/// Where neither the builder nor the request says, a hash that the caller has put into `x-amz-content-sha256` is signed,
/// and else the service's profile decides: most take the body's hash; for S3 a body that is too long to be buffered, or of
/// unknown length, goes out unsigned over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// The body's hash. It is read into memory up to the layer's
    /// [`buffer_limit`](crate::SigV4LayerBuilder::buffer_limit), 16 MiB by default; a body that is one `Bytes` is not
    /// copied.
    Signed,
    /// `UNSIGNED-PAYLOAD`: the body is not part of the signature and goes out as it comes. Obeyed over plain HTTP too.
    Unsigned,
    /// This hash, computed by the caller. The body goes out as it comes.
    Precomputed(PayloadHash),
}

/// How the body gets from the request to the signature.
pub(super) enum Plan {
    /// Read it up to this many bytes, hash it, send what was read.
    Buffer(u64),
    /// Sign this and leave the body alone.
    Stream(PayloadHash),
}

impl Plan {
    pub(super) fn new<B: Body>(
        asked: Option<&Payload>,
        by_profile: DefaultPayload,
        headers: &HeaderMap,
        uri: &Uri,
        body: &B,
        limit: u64,
    ) -> Result<Self, Error> {
        let is_plain_http = uri.scheme() == Some(&Scheme::HTTP);
        match asked {
            Some(Payload::Signed) => return Self::buffer(body, limit),
            Some(Payload::Unsigned) => return Ok(Self::Stream(PayloadHash::UNSIGNED)),
            Some(Payload::Precomputed(hash)) => return Ok(Self::Stream(*hash)),
            None => {}
        }
        if let Some(hash) = headers.get(&CONTENT_SHA256) {
            let text = String::from_utf8_lossy(hash.as_bytes());
            return Ok(Self::Stream(PayloadHash::try_from(&*text)?));
        }
        let is_small = body.size_hint().upper().is_some_and(|upper| upper <= limit);
        match by_profile {
            DefaultPayload::Signed => Self::buffer(body, limit),
            DefaultPayload::SignedIfSmall if is_small => Self::buffer(body, limit),
            DefaultPayload::SignedIfSmall | DefaultPayload::Unsigned if is_plain_http => {
                Err(Error::new(ErrorKind::UnsignedOverHttp))
            }
            DefaultPayload::SignedIfSmall | DefaultPayload::Unsigned => Ok(Self::Stream(PayloadHash::UNSIGNED)),
        }
    }

    /// A body that says beforehand that it is too long is not read at all.
    fn buffer<B: Body>(body: &B, limit: u64) -> Result<Self, Error> {
        if body.size_hint().lower() > limit {
            return Err(Error::new(ErrorKind::BodyTooLarge));
        }
        Ok(if body.is_end_stream() { Self::Stream(PayloadHash::EMPTY) } else { Self::Buffer(limit) })
    }
}
