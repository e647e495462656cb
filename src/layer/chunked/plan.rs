use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::{Body, SizeHint};

use super::{Checksum, Chunks};
use crate::{
    Error, ErrorKind,
    sign::{Algorithm, Framing, PayloadHash, SignError, says_chunked},
};

static DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
static TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
static CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");

/// All that is known of a body in chunks before it is read.
#[derive(Debug)]
pub(in crate::layer) struct Chunked {
    pub(super) framing: Framing,
    pub(super) chunk_size: usize,
    pub(super) decoded_length: u64,
    pub(super) encoded_length: u64,
    /// Computed on the way.
    pub(super) checksum: Option<Checksum>,
    /// Taken from the body's own trailers.
    pub(super) announced: Vec<Checksum>,
}

impl Chunked {
    /// `algorithm` is `None` for chunks that are not signed.
    pub(in crate::layer) fn new<B: Body>(
        chunks: &Chunks,
        algorithm: Option<Algorithm>,
        headers: &HeaderMap,
        body: &B,
    ) -> Result<Self, Error> {
        let said = PayloadHash::said(headers).and_then(Result::ok);
        if says_chunked(headers) || said.is_some_and(|said| said.is_chunks()) {
            return Err(Error::new(ErrorKind::AlreadyChunked));
        }
        let mut announced = announced(headers)?;
        announced.retain(|announced| Some(*announced) != chunks.checksum);
        let trailers: Vec<Checksum> = chunks.checksum.into_iter().chain(announced.iter().copied()).collect();
        if algorithm.is_none() && trailers.is_empty() {
            return Err(Error::new(ErrorKind::NoTrailer));
        }
        let names: Vec<HeaderName> = trailers.iter().map(|trailer| trailer.header_name()).collect();
        let lengths = names.iter().zip(trailers.iter().map(|trailer| trailer.value_length()));
        let framing = Framing::new(algorithm, chunks.chunk_size, lengths)?;
        let decoded_length = decoded_length(headers, &body.size_hint())?;
        let encoded_length = framing.encoded_length(decoded_length)?;
        let (chunk_size, checksum) = (chunks.chunk_size, chunks.checksum);
        Ok(Self { framing, chunk_size, decoded_length, encoded_length, checksum, announced })
    }

    pub(in crate::layer) fn payload_hash(&self) -> PayloadHash {
        self.framing.payload_hash()
    }

    /// Says in the request what its body will be.
    pub(in crate::layer) fn prepare(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let mut insert =
            |name: &HeaderName, value: HeaderValue| headers.try_insert(name, value).map(drop).map_err(SignError::from);
        insert(&DECODED_LENGTH, self.decoded_length.into())?;
        insert(&CONTENT_LENGTH, self.encoded_length.into())?;
        if let Some(checksum) = self.checksum {
            insert(&CHECKSUM_ALGORITHM, HeaderValue::from_static(checksum.algorithm()))?;
        }
        let names: Vec<HeaderName> = self.trailers().map(Checksum::header_name).collect();
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
            insert(&TRAILER, HeaderValue::from_str(&names.join(",")).map_err(SignError::from)?)?;
        }
        let mut encodings = Vec::new();
        for encoding in headers.get_all(CONTENT_ENCODING) {
            encodings.extend_from_slice(encoding.as_bytes());
            encodings.push(b',');
        }
        encodings.extend_from_slice(b"aws-chunked");
        let encodings = HeaderValue::from_bytes(&encodings).map_err(SignError::from)?;
        headers.try_insert(CONTENT_ENCODING, encodings).map_err(SignError::from)?;
        // The length is known, and said.
        headers.remove(TRANSFER_ENCODING);
        Ok(())
    }

    fn trailers(&self) -> impl Iterator<Item = Checksum> {
        self.checksum.into_iter().chain(self.announced.iter().copied())
    }
}

/// The trailers that the caller will give with the body.
fn announced(headers: &HeaderMap) -> Result<Vec<Checksum>, Error> {
    let mut announced = Vec::new();
    for value in headers.get_all(&TRAILER) {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
        {
            let checksum = HeaderName::from_bytes(name).ok().as_ref().and_then(Checksum::of_header);
            let checksum = checksum.ok_or_else(|| {
                let name = String::from_utf8_lossy(name);
                Error::caused_by(ErrorKind::Trailer, format!("the length of the trailer {name:?} is not known"))
            })?;
            if !announced.contains(&checksum) {
                announced.push(checksum);
            }
        }
    }
    Ok(announced)
}

/// The number of bytes that the body will give: what it says itself, else what the request says of it.
fn decoded_length(headers: &HeaderMap, hint: &SizeHint) -> Result<u64, Error> {
    let said = match headers.get(&DECODED_LENGTH).or(headers.get(CONTENT_LENGTH)) {
        Some(value) => Some(number(value).ok_or(Error::new(ErrorKind::UnknownLength))?),
        None => None,
    };
    let length = hint.exact().or(said).ok_or(Error::new(ErrorKind::UnknownLength))?;
    let is_possible = hint.lower() <= length && hint.upper().is_none_or(|upper| length <= upper);
    if !is_possible || said.is_some_and(|said| said != length) {
        return Err(Error::new(ErrorKind::WrongLength));
    }
    Ok(length)
}

/// Digits, and nothing else.
fn number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
