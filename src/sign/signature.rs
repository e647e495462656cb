use std::fmt;

use super::encode::hex_of;
#[cfg(feature = "sigv4a")]
use super::encode::put_hex;

/// A signature: the lower-case hex digits that stand in the request.
///
/// Those of SigV4 have 64 digits, those of SigV4a between 16 and 144.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The digits, and `*` behind them: the padding of chunk signatures.
    padded: [u8; Self::ROOM],
    length: usize,
}

impl Signature {
    /// The longest signature: with SigV4a, two integers of 33 bytes in DER, which take 72.
    pub(super) const ROOM: usize = if cfg!(feature = "sigv4a") { 144 } else { 64 };

    pub(super) fn new(mac: [u8; 32]) -> Self {
        let mut padded = [b'*'; Self::ROOM];
        padded[..64].copy_from_slice(&hex_of(mac));
        Self { padded, length: 64 }
    }

    /// A signature of two integers, as DER writes them.
    #[cfg(feature = "sigv4a")]
    pub(super) fn from_der(der: &[u8]) -> Self {
        let mut padded = [b'*'; Self::ROOM];
        let length = 2 * der.len();
        debug_assert!(length <= Self::ROOM, "there is room for the longest DER");
        put_hex(&mut padded, der);
        Self { padded, length }
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        // They are ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.padded[..self.length]
    }

    /// The hex digits, with `*` behind them up to this width.
    pub(super) fn padded(&self, width: usize) -> &[u8] {
        &self.padded[..width.clamp(self.length, Self::ROOM)]
    }
}

impl AsRef<str> for Signature {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the digits: whoever has them can send the request again while it is fresh.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// What was signed, as texts: for comparing with what a server says that it computed.
///
/// The canonical request holds the request's signed headers and query as they are, a session token among them. It is
/// for a person to read, not for logs: `Debug` leaves the texts out.
#[derive(Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The canonical request, its lines separated by `\n`.
    pub canonical_request: String,
    /// The string to sign, its lines separated by `\n`.
    pub string_to_sign: String,
    /// The names of the signed headers, separated by `;`.
    pub signed_headers: String,
    /// The signature of these texts.
    pub signature: Signature,
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").field("signed_headers", &self.signed_headers).finish_non_exhaustive()
    }
}
