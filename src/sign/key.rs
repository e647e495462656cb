//! The keys that sign, and how they are derived.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Signature;
#[cfg(feature = "sigv4a")]
use super::sigv4a::EcdsaKey;

/// A key of HMAC-SHA256, with both of its pads already hashed.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    pub(super) fn new(key: &[u8]) -> Self {
        // `new` takes 64 bytes, and `new_from_slice` takes any number without ever failing.
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&[0; 64].into())))
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What signs messages that start with this, hashed once for all of them.
    fn begun(&self, start: &[u8]) -> Self {
        let mut mac = self.0.clone();
        mac.update(start);
        Self(mac)
    }
}

/// What signs.
#[derive(Clone)]
pub(crate) enum SigningKey {
    Hmac(HmacKey),
    #[cfg(feature = "sigv4a")]
    Ecdsa(EcdsaKey),
}

impl SigningKey {
    /// Signs a message that is given in parts.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Signature {
        match self {
            Self::Hmac(key) => Signature::new(key.sign(parts)),
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa(key) => key.sign(parts),
        }
    }

    /// What signs messages that start with this; `None` where nothing can be done before the end is known.
    #[cfg_attr(not(feature = "sigv4a"), allow(clippy::unnecessary_wraps, reason = "one algorithm does not need it"))]
    pub(super) fn begun(&self, start: &[u8]) -> Option<HmacKey> {
        match self {
            Self::Hmac(key) => Some(key.begun(start)),
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa(_) => None,
        }
    }
}

/// The signing key of a day, a region and a service.
///
/// See [Derive a signing key](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#calculate-signing-key).
pub(super) fn derive(secret: &str, day: [u8; 8], region: &str, service: &str) -> HmacKey {
    let secret = zeroize::Zeroizing::new([b"AWS4", secret.as_bytes()].concat());
    let day = HmacKey::new(&secret).sign(&[&day]);
    let region = HmacKey::new(&day).sign(&[region.as_bytes()]);
    let service = HmacKey::new(&region).sign(&[service.as_bytes()]);
    HmacKey::new(&HmacKey::new(&service).sign(&[b"aws4_request"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_hex(text: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).unwrap();
        bytes
    }

    /// The derivation that AWS's documentation works through.
    #[test]
    fn the_published_signing_key() {
        let key = derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", *b"20120215", "us-east-1", "iam");
        let mut mac = Hmac::<Sha256>::new_from_slice(&from_hex(
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
        ))
        .unwrap();
        mac.update(b"message");
        let expected = <[u8; 32]>::from(mac.finalize().into_bytes());
        assert_eq!(key.sign(&[b"mess", b"age"]), expected);
        assert_eq!(key.begun(b"mess").sign(&[b"age"]), expected);
    }
}
