use http::{HeaderMap, Uri, uri::Scheme};
use http_body::Body;

use super::{Chunks, chunked::Chunked};
use crate::{
    Error, ErrorKind,
    sign::{Algorithm, DefaultPayload, PayloadHash},
};

/// What is signed of a request's body.
///
/// Where neither the builder nor the request says, a hash that the caller has put into `x-amz-content-sha256` is signed,
/// and else the service's profile decides: most take the body's hash; for S3 a body that is too long to be buffered, or of
/// unknown length, goes out unsigned over TLS, and in signed chunks where the URI does not say `https`.
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
    /// Chunks that are signed one by one while they are sent, of a body of any size: S3's `aws-chunked`.
    ///
    /// The length of the body has to be known: see [`Chunks`].
    Chunked(Chunks),
    /// The same framing without the signatures of the chunks, to send a checksum that is computed while the body is sent:
    /// there has to be one. For TLS: without it, anyone on the way can change the body and its checksum.
    ChunkedUnsigned(Chunks),
}

/// How the body gets from the request to the signature.
pub(super) enum Plan {
    /// Read it up to this many bytes, hash it, send what was read.
    Buffer(u64),
    /// Sign this and leave the body alone.
    Stream(PayloadHash),
    /// Sign the body while it is sent.
    Chunk(Box<Chunked>),
}

impl Plan {
    pub(super) fn new<B: Body>(
        asked: Option<&Payload>,
        by_profile: DefaultPayload,
        algorithm: Algorithm,
        headers: &HeaderMap,
        uri: &Uri,
        body: &B,
        limit: u64,
    ) -> Result<Self, Error> {
        if let Some(asked) = asked
            && let Some(Ok(said)) = PayloadHash::said(headers)
            && said.is_chunks()
            && *asked != Payload::Precomputed(said)
        {
            return Err(Error::new(ErrorKind::AlreadyChunked));
        }
        match asked {
            Some(Payload::Signed) => return Self::buffer(body, limit),
            Some(Payload::Unsigned) => return Ok(Self::Stream(PayloadHash::UNSIGNED)),
            Some(Payload::Precomputed(hash)) => return Self::stream(*hash),
            Some(Payload::Chunked(chunks)) => return Self::chunk(chunks, Some(algorithm), headers, body),
            Some(Payload::ChunkedUnsigned(chunks)) => return Self::chunk(chunks, None, headers, body),
            None => {}
        }
        if let Some(said) = PayloadHash::said(headers) {
            return Self::stream(said?);
        }
        let is_small = || body.size_hint().upper().is_some_and(|upper| upper <= limit);
        // A relative URI does not say how it goes out: what is not known to be private is not taken for it.
        let is_tls = || uri.scheme() == Some(&Scheme::HTTPS);
        match by_profile {
            DefaultPayload::Signed => Self::buffer(body, limit),
            DefaultPayload::SignedIfSmall if is_small() => Self::buffer(body, limit),
            DefaultPayload::SignedIfSmall if !is_tls() => Self::chunk(&Chunks::new(), Some(algorithm), headers, body),
            DefaultPayload::Unsigned if !is_tls() => Err(Error::new(ErrorKind::UnsignedOverHttp)),
            DefaultPayload::SignedIfSmall | DefaultPayload::Unsigned => Ok(Self::Stream(PayloadHash::UNSIGNED)),
        }
    }

    /// Chunks that are signed already follow from another signature than the one that the request will have.
    fn stream(hash: PayloadHash) -> Result<Self, Error> {
        if hash.is_signed_chunks() {
            return Err(Error::new(ErrorKind::AlreadyChunked));
        }
        Ok(Self::Stream(hash))
    }

    fn chunk<B: Body>(
        chunks: &Chunks,
        algorithm: Option<Algorithm>,
        headers: &HeaderMap,
        body: &B,
    ) -> Result<Self, Error> {
        Ok(Self::Chunk(Box::new(Chunked::new(chunks, algorithm, headers, body)?)))
    }

    /// A body that says beforehand that it is too long is not read at all.
    fn buffer<B: Body>(body: &B, limit: u64) -> Result<Self, Error> {
        if body.size_hint().lower() > limit {
            return Err(Error::new(ErrorKind::BodyTooLarge));
        }
        Ok(if body.is_end_stream() { Self::Stream(PayloadHash::EMPTY) } else { Self::Buffer(limit) })
    }
}
