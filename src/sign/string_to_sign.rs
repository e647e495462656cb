//! The string to sign: algorithm, time, credential scope and the hash of the canonical request.
//!
//! See [Create a string to sign](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-string-to-sign).

use smallvec::SmallVec;

use super::{canonical::Sink, date::AmzDate};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Room for what is written on the stack: a string to sign, a credential scope.
pub(super) type Text = SmallVec<[u8; 256]>;

impl Sink for Text {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// `20150830/us-east-1/iam/aws4_request`
#[derive(Debug, Clone, Copy)]
pub(super) struct CredentialScope<'a> {
    pub(super) date: AmzDate,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl CredentialScope<'_> {
    const TERMINATOR: &'static [u8] = b"aws4_request";

    pub(super) fn write(&self, sink: &mut impl Sink, separator: &[u8]) {
        sink.put(&self.date.day());
        for part in [self.region.as_bytes(), self.service.as_bytes(), Self::TERMINATOR] {
            sink.put(separator);
            sink.put(part);
        }
    }

    /// The length of what `write` writes with a separator of one byte.
    pub(super) fn length(&self) -> usize {
        8 + 1 + self.region.len() + 1 + self.service.len() + 1 + Self::TERMINATOR.len()
    }
}

pub(super) fn string_to_sign(scope: &CredentialScope<'_>, canonical_request: [u8; 32]) -> Text {
    let mut text = Text::new();
    text.put(ALGORITHM.as_bytes());
    text.put(b"\n");
    text.put(scope.date.timestamp());
    text.put(b"\n");
    scope.write(&mut text, b"/");
    text.put(b"\n");
    text.put(&hex_of(canonical_request));
    text
}

pub(super) fn hex_of(digest: [u8; 32]) -> [u8; 64] {
    let mut text = [b'0'; 64];
    // The output has just the room for it.
    let written = hex::encode_to_slice(digest, &mut text);
    debug_assert!(written.is_ok());
    text
}
