use std::fmt;

use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::{SignError, draft::CONTENT_SHA256, encode::hex_of, string_to_sign::Algorithm};

/// The last line of the canonical request: what is said of the body.
///
/// Either the SHA-256 of the body, written as 64 lower-case hex digits, or one of the words that stand in its place.
/// It is also the value of `x-amz-content-sha256`, where that header is sent.
///
/// ```
/// use tower_sigv4::sign::PayloadHash;
///
/// assert_eq!(PayloadHash::of(b""), PayloadHash::EMPTY);
/// assert_eq!(PayloadHash::UNSIGNED.as_str(), "UNSIGNED-PAYLOAD");
/// assert!(PayloadHash::try_from("not a hash").is_err());
/// ```
///
/// See [Create a canonical request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PayloadHash(Repr);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repr {
    Hex([u8; 64]),
    Word(Word),
}

/// What may stand in the place of a hash that was computed; the place of its text and header in the tables below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Empty,
    Unsigned,
    Hmac,
    HmacTrailer,
    Ecdsa,
    EcdsaTrailer,
    UnsignedTrailer,
}

const WORDS: [(Word, &str); 7] = [
    (Word::Empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Word::Unsigned, "UNSIGNED-PAYLOAD"),
    (Word::Hmac, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    (Word::HmacTrailer, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
    (Word::Ecdsa, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
    (Word::EcdsaTrailer, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"),
    (Word::UnsignedTrailer, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
];

/// Made when this is compiled: a header value checks each byte of its text.
static HEADERS: [HeaderValue; WORDS.len()] = [
    HeaderValue::from_static(WORDS[0].1),
    HeaderValue::from_static(WORDS[1].1),
    HeaderValue::from_static(WORDS[2].1),
    HeaderValue::from_static(WORDS[3].1),
    HeaderValue::from_static(WORDS[4].1),
    HeaderValue::from_static(WORDS[5].1),
    HeaderValue::from_static(WORDS[6].1),
];

impl PayloadHash {
    /// The hash of an empty body.
    pub const EMPTY: Self = Self(Repr::Word(Word::Empty));

    /// The body is not part of the signature.
    pub const UNSIGNED: Self = Self(Repr::Word(Word::Unsigned));

    /// What stands for a body in chunks, signed ones with an algorithm.
    pub(super) fn streaming(algorithm: Option<Algorithm>, has_trailer: bool) -> Self {
        Self(Repr::Word(match (algorithm, has_trailer) {
            (None, _) => Word::UnsignedTrailer,
            (Some(Algorithm::Hmac), false) => Word::Hmac,
            (Some(Algorithm::Hmac), true) => Word::HmacTrailer,
            #[cfg(feature = "sigv4a")]
            (Some(Algorithm::Ecdsa), false) => Word::Ecdsa,
            #[cfg(feature = "sigv4a")]
            (Some(Algorithm::Ecdsa), true) => Word::EcdsaTrailer,
        }))
    }

    /// The hash of this body.
    pub fn of(body: impl AsRef<[u8]>) -> Self {
        match body.as_ref() {
            [] => Self::EMPTY,
            body => Self::digest(body).into(),
        }
    }

    pub(super) fn digest(text: &[u8]) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    /// What `x-amz-content-sha256` says.
    #[inline]
    pub(crate) fn said(headers: &HeaderMap) -> Option<Result<Self, SignError>> {
        // To hash the name would take longer than to compare the few that a request has.
        headers.iter().find(|(name, _)| *name == CONTENT_SHA256).map(|(_, said)| Self::of_header(said))
    }

    #[cold]
    fn of_header(said: &HeaderValue) -> Result<Self, SignError> {
        Self::try_from(&*String::from_utf8_lossy(said.as_bytes()))
    }

    /// The text that is signed.
    pub fn as_str(&self) -> &str {
        // The hex digits are ASCII: they were written here or checked one by one.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Hex(hex) => hex,
            Repr::Word(word) => WORDS[*word as usize].1.as_bytes(),
        }
    }

    /// Whether this says something else than a hash of the body, which a server can only know from the header.
    pub(crate) fn is_word(&self) -> bool {
        matches!(self.0, Repr::Word(word) if word != Word::Empty)
    }

    /// Whether the body is in chunks that are signed one by one.
    pub(crate) fn is_signed_chunks(&self) -> bool {
        matches!(self.0, Repr::Word(Word::Hmac | Word::HmacTrailer | Word::Ecdsa | Word::EcdsaTrailer))
    }

    /// Whether the body is in chunks of either kind.
    pub(crate) fn is_chunks(&self) -> bool {
        self.is_signed_chunks() || self.0 == Repr::Word(Word::UnsignedTrailer)
    }

    pub(crate) fn header(&self) -> Result<HeaderValue, SignError> {
        match &self.0 {
            Repr::Hex(hex) => Ok(HeaderValue::from_bytes(hex)?),
            Repr::Word(word) => Ok(HEADERS[*word as usize].clone()),
        }
    }
}

impl From<[u8; 32]> for PayloadHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(Repr::Hex(hex_of(digest)))
    }
}

impl From<&[u8; 32]> for PayloadHash {
    fn from(digest: &[u8; 32]) -> Self {
        (*digest).into()
    }
}

impl From<&Self> for PayloadHash {
    fn from(hash: &Self) -> Self {
        *hash
    }
}

/// 64 hex digits, of either case, or one of the words.
impl TryFrom<&str> for PayloadHash {
    type Error = SignError;

    fn try_from(text: &str) -> Result<Self, SignError> {
        if let Some((word, _)) = WORDS.into_iter().find(|(_, word)| *word == text) {
            return Ok(Self(Repr::Word(word)));
        }
        match <[u8; 64]>::try_from(text.as_bytes()) {
            Ok(hex) if hex.iter().all(u8::is_ascii_hexdigit) => {
                Ok(Self(Repr::Hex(hex.map(|digit| digit.to_ascii_lowercase()))))
            }
            _ => Err(SignError::PayloadHash(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<&String> for PayloadHash {
    type Error = SignError;

    fn try_from(text: &String) -> Result<Self, SignError> {
        text.as_str().try_into()
    }
}

impl TryFrom<String> for PayloadHash {
    type Error = SignError;

    fn try_from(text: String) -> Result<Self, SignError> {
        text.as_str().try_into()
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadHash").field(&self.as_str()).finish()
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_lower_case_and_empty_is_one_value() {
        let hash = PayloadHash::of("a");
        assert_eq!(hash.as_str(), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert_eq!(PayloadHash::try_from(hash.as_str().to_uppercase()).unwrap(), hash);
        for (at, (word, text)) in WORDS.into_iter().enumerate() {
            assert_eq!(word as usize, at);
            assert_eq!(PayloadHash::try_from(text).unwrap().as_str(), text);
            assert_eq!(PayloadHash::try_from(text).unwrap().header().unwrap(), text);
        }
        assert_eq!(PayloadHash::of(""), PayloadHash::EMPTY);
        assert!(!PayloadHash::EMPTY.is_word() && !hash.is_word() && PayloadHash::UNSIGNED.is_word());
    }

    #[test]
    fn what_is_no_hash_is_refused_with_what_to_give() {
        for text in ["", "UNSIGNED", &"g".repeat(64), &"a".repeat(63)] {
            let error = PayloadHash::try_from(text).unwrap_err();
            assert!(error.to_string().contains("64 hex digits"), "{error}");
        }
    }
}
