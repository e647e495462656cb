//! The pair of keys of SigV4a: an elliptic curve's instead of a shared one, so that one signature holds in several regions.
//!
//! See [AWS Signature Version 4a](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html#how-sigv4a-works).

use aws_credential_types::Credentials;
use p256::ecdsa::{SigningKey, signature::MultipartSigner};
use zeroize::Zeroizing;

use super::{SignError, Signature, key::HmacKey, string_to_sign::Algorithm};

/// The length of the key in bits, as the derivation counts it.
const KEY_BITS: [u8; 4] = 256_u32.to_be_bytes();

/// The private key that credentials stand for.
#[derive(Clone)]
pub(crate) struct EcdsaKey(SigningKey);

impl EcdsaKey {
    /// Derives the key with HMAC-SHA256 as the random function of NIST SP 800-108, in counter mode, until a candidate is
    /// below the order of the curve.
    pub(super) fn derive(credentials: &Credentials) -> Result<Self, SignError> {
        let secret = Zeroizing::new([b"AWS4A", credentials.secret_access_key().as_bytes()].concat());
        let key = HmacKey::new(&secret);
        let label = Algorithm::Ecdsa.name().as_bytes();
        let key_id = credentials.access_key_id().as_bytes();
        let candidate =
            |counter| Zeroizing::new(key.sign(&[&[0, 0, 0, 1], label, &[0], key_id, &[counter], &KEY_BITS]));
        (1..=254).find_map(|counter| Self::of(candidate(counter))).map(Self).ok_or(SignError::KeyDerivation)
    }

    /// The key is the candidate and one, so that it is never zero; `None` where that is no number below the curve's order.
    fn of(mut candidate: Zeroizing<[u8; 32]>) -> Option<SigningKey> {
        for byte in candidate.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        SigningKey::from_slice(&*candidate).ok()
    }

    /// Signs a message that is given in parts. The same message has the same signature (RFC 6979).
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.multipart_sign(parts);
        Signature::from_der(signature.to_der().as_bytes())
    }
}

#[cfg(test)]
impl EcdsaKey {
    pub(super) fn verifying_key(&self) -> &p256::ecdsa::VerifyingKey {
        self.0.verifying_key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key_id: &str, secret: &str) -> EcdsaKey {
        EcdsaKey::derive(&Credentials::new(key_id, secret, None, None, "test")).unwrap()
    }

    /// The key that aws-c-auth and the Go SDK test their derivation with.
    #[test]
    fn the_published_key() {
        let key = key("AKISORANDOMAASORANDOM", "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom");
        assert_eq!(hex::encode(key.0.to_bytes()), "7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd");
        let public = key.verifying_key().to_sec1_point(false);
        assert_eq!(
            hex::encode(public.as_bytes()),
            "0415d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb\
             0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"
        );
    }

    #[test]
    fn candidates_are_taken_up_to_two_below_the_order() {
        let of = |candidate: &str| {
            let mut bytes = Zeroizing::new([0; 32]);
            hex::decode_to_slice(candidate, &mut *bytes).unwrap();
            EcdsaKey::of(bytes).map(|key| hex::encode(key.to_bytes()))
        };
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325";
        assert_eq!(of(&format!("{order}4f")), Some(format!("{order}50")), "N - 2");
        assert_eq!(of(&format!("{order}50")), None, "N - 1");
        assert_eq!(of(&format!("{order}51")), None, "N");
        assert_eq!(of(&"ff".repeat(32)), None, "one more is zero");
        assert_eq!(of(&"00".repeat(32)), Some(format!("{}01", "00".repeat(31))), "the smallest");
        assert_eq!(of(&format!("{}ffff", "00".repeat(30))), Some(format!("{}010000", "00".repeat(29))), "a carry");
    }

    #[test]
    fn a_signature_has_the_length_of_its_der() {
        let key = key("AKID", "secret");
        let mut lengths = std::collections::BTreeSet::new();
        for message in 0..64_u8 {
            let signature = key.sign(&[b"mess", b"age", &[message]]);
            assert_eq!(signature.as_str().as_bytes(), key.sign(&[b"message", &[message]]).as_str().as_bytes());
            let der = hex::decode(signature.as_str()).unwrap();
            assert_eq!(usize::from(der[1]) + 2, der.len());
            let padded = signature.padded(Algorithm::Ecdsa.width());
            assert_eq!(padded.len(), 144);
            assert_eq!(
                padded.strip_prefix(signature.as_str().as_bytes()).unwrap(),
                &b"********"[..144 - 2 * der.len()]
            );
            lengths.insert(der.len());
        }
        assert!(lengths.contains(&70) && lengths.contains(&71) && lengths.contains(&72), "{lengths:?}");
    }
}
