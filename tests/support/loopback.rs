//! Servers in the test's own process: hyper over TCP on the loopback interface, and an S3 server on one of them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tower::{BoxError, Service};

/// A server on a port of its own, which speaks HTTP/1 and HTTP/2 and lives until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Answers every request with this service, of which each connection gets a clone.
    pub async fn start<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that hangs up is nobody's failure.
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, task: task.abort_handle() }
    }

    /// The absolute URI of this path and query.
    pub fn uri(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that speaks HTTP/1.
pub fn http1<B: Body<Data: Send> + Send>() -> Client<HttpConnector, B> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A client that speaks HTTP/2 and nothing else.
pub fn http2<B: Body<Data: Send> + Send>() -> Client<HttpConnector, B> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// An S3 server that checks every signature. Its buckets are folders of a directory that goes with it.
pub struct S3 {
    pub server: Server,
    directory: TempDir,
}

impl S3 {
    /// An access key that the server knows.
    pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
    /// Its secret.
    pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// A server with these buckets.
    pub async fn start(buckets: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(directory.path().join(bucket)).unwrap();
        }
        let mut builder = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY_ID, Self::SECRET));
        Self { server: Server::start(builder.build()).await, directory }
    }

    /// The absolute URI of this path and query.
    pub fn uri(&self, target: &str) -> String {
        self.server.uri(target)
    }

    /// Credentials that the server knows.
    pub fn credentials() -> Credentials {
        Credentials::new(Self::ACCESS_KEY_ID, Self::SECRET, None, None, "test")
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn of<B: Body<Error: Into<BoxError>>>(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(Into::into).unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands in the first element of this name: `<Code>…</Code>`.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    /// The code of an S3 error.
    pub fn code(&self) -> Option<String> {
        self.element("Code")
    }
}
