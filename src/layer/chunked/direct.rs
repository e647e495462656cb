//! Bodies in chunks without tower, for clients that are no services.

use std::{mem, time::SystemTime};

use aws_credential_types::Credentials;
use http::request::Parts;
use http_body::Body;

use super::{Chunked, Chunking, Chunks};
use crate::{
    Error, SignedBody,
    sign::{Algorithm, Signer},
};

/// Bodies in chunks.
impl Signer {
    /// Signs the headers of a request and gives back its body, cut into chunks that are signed while it is polled.
    ///
    /// The request gets its `content-length`, `content-encoding` and the other headers that chunks need; after an error it
    /// is as it was. [`Payload::Chunked`](crate::Payload::Chunked) is this for a layer.
    ///
    /// ```
    /// use http_body_util::BodyExt;
    /// use tower_sigv4::{Chunks, credentials::Credentials, sign::Signer};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let signer = Signer::new("s3", "us-east-1");
    /// let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "example");
    /// let request = http::Request::put("http://localhost:9000/bucket/key").body("hello".to_owned())?;
    /// let (mut parts, body) = request.into_parts();
    ///
    /// let body = signer.sign_chunked(&mut parts, body, &Chunks::new(), &credentials, std::time::UNIX_EPOCH)?;
    /// assert_eq!(parts.headers["content-length"], "177");
    /// assert_eq!(parts.headers["x-amz-decoded-content-length"], "5");
    /// assert_eq!(body.collect().await?.to_bytes().len(), 177);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign_chunked<B: Body>(
        &self,
        parts: &mut Parts,
        body: B,
        chunks: &Chunks,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<SignedBody<B>, Error> {
        self.sign_for(Some(self.algorithm()), parts, body, chunks, credentials, time)
    }

    /// The same with chunks that are not signed, which need a checksum behind them:
    /// [`Payload::ChunkedUnsigned`](crate::Payload::ChunkedUnsigned).
    pub fn sign_chunked_unsigned<B: Body>(
        &self,
        parts: &mut Parts,
        body: B,
        chunks: &Chunks,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<SignedBody<B>, Error> {
        self.sign_for(None, parts, body, chunks, credentials, time)
    }

    fn sign_for<B: Body>(
        &self,
        algorithm: Option<Algorithm>,
        parts: &mut Parts,
        body: B,
        chunks: &Chunks,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Result<SignedBody<B>, Error> {
        let chunked = Chunked::new(chunks, algorithm, &parts.headers, &body)?;
        let draft = self.draft(chunked.payload_hash(), time)?;
        let mut headers = parts.headers.clone();
        chunked.prepare(&mut headers)?;
        mem::swap(&mut parts.headers, &mut headers);
        match draft.prepared(credentials).and_then(|prepared| draft.sign_chunked(parts, &prepared)) {
            Ok(signer) => Ok(SignedBody::chunked(body, Chunking::new(chunked, signer))),
            Err(error) => {
                parts.headers = headers;
                Err(error.into())
            }
        }
    }
}
