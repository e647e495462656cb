//! An S3 server on a loopback socket: s3s, which checks every signature, over a store in memory.
//!
//! The store keeps an object only when its body came to its end and its checksums agree.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{
    Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    checksum::ChecksumHasher,
    crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256},
    dto::{PutObjectInput, PutObjectOutput},
    service::{S3Service, S3ServiceBuilder},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_sigv4::credentials::Credentials;

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

pub fn credentials() -> Credentials {
    Credentials::new(KEY_ID, SECRET, None, None, "test")
}

/// What was stored, and the headers that it came with.
#[derive(Debug, Clone)]
pub struct Object {
    pub data: Bytes,
    pub headers: HeaderMap,
}

#[derive(Debug, Clone, Default)]
pub struct Store(Arc<Mutex<HashMap<String, Object>>>);

impl Store {
    pub fn take(&self, key: &str) -> Option<Object> {
        self.0.lock().unwrap().remove(key)
    }

    async fn put(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let S3Request { input, headers, trailing_headers, .. } = request;
        let body = input.body.map(Body::from).unwrap_or_default();
        let refused =
            |error: &dyn std::fmt::Display| S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string());
        let data = body.collect().await.map_err(|error| refused(&error))?.to_bytes();

        let mut hasher = ChecksumHasher {
            crc32: Some(Crc32::default()),
            crc32c: Some(Crc32c::default()),
            sha1: Some(Sha1::default()),
            sha256: Some(Sha256::default()),
            crc64nvme: Some(Crc64Nvme::default()),
        };
        hasher.update(&data);
        let computed = hasher.finalize();
        let trailers = trailing_headers.and_then(|trailers| trailers.take()).unwrap_or_default();
        let announced = headers.get("x-amz-trailer").map_or("", |names| names.to_str().unwrap());
        for name in announced.split(',').filter(|name| !name.is_empty()) {
            let computed = match name {
                "x-amz-checksum-crc32" => &computed.checksum_crc32,
                "x-amz-checksum-crc32c" => &computed.checksum_crc32c,
                "x-amz-checksum-crc64nvme" => &computed.checksum_crc64nvme,
                "x-amz-checksum-sha1" => &computed.checksum_sha1,
                "x-amz-checksum-sha256" => &computed.checksum_sha256,
                other => return Err(S3Error::with_message(S3ErrorCode::InvalidRequest, other.to_owned())),
            };
            let received = trailers.get(name).and_then(|value| value.to_str().ok());
            if received != computed.as_deref() {
                return Err(S3Error::with_message(S3ErrorCode::BadDigest, name.to_owned()));
            }
        }
        if input.content_length != i64::try_from(data.len()).ok() {
            return Err(S3Error::with_message(S3ErrorCode::IncompleteBody, "another length than announced"));
        }
        self.0.lock().unwrap().insert(input.key, Object { data, headers });
        Ok(S3Response::new(PutObjectOutput::default()))
    }
}

impl S3 for Store {
    fn put_object<'life0, 'async_trait>(
        &'life0 self,
        request: S3Request<PutObjectInput>,
    ) -> Pin<Box<dyn Future<Output = S3Result<S3Response<PutObjectOutput>>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.put(request))
    }
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Self {
        let store = Store::default();
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, store, task: tokio::spawn(serve(listener, builder.build())) }
    }

    pub fn url(&self, key: &str) -> String {
        format!("http://{}/bucket/{key}", self.address)
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((stream, _)) = listener.accept().await {
        // Else the small frames by which HTTP/2 asks for more wait for one another.
        stream.set_nodelay(true).unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that a client drops half-way ends with an error, which is no one's here.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
