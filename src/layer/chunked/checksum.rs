//! Checksums that are computed while a body is sent, and go out in its trailer.

use std::{fmt, str::FromStr};

use http::HeaderName;
#[cfg(feature = "checksums")]
use {
    aws_smithy_types::base64,
    crc_fast::CrcAlgorithm,
    sha1::Sha1,
    sha2::{Digest as _, Sha256},
};

/// A checksum of a body, which the server compares with what it received.
///
/// ```
/// use tower_sigv4::Checksum;
///
/// let checksum: Checksum = "crc32c".parse()?;
/// assert_eq!(checksum, Checksum::Crc32c);
/// assert_eq!(checksum.header_name(), "x-amz-checksum-crc32c");
/// # Ok::<(), tower_sigv4::UnknownChecksum>(())
/// ```
///
/// See [Checking object integrity](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// CRC-32 of Ethernet and zip.
    Crc32,
    /// CRC-32C, of Castagnoli.
    Crc32c,
    /// CRC-64 of NVM Express.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Checksum {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name of the header or trailer that carries it, in base64.
    pub fn header_name(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        })
    }

    /// Its name in `x-amz-sdk-checksum-algorithm`.
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The length of its base64.
    pub(super) fn value_length(self) -> usize {
        let bytes: usize = match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        4 * bytes.div_ceil(3)
    }

    /// The one that a trailer of this name carries.
    pub(super) fn of_header(name: &HeaderName) -> Option<Self> {
        Self::ALL.into_iter().find(|checksum| checksum.header_name() == name)
    }
}

/// The name as the service writes it, `CRC32C`.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

/// Takes the name as the service writes it, in either case.
impl FromStr for Checksum {
    type Err = UnknownChecksum;

    fn from_str(text: &str) -> Result<Self, UnknownChecksum> {
        let named = |checksum: &Self| checksum.algorithm().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or_else(|| UnknownChecksum(text.chars().take(80).collect()))
    }
}

/// A text that names no [`Checksum`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a checksum: use crc32, crc32c, crc64nvme, sha1 or sha256")]
pub struct UnknownChecksum(String);

/// A checksum on its way.
#[cfg(feature = "checksums")]
#[derive(Clone)]
pub(super) enum Running {
    Crc(Checksum, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

#[cfg(feature = "checksums")]
impl Running {
    pub(super) fn new(checksum: Checksum) -> Self {
        let crc = |algorithm| Self::Crc(checksum, crc_fast::Digest::new(algorithm));
        match checksum {
            Checksum::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Checksum::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Checksum::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Checksum::Sha1 => Self::Sha1(Sha1::new()),
            Checksum::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(data),
            Self::Sha1(hash) => hash.update(data),
            Self::Sha256(hash) => hash.update(data),
        }
    }

    /// The base64 of the checksum.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc(Checksum::Crc64Nvme, digest) => base64::encode(digest.finalize().to_be_bytes()),
            // The lower half is the CRC of 32 bits.
            Self::Crc(_, digest) => base64::encode(&digest.finalize().to_be_bytes()[4..]),
            Self::Sha1(hash) => base64::encode(hash.finalize()),
            Self::Sha256(hash) => base64::encode(hash.finalize()),
        }
    }
}

/// Without the feature there is none.
#[cfg(not(feature = "checksums"))]
#[derive(Clone)]
pub(super) enum Running {}

#[cfg(not(feature = "checksums"))]
impl Running {
    pub(super) fn update(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(super) fn finish(self) -> String {
        match self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for checksum in Checksum::ALL {
            assert_eq!(checksum.to_string().parse(), Ok(checksum));
            assert_eq!(checksum.to_string().to_lowercase().parse(), Ok(checksum));
            assert_eq!(Checksum::of_header(&checksum.header_name()), Some(checksum));
            let name = format!("x-amz-checksum-{}", checksum.to_string().to_lowercase());
            assert_eq!(checksum.header_name().as_str(), name);
        }
        let error = "md5".parse::<Checksum>().unwrap_err();
        assert_eq!(error.to_string(), r#""md5" is not a checksum: use crc32, crc32c, crc64nvme, sha1 or sha256"#);
    }

    /// The check values of the CRC catalogue for `123456789`, and AWS's examples of 1 and 66,560 times `a`.
    #[cfg(feature = "checksums")]
    #[test]
    fn known_values() {
        let of = |checksum, pieces: &[&[u8]]| {
            let mut running = Running::new(checksum);
            for piece in pieces {
                running.update(piece);
            }
            running.finish()
        };
        let digits: [&[u8]; 2] = [b"1234", b"56789"];
        assert_eq!(of(Checksum::Crc32, &digits), base64::encode(0xcbf4_3926_u32.to_be_bytes()));
        assert_eq!(of(Checksum::Crc32c, &digits), base64::encode(0xe306_9283_u32.to_be_bytes()));
        assert_eq!(of(Checksum::Crc64Nvme, &digits), base64::encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(of(Checksum::Crc32c, &[b"a"]), "wdBDMA==");
        assert_eq!(of(Checksum::Crc32c, &[&vec![b'a'; 66_560]]), "sOO8/Q==");
        assert_eq!(of(Checksum::Sha1, &[b"abc"]), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(of(Checksum::Sha256, &[]), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        for checksum in Checksum::ALL {
            assert_eq!(of(checksum, &digits).len(), checksum.value_length());
        }
    }
}
