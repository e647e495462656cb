//! The string to sign: algorithm, time, credential scope and the hash of the canonical request.
//!
//! See [Create a string to sign](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-string-to-sign).

use super::{canonical::Sink, date::AmzDate};

/// What signs the string to sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    /// A key that both sides share, of one region.
    #[default]
    Hmac,
    /// A pair of keys that holds in a set of regions: SigV4a.
    #[cfg(feature = "sigv4a")]
    Ecdsa,
}

impl Algorithm {
    /// The first line of the string to sign.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hmac => "AWS4-HMAC-SHA256",
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa => "AWS4-ECDSA-P256-SHA256",
        }
    }

    /// Whether the signature holds in one region, which then stands in the credential scope.
    pub(super) fn is_regional(self) -> bool {
        self == Self::Hmac
    }

    /// How many bytes a signature takes where its length must be known beforehand.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Hmac => 64,
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa => super::Signature::ROOM,
        }
    }
}

/// `20150830/us-east-1/iam/aws4_request`; without the region where the signature holds in several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CredentialScope<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) date: AmzDate,
    /// One region or, as the algorithm asks for, a list of them.
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> CredentialScope<'a> {
    /// What stands behind the date: `/us-east-1/iam/aws4_request`. It is the same day after day, and kept with the key.
    pub(super) fn end(&self) -> Vec<u8> {
        let region = self.algorithm.is_regional().then_some(self.region);
        let mut end = Vec::new();
        for part in region.into_iter().chain([self.service, "aws4_request"]) {
            end.put(b"/");
            end.put(part.as_bytes());
        }
        end
    }

    /// The set of regions that the request names beside the scope.
    pub(super) fn region_set(&self) -> Option<&'a [u8]> {
        (!self.algorithm.is_regional()).then_some(self.region.as_bytes())
    }
}

/// What the key signs, written like the canonical request into whatever takes bytes.
pub(super) struct StringToSign<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) date: AmzDate,
    /// The credential scope behind its date.
    pub(super) scope_end: &'a [u8],
    /// The hash of the canonical request.
    pub(super) canonical_request: [u8; 32],
}

impl StringToSign<'_> {
    pub(super) fn write(&self, sink: &mut impl Sink) {
        sink.put(self.algorithm.name().as_bytes());
        sink.put(b"\n");
        sink.put(self.date.timestamp());
        sink.put(b"\n");
        sink.put(&self.date.day());
        sink.put(self.scope_end);
        sink.put(b"\n");
        sink.put(&hex_of(self.canonical_request));
    }

    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write(&mut text);
        text
    }
}

pub(super) fn hex_of(digest: [u8; 32]) -> [u8; 64] {
    let mut text = [b'0'; 64];
    // The output has just the room for it.
    let written = hex::encode_to_slice(digest, &mut text);
    debug_assert!(written.is_ok());
    text
}
