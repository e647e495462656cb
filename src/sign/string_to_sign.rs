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

/// Where a signature holds: the credential scope but for its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CredentialScope<'a> {
    pub(super) algorithm: Algorithm,
    /// One region or, as the algorithm asks for, a list of them.
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> CredentialScope<'a> {
    /// What stands behind the date: `/us-east-1/iam/aws4_request`; without the region where the signature holds in several.
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

/// The string to sign up to its last line, which is the hash of the canonical request. `scope` is the whole credential scope.
pub(super) fn start_of_string_to_sign(algorithm: Algorithm, date: AmzDate, scope: &[u8]) -> Vec<u8> {
    [algorithm.name().as_bytes(), b"\n", date.timestamp(), b"\n", scope, b"\n"].concat()
}
