//! `aws-chunked`: a body in chunks, each of which is signed with the signature before it.
//!
//! ```text
//! 10000;chunk-signature=ad80…8648       length and signature of a chunk
//! <65,536 bytes>
//! 400;chunk-signature=0055…5497
//! <1,024 bytes>
//! 0;chunk-signature=b6c6…9df9           the end
//! x-amz-checksum-crc32c:sOO8/Q==        a trailer, where there is one
//! x-amz-trailer-signature:d81f…e435
//! ```
//!
//! Every line ends with CRLF, and so does the data of every chunk; an empty line ends the body. The signature of the
//! request is the one before the first chunk's. Unsigned chunks have nothing after their length.
//!
//! See [Transferring payload in multiple chunks](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html) and
//! [Including trailing headers](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, request::Parts};
use sha2::{Digest, Sha256};

use super::{
    PayloadHash, SignError, Signature,
    canonical::Sink,
    draft::Draft,
    encode::{hex_of, put_hex},
    key::SigningKey,
    prepared::Prepared,
    string_to_sign::Algorithm,
};

/// The smallest chunk that S3 takes, but for the last.
pub(crate) const SMALLEST_CHUNK: usize = 8 << 10;

const CRLF: &[u8] = b"\r\n";
const CHUNK_SIGNATURE: &[u8] = b";chunk-signature=";
const TRAILER_SIGNATURE: &[u8] = b"x-amz-trailer-signature:";

/// How a body is framed: all that its length depends on, before anything is known of its content.
#[derive(Debug, Clone)]
pub(crate) struct Framing {
    /// What signs the chunks; `None` where they are not signed.
    algorithm: Option<Algorithm>,
    chunk_size: usize,
    /// The lengths of the trailer's names and values.
    trailers: Vec<(usize, usize)>,
}

impl Framing {
    /// `trailers` are names, and the lengths of the values that they will have.
    pub(crate) fn new<'n>(
        algorithm: Option<Algorithm>,
        chunk_size: usize,
        trailers: impl IntoIterator<Item = (&'n HeaderName, usize)>,
    ) -> Result<Self, SignError> {
        if chunk_size < SMALLEST_CHUNK {
            return Err(SignError::ChunkSize(chunk_size));
        }
        let trailers = trailers.into_iter().map(|(name, value)| (name.as_str().len(), value)).collect();
        Ok(Self { algorithm, chunk_size, trailers })
    }

    /// What the request signs in the place of its body's hash.
    pub(crate) fn payload_hash(&self) -> PayloadHash {
        PayloadHash::streaming(self.algorithm, !self.trailers.is_empty())
    }

    /// What writes the frames of one body, whose request was signed with what this signer comes from.
    pub(crate) fn framer(&self, signer: ChunkSigner) -> Framer {
        Framer::new(self.algorithm.map(|_| signer))
    }

    /// The number of bytes that go out for a body of this many.
    pub(crate) fn encoded_length(&self, decoded: u64) -> Result<u64, SignError> {
        self.checked_length(decoded).ok_or(SignError::BodyLength(decoded))
    }

    fn checked_length(&self, decoded: u64) -> Option<u64> {
        let chunk_size = self.chunk_size as u64;
        let full = decoded.checked_div(chunk_size)?;
        let rest = decoded % chunk_size;
        let mut length = full.checked_mul(self.chunk_length(chunk_size)?)?;
        if rest > 0 {
            length = length.checked_add(self.chunk_length(rest)?)?;
        }
        length.checked_add(self.end_length() as u64)
    }

    /// A chunk with all that is around its data.
    fn chunk_length(&self, data: u64) -> Option<u64> {
        ((head_length(self.algorithm, data) + CRLF.len()) as u64).checked_add(data)
    }

    fn end_length(&self) -> usize {
        head_length(self.algorithm, 0) + tail_length(self.algorithm, self.trailers.iter().copied())
    }
}

/// `10000;chunk-signature=…`, with its CRLF.
fn head_length(algorithm: Option<Algorithm>, data: u64) -> usize {
    let signature = algorithm.map_or(0, |algorithm| CHUNK_SIGNATURE.len() + algorithm.width());
    hex_digits(data) + signature + CRLF.len()
}

/// The trailer and the empty line behind it.
fn tail_length(algorithm: Option<Algorithm>, trailers: impl ExactSizeIterator<Item = (usize, usize)>) -> usize {
    let signature = match algorithm {
        Some(algorithm) if trailers.len() > 0 => TRAILER_SIGNATURE.len() + algorithm.width() + CRLF.len(),
        _ => 0,
    };
    let trailers: usize = trailers.map(|(name, value)| name + 1 + value + CRLF.len()).sum();
    trailers + signature + CRLF.len()
}

fn hex_digits(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(4).max(1) as usize
}

fn put_number(sink: &mut impl Sink, number: u64) {
    let mut digits = [0; 16];
    put_hex(&mut digits, &number.to_be_bytes());
    sink.put(&digits[digits.len() - hex_digits(number)..]);
}

/// Writes what stands around the chunks of one body, in their order.
#[derive(Clone)]
pub(crate) struct Framer {
    /// `None` where the chunks are not signed.
    signer: Option<ChunkSigner>,
    /// How much data there is since the last chunk.
    length: u64,
    is_first: bool,
}

impl Framer {
    fn new(signer: Option<ChunkSigner>) -> Self {
        Self { signer, length: 0, is_first: true }
    }

    /// Takes data of the chunk to come.
    pub(crate) fn update(&mut self, data: &[u8]) {
        self.length += data.len() as u64;
        if let Some(signer) = &mut self.signer {
            signer.hash.update(data);
        }
    }

    /// Ends a chunk: what goes out before the data that was taken since the last one.
    ///
    /// The CRLF that ends a chunk goes out at the start of what follows it, so that it is no frame of its own.
    pub(crate) fn chunk(&mut self) -> Bytes {
        self.head(0).into()
    }

    /// What goes out behind the last chunk: the chunk of length 0, and the trailer, sorted by name.
    pub(crate) fn end(&mut self, trailers: &mut [(HeaderName, HeaderValue)]) -> Bytes {
        trailers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        let algorithm = self.signer.as_ref().map(|signer| signer.algorithm);
        let lengths = trailers.iter().map(|(name, value)| (name.as_str().len(), value.len()));
        let mut out = self.head(tail_length(algorithm, lengths));
        for (name, value) in &*trailers {
            for part in [name.as_str().as_bytes(), b":", value.as_bytes(), CRLF] {
                out.put(part);
            }
        }
        if let Some(signer) = self.signer.as_mut().filter(|_| !trailers.is_empty()) {
            out.put(TRAILER_SIGNATURE);
            signer.sign_trailer(trailers);
            out.put(signer.signature());
            out.put(CRLF);
        }
        out.put(CRLF);
        out.into()
    }

    /// The first line of a chunk, with room for this many bytes behind it. It fills its vector then, which becomes `Bytes`
    /// without another allocation.
    fn head(&mut self, room: usize) -> Vec<u8> {
        let before = if self.is_first { 0 } else { CRLF.len() };
        let algorithm = self.signer.as_ref().map(|signer| signer.algorithm);
        let mut out = Vec::with_capacity(before + head_length(algorithm, self.length) + room);
        out.put(&CRLF[..before]);
        put_number(&mut out, self.length);
        if let Some(signer) = &mut self.signer {
            signer.sign_chunk();
            out.put(CHUNK_SIGNATURE);
            out.put(signer.signature());
        }
        out.put(CRLF);
        self.length = 0;
        self.is_first = false;
        out
    }
}

/// Signs the chunks of one body: each signature is part of what the next one signs.
#[derive(Clone)]
pub(crate) struct ChunkSigner {
    key: Arc<SigningKey>,
    algorithm: Algorithm,
    /// The lines of time and scope.
    context: Box<[u8]>,
    previous: Signature,
    /// Of the chunk to come.
    hash: Sha256,
}

impl ChunkSigner {
    fn new(prepared: &Prepared, algorithm: Algorithm, seed: Signature) -> Self {
        let context = prepared.start[algorithm.name().len()..].into();
        Self { key: Arc::clone(&prepared.key), algorithm, context, previous: seed, hash: Sha256::new() }
    }

    fn sign_chunk(&mut self) {
        let data = hex_of(self.hash.finalize_reset().into());
        let (name, previous) = (self.algorithm.name().as_bytes(), self.previous.as_str().as_bytes());
        // The first of the two hashes is of a chunk's headers, which no mode has.
        let headers = PayloadHash::EMPTY;
        let headers = headers.as_bytes();
        let parts = [name, b"-PAYLOAD", &self.context, previous, b"\n", headers, b"\n", &data];
        self.previous = self.key.sign(&parts);
    }

    fn sign_trailer(&mut self, trailers: &[(HeaderName, HeaderValue)]) {
        let mut hash = Sha256::new();
        for (name, value) in trailers {
            for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"] {
                hash.update(part);
            }
        }
        let hash = hex_of(hash.finalize().into());
        let (name, previous) = (self.algorithm.name().as_bytes(), self.previous.as_str().as_bytes());
        self.previous = self.key.sign(&[name, b"-TRAILER", &self.context, previous, b"\n", &hash]);
    }

    /// The last signature, as it goes out: always of the same length.
    fn signature(&self) -> &[u8] {
        self.previous.padded(self.algorithm.width())
    }
}

impl Draft<'_> {
    /// Signs the request's headers, as [`Draft::sign`] does: what comes back signs the chunks of its body.
    pub(crate) fn sign_chunked(&self, parts: &mut Parts, prepared: &Prepared) -> Result<ChunkSigner, SignError> {
        let seed = self.sign(parts, prepared)?;
        Ok(ChunkSigner::new(prepared, self.settings.algorithm, seed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use http::header::CONTENT_LENGTH;

    use super::{
        super::{HeaderSelection, KeyCache, Profile, Settings},
        *,
    };

    const CHUNK: usize = 64 << 10;
    const CRC32C: HeaderName = HeaderName::from_static("x-amz-checksum-crc32c");

    fn credentials() -> Credentials {
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test")
    }

    /// AWS's examples: the request, signed, and what signs its chunks.
    fn seed(framing: &Framing, headers: &[(&str, &str)]) -> ChunkSigner {
        let algorithm = framing.algorithm.unwrap_or_default();
        let mut request = http::Request::put("https://s3.amazonaws.com/examplebucket/chunkObject.txt")
            .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "66560");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let keys = KeyCache::new();
        let settings = Settings {
            service: "s3",
            region: "us-east-1",
            algorithm,
            profile: &Profile::for_service("s3"),
            headers: &HeaderSelection::all().include(CONTENT_LENGTH),
            host: None,
            keys: &keys,
        };
        // 24 May 2013
        let time = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let draft = Draft { settings, payload: framing.payload_hash(), time };
        let signer = draft.sign_chunked(&mut parts, &draft.prepared(&credentials()).unwrap()).unwrap();
        let authorization = parts.headers["authorization"].to_str().unwrap();
        assert!(authorization.ends_with(signer.previous.as_str()), "{authorization}");
        assert_eq!(parts.headers["x-amz-content-sha256"], framing.payload_hash().as_str());
        signer
    }

    /// The frames of AWS's body of 66,560 times `a`, and the whole that they make.
    fn frames(signer: Option<ChunkSigner>, trailers: &mut [(HeaderName, HeaderValue)]) -> ([Bytes; 3], Vec<u8>) {
        let body = vec![b'a'; 66_560];
        let (first, second) = body.split_at(CHUNK);
        let mut framer = Framer::new(signer);
        // In pieces, since a chunk is what was given until it ends.
        framer.update(&first[..1]);
        framer.update(&first[1..]);
        let one = framer.chunk();
        framer.update(second);
        let two = framer.chunk();
        let end = framer.end(trailers);
        let whole = [&one, first, &two, second, &end].concat();
        ([one, two, end], whole)
    }

    fn signed(trailers: &[(&HeaderName, usize)]) -> Framing {
        Framing::new(Some(Algorithm::Hmac), CHUNK, trailers.iter().copied()).unwrap()
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
    #[test]
    fn the_published_example() {
        let framing = signed(&[]);
        let signer = seed(&framing, &[("content-length", "66824")]);
        assert_eq!(signer.previous.as_str(), "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
        let ([one, two, end], whole) = frames(Some(signer), &mut []);
        let chunk = "chunk-signature=";
        let first = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
        let second = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
        let last = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";
        assert_eq!(one, format!("10000;{chunk}{first}\r\n"));
        assert_eq!(two, format!("\r\n400;{chunk}{second}\r\n"));
        assert_eq!(end, format!("\r\n0;{chunk}{last}\r\n\r\n"));
        assert_eq!(whole.len(), 66_824);
        assert_eq!(framing.encoded_length(66_560).unwrap(), 66_824);
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
    #[test]
    fn the_published_example_with_a_trailer() {
        let framing = signed(&[(&CRC32C, 8)]);
        let signer = seed(&framing, &[("x-amz-trailer", "x-amz-checksum-crc32c")]);
        assert_eq!(signer.previous.as_str(), "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
        let mut trailers = [(CRC32C, HeaderValue::from_static("sOO8/Q=="))];
        let ([one, two, end], whole) = frames(Some(signer), &mut trailers);
        let chunk = "chunk-signature=";
        let first = "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2";
        let second = "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7";
        let last = "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992";
        let trailer = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
        assert_eq!(one, format!("10000;{chunk}{first}\r\n"));
        assert_eq!(two, format!("\r\n400;{chunk}{second}\r\n"));
        assert_eq!(
            end,
            format!(
                "\r\n0;{chunk}{last}\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{trailer}\r\n\r\n"
            )
        );
        assert_eq!(whole.len(), 66_946);
        assert_eq!(framing.encoded_length(66_560).unwrap(), 66_946);
    }

    /// A test of aws-c-auth: three trailers, given out of order, after the last chunk of the first example.
    #[test]
    fn several_trailers_are_signed_in_order() {
        let mut signer = seed(&signed(&[]), &[]);
        let mut last = [0; 32];
        hex::decode_to_slice("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", &mut last).unwrap();
        signer.previous = Signature::new(last);
        let trailer = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let sorted = [trailer("first", "1st"), trailer("second", "2nd"), trailer("third", "3rd")];
        signer.sign_trailer(&sorted);
        let expected = "df5735bd9f3295cd9386572292562fefc93ba94e80a0a1ddcbd652c4e0a75e6c";
        assert_eq!(signer.previous.as_str(), expected);

        let mut turned = sorted.clone();
        turned.reverse();
        let end = Framer::new(None).end(&mut turned);
        assert_eq!(end, "0\r\nfirst:1st\r\nsecond:2nd\r\nthird:3rd\r\n\r\n");
    }

    #[test]
    fn unsigned_chunks_are_lengths_alone() {
        let mut trailers = [(CRC32C, HeaderValue::from_static("sOO8/Q=="))];
        let ([one, two, end], whole) = frames(None, &mut trailers);
        assert_eq!((&*one, &*two), (&b"10000\r\n"[..], &b"\r\n400\r\n"[..]));
        assert_eq!(end, "\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n");
        let framing = Framing::new(None, CHUNK, [(&CRC32C, 8)]).unwrap();
        assert_eq!(framing.encoded_length(66_560).unwrap(), whole.len() as u64);
        assert_eq!(framing.payload_hash().as_str(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    }

    #[test]
    fn the_length_is_that_of_what_is_written() {
        let every = [None, Some(Algorithm::Hmac)].into_iter();
        #[cfg(feature = "sigv4a")]
        let every = every.chain([Some(Algorithm::Ecdsa)]);
        for algorithm in every {
            for mut trailers in [vec![], vec![(CRC32C, HeaderValue::from_static("sOO8/Q=="))]] {
                let lengths = trailers.iter().map(|(name, value)| (name, value.len()));
                let framing = Framing::new(algorithm, SMALLEST_CHUNK, lengths).unwrap();
                for length in [0, 1, 15, 16, 8191, 8192, 8193, 16_384, 100_000] {
                    let signer = algorithm.map(|_| seed(&framing, &[]));
                    let mut framer = Framer::new(signer);
                    let mut written = 0;
                    for chunk in vec![0; length].chunks(SMALLEST_CHUNK) {
                        framer.update(chunk);
                        let head = framer.chunk();
                        written += head.len() + chunk.len();
                    }
                    written += framer.end(&mut trailers).len();
                    assert_eq!(
                        framing.encoded_length(length as u64).unwrap(),
                        written as u64,
                        "{algorithm:?} {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn heads_fill_their_vectors() {
        let mut trailers = [(CRC32C, HeaderValue::from_static("sOO8/Q=="))];
        for signer in [None, Some(seed(&signed(&[]), &[]))] {
            let mut framer = Framer::new(signer);
            for length in [1, 16, 255, 65_536] {
                framer.update(&vec![0; length]);
                let head = framer.head(0);
                assert_eq!(head.len(), head.capacity());
            }
            let algorithm = framer.signer.as_ref().map(|signer| signer.algorithm);
            let room = tail_length(algorithm, [(CRC32C.as_str().len(), 8)].into_iter());
            let end = framer.clone().end(&mut trailers).len();
            assert_eq!(end, framer.head(room).capacity());
        }
    }

    #[test]
    fn lengths_that_no_number_holds_are_refused() {
        let framing = signed(&[]);
        assert!(framing.encoded_length(1 << 60).is_ok());
        for length in [u64::MAX, u64::MAX - (1 << 20)] {
            let error = framing.encoded_length(length).unwrap_err();
            assert!(matches!(error, SignError::BodyLength(refused) if refused == length), "{error}");
        }
    }

    #[test]
    fn small_chunks_are_refused() {
        for size in [0, 1, 8191] {
            let error = Framing::new(None, size, []).unwrap_err();
            assert!(matches!(error, SignError::ChunkSize(refused) if refused == size), "{error}");
        }
    }

    #[cfg(feature = "sigv4a")]
    #[test]
    fn chunks_of_sigv4a_are_padded_and_chained_without_their_padding() {
        use p256::ecdsa::{DerSignature, signature::Verifier};

        let framing = Framing::new(Some(Algorithm::Ecdsa), CHUNK, []).unwrap();
        assert_eq!(framing.payload_hash().as_str(), "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
        let signer = seed(&framing, &[]);
        let seed = signer.previous;
        let key = Arc::clone(&signer.key);
        let SigningKey::Ecdsa(key) = &*key else { panic!("another key") };
        let ([one, two, end], whole) = frames(Some(signer), &mut []);
        assert_eq!(framing.encoded_length(66_560).unwrap(), whole.len() as u64);

        let mut previous = seed.as_str().to_owned();
        let empty = PayloadHash::EMPTY;
        for (head, data) in [(one, CHUNK), (two, 1024), (end, 0)] {
            let line = std::str::from_utf8(&head).unwrap().trim_ascii();
            let padded = line.split_once(";chunk-signature=").unwrap().1;
            assert_eq!(padded.len(), 144);
            let signature = padded.trim_end_matches('*');
            let text = format!(
                "AWS4-ECDSA-P256-SHA256-PAYLOAD\n20130524T000000Z\n20130524/s3/aws4_request\n{previous}\n{empty}\n{}",
                PayloadHash::of(vec![b'a'; data]),
            );
            let der = DerSignature::from_bytes(&hex::decode(signature).unwrap()).unwrap();
            key.verifying_key().verify(text.as_bytes(), &der).unwrap();
            signature.clone_into(&mut previous);
        }
    }
}
