use std::fmt;

use super::string_to_sign::hex_of;

/// A signature: the lower-case hex digits that stand in the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    pub(super) fn new(mac: [u8; 32]) -> Self {
        Self(hex_of(mac))
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        // They come from `hex`.
        std::str::from_utf8(&self.0).unwrap_or_default()
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
