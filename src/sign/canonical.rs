//! The canonical request, written once into whatever takes bytes.
//!
//! ```text
//! POST                                    method
//! /                                       path
//! Action=ListUsers&Version=2010-05-08     query, sorted
//! host:iam.amazonaws.com                  headers, sorted
//! x-amz-date:20150830T123600Z
//!
//! host;x-amz-date                         names of the headers
//! e3b0c442…b855                           payload hash
//! ```
//!
//! See [Create a canonical request](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request).

use sha2::{Digest, Sha256, digest::Update};
use smallvec::SmallVec;

use super::{PathEncoding, PayloadHash, headers::SignedHeaders, query::Query, uri::write_path};

/// Takes what is written: a hash when signing, a text when explaining.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for SmallVec<[u8; 128]> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Hashes what is written, some blocks at a time: the pieces of a canonical request are shorter than a block.
pub(super) struct HashSink<H> {
    hash: H,
    waiting: [u8; ROOM],
    filled: usize,
}

const ROOM: usize = 512;

impl<H: Update> HashSink<H> {
    /// Adds to a hash all that this writes.
    pub(super) fn hash(hash: H, write: impl FnOnce(&mut Self)) -> H {
        let mut sink = Self { hash, waiting: [0; ROOM], filled: 0 };
        write(&mut sink);
        sink.hash.update(&sink.waiting[..sink.filled]);
        sink.hash
    }

    /// Hashes what waits, and this piece for which there is no room.
    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        self.hash.update(&self.waiting[..self.filled]);
        self.hash.update(bytes);
        self.filled = 0;
    }
}

impl<H: Update> Sink for HashSink<H> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "most pieces are of a known length, which only the caller sees")]
    fn put(&mut self, bytes: &[u8]) {
        match self.waiting.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => {
                copy(room, bytes);
                self.filled += bytes.len();
            }
            None => self.overflow(bytes),
        }
    }
}

/// Copies a piece of the same length. Most are short, and take less time than a call of `memcpy` does.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        8..=16 => copy_ends::<8>(to, from),
        17..=32 => copy_ends::<16>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// The first and the last bytes, which may overlap.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        let start = to.len() - N;
        to[..N].copy_from_slice(first);
        to[start..].copy_from_slice(last);
    }
}

pub(super) struct CanonicalRequest<'a, 'h> {
    pub(super) method: &'a str,
    /// As it goes out.
    pub(super) path: &'a str,
    pub(super) path_encoding: PathEncoding,
    pub(super) query: &'a Query<'a>,
    pub(super) headers: &'a SignedHeaders<'h>,
    /// Their names.
    pub(super) signed_headers: &'a [u8],
    pub(super) payload: &'a PayloadHash,
}

impl CanonicalRequest<'_, '_> {
    pub(super) fn write(&self, sink: &mut impl Sink) {
        sink.put(self.method.as_bytes());
        sink.put(b"\n");
        write_path(sink, self.path, self.path_encoding);
        sink.put(b"\n");
        self.query.write(sink);
        sink.put(b"\n");
        self.headers.write(sink);
        sink.put(b"\n");
        sink.put(self.signed_headers);
        sink.put(b"\n");
        sink.put(self.payload.as_bytes());
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        HashSink::hash(Sha256::new(), |sink| self.write(sink)).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_hash_as_one() {
        let text: Vec<u8> = (0..5000u32).map(|at| (at % 251) as u8).collect();
        for length in [1, 7, 63, 64, 511, 512, 513, 5000] {
            let hash = HashSink::hash(Sha256::new(), |sink| text.chunks(length).for_each(|piece| sink.put(piece)));
            assert_eq!(hash.finalize(), Sha256::digest(&text), "{length}");
        }
    }
}
