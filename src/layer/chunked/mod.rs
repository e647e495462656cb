//! Bodies that are cut into chunks while they are sent.

mod body;
mod checksum;
mod direct;
mod plan;

pub(super) use body::Chunking;
pub use checksum::{Checksum, UnknownChecksum};
pub(super) use plan::Chunked;

/// How a body is cut into chunks, and what goes out behind them.
///
/// ```
/// use tower_sigv4::{Chunks, Payload};
///
/// let payload = Payload::Chunked(Chunks::new().chunk_size(1 << 20));
/// ```
///
/// The length of the body has to be known before it is sent: from the body itself, where its size hint is exact, or from
/// the request's `x-amz-decoded-content-length` or `content-length`.
///
/// A trailer that the request announces in `x-amz-trailer` is taken from the body's own trailers, if its name is that of a
/// [`Checksum`]; the length of any other is not known beforehand. Trailers that are not announced go out as those of HTTP,
/// behind the last chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    chunk_size: usize,
    checksum: Option<Checksum>,
}

impl Chunks {
    /// 64 KiB
    const SIZE: usize = 64 << 10;

    /// Chunks of 64 KiB, and nothing behind them.
    pub fn new() -> Self {
        Self { chunk_size: Self::SIZE, checksum: None }
    }

    /// The number of bytes in each chunk but the last: 8 KiB or more. One chunk is held in memory.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = bytes;
        self
    }

    /// Computes this checksum of the body and sends it behind the last chunk.
    #[cfg(feature = "checksums")]
    #[cfg_attr(docsrs, doc(cfg(feature = "checksums")))]
    #[must_use]
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }
}

impl Default for Chunks {
    fn default() -> Self {
        Self::new()
    }
}
