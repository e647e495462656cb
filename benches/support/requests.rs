//! The requests that are measured: one of `DynamoDB` and one of S3.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, request::Parts};
use http_body_util::Full;
use tower_sigv4::{
    CredentialsCache,
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

pub struct Case {
    pub name: &'static str,
    pub service: &'static str,
    pub region: &'static str,
    pub token: Option<String>,
    pub method: Method,
    pub uri: Uri,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: Bytes,
}

impl Case {
    /// A `DynamoDB` call with temporary credentials, whose token is as long as STS makes them.
    pub fn post() -> Self {
        Self {
            name: "post",
            service: "dynamodb",
            region: "us-east-1",
            token: Some("FwoGZXIvYXdzEBYa".repeat(44)[..700].to_owned()),
            method: Method::POST,
            uri: Uri::from_static("https://dynamodb.us-east-1.amazonaws.com/"),
            headers: &[
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", "DynamoDB_20120810.DescribeTable"),
            ],
            body: format!("{{\"TableName\":\"{}\"}}", "t".repeat(184)).into(),
        }
    }

    /// A listing of an S3 bucket with keys that last.
    pub fn get() -> Self {
        Self {
            name: "get",
            service: "s3",
            region: "eu-central-1",
            token: None,
            method: Method::GET,
            uri: Uri::from_static(
                "https://bucket.s3.eu-central-1.amazonaws.com/?list-type=2&prefix=photos%2F2026&max-keys=100",
            ),
            headers: &[],
            body: Bytes::new(),
        }
    }

    /// An object of S3, as a URL for a browser.
    pub fn presign() -> Self {
        let uri = Uri::from_static("https://bucket.s3.eu-central-1.amazonaws.com/photos/2026/harbour.jpg");
        Self { name: "presign", uri, ..Self::get() }
    }

    /// The request as a caller makes it. A copy would have no room in its header map, and so cost every signer more.
    pub fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        for (name, value) in self.headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        request
    }

    pub fn parts(&self) -> Parts {
        self.request().into_parts().0
    }

    pub fn credentials(&self) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        Credentials::new("ASIAIOSFODNN7EXAMPLE", secret, self.token.clone(), None, "benchmark")
    }

    /// The same in a cache, in which they are already.
    pub fn cached_credentials(&self) -> CredentialsCache {
        let cache = CredentialsCache::from(self.credentials());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        runtime.block_on(cache.get()).expect("these credentials are there");
        cache
    }

    pub fn signer(&self) -> Signer {
        Signer::new(self.service, self.region)
    }

    pub fn payload(&self) -> PayloadHash {
        PayloadHash::of(&self.body)
    }
}

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}
