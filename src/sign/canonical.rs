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

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::{
    PathEncoding, PayloadHash,
    beginning::Beginning,
    headers::{Header, SignedHeaders, write_headers},
    query::Query,
    uri::write_path,
};

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

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
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
        self.write_start(sink, self.headers.all());
        self.write_end(sink, &[]);
    }

    /// The lines up to these headers.
    fn write_start(&self, sink: &mut impl Sink, headers: &[Header<'_>]) {
        sink.put(self.method.as_bytes());
        sink.put(b"\n");
        write_path(sink, self.path, self.path_encoding);
        sink.put(b"\n");
        self.query.write(sink);
        sink.put(b"\n");
        write_headers(sink, headers);
    }

    /// The lines from these headers on.
    fn write_end(&self, sink: &mut impl Sink, headers: &[Header<'_>]) {
        write_headers(sink, headers);
        sink.put(b"\n");
        sink.put(self.signed_headers);
        sink.put(b"\n");
        sink.put(self.payload.as_bytes());
    }

    /// Up to the value of the header of this name.
    fn write_beginning(&self, sink: &mut impl Sink, before: &[Header<'_>], name: &str) {
        self.write_start(sink, before);
        sink.put(name.as_bytes());
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.write(&mut hash);
        hash.finalize().into()
    }

    /// The hash, where the header of this name has one value for all requests with this beginning.
    pub(super) fn hash_after(&self, beginning: &Beginning, name: &str) -> [u8; 32] {
        let Some((before, header, after)) = self.headers.around(name) else { return self.hash() };
        let always = [b":", header.value, b"\n"];
        let write = |text: &mut Vec<u8>| self.write_beginning(text, before, name);
        let mut compared = beginning.compared(write, &always);
        self.write_beginning(&mut compared, before, name);
        let hash = compared.hash(&always);
        self.write_end(hash, after);
        hash.finalize_reset().into()
    }
}
