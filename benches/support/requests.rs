//! The requests that are measured: of `DynamoDB`, Lambda and S3.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE, request::Parts};
use http_body_util::Full;
use tower_sigv4::{
    CredentialsCache,
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

pub const ACCESS_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The object that is presigned.
pub const OBJECT: &str = "photos/2026/harbour.jpg";
const BUCKET: &str = "https://bucket.s3.eu-central-1.amazonaws.com";

thread_local! {
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub service: &'static str,
    pub region: &'static str,
    pub token: Option<String>,
    pub method: Method,
    /// The requests go to one after another.
    pub uris: Vec<Uri>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// How long the URL lives, where it is a URL that is signed.
    pub expires_in: Option<Duration>,
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
            uris: vec![Uri::from_static("https://dynamodb.us-east-1.amazonaws.com/")],
            headers: vec![
                (CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
                (HeaderName::from_static("x-amz-target"), HeaderValue::from_static("DynamoDB_20120810.DescribeTable")),
            ],
            body: format!("{{\"TableName\":\"{}\"}}", "t".repeat(184)).into(),
            expires_in: None,
        }
    }

    /// Calls of Lambda's functions, each of another one than the call before.
    pub fn invoke() -> Self {
        let path =
            |function| format!("https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/f{function}/invocations");
        Self {
            name: "invoke",
            service: "lambda",
            uris: uris(path),
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
            ..Self::post()
        }
    }

    /// Listings of an S3 bucket with keys that last, each of another month than the one before.
    pub fn get() -> Self {
        Self {
            name: "get",
            service: "s3",
            region: "eu-central-1",
            token: None,
            method: Method::GET,
            uris: uris(|month| format!("{BUCKET}/?list-type=2&prefix=photos%2F{month}&max-keys=100")),
            headers: Vec::new(),
            body: Bytes::new(),
            expires_in: None,
        }
    }

    /// The URL of an S3 object, for an hour.
    pub fn presign() -> Self {
        let uris = vec![uri(&format!("{BUCKET}/{OBJECT}"))];
        Self { name: "presign", uris, expires_in: Some(Duration::from_secs(3600)), ..Self::get() }
    }

    /// 20 headers, which all are signed, and 20 parameters.
    pub fn many() -> Self {
        let parameters = |start| (0..20).map(move |at| format!("parameter-{:02}=value%20{}", at * 7 % 20, start + at));
        let headers = (0..20).map(|at| {
            let name = format!("x-amz-meta-{:02}", at * 7 % 20);
            (name.parse().expect("a name"), format!("the value of {name}").parse().expect("a value"))
        });
        let uris = uris(|start| format!("{BUCKET}/?{}", parameters(start).collect::<Vec<_>>().join("&")));
        Self { name: "many", uris, headers: headers.collect(), ..Self::get() }
    }

    /// The request as a caller makes it. A copy would have no room in its header map, and so cost every signer more.
    pub fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let next = NEXT.get();
        NEXT.set(next.wrapping_add(1));
        *request.uri_mut() = self.uris[next % self.uris.len()].clone();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }

    pub fn parts(&self) -> Parts {
        self.request().into_parts().0
    }

    pub fn credentials(&self) -> Credentials {
        Credentials::new(ACCESS_KEY_ID, SECRET, self.token.clone(), None, "benchmark")
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

/// So many that hardly a request is like the first of its second. The numbers are of equal length, and so are the requests.
fn uris(text: impl Fn(u32) -> String) -> Vec<Uri> {
    (2001..2065).map(|number| uri(&text(number))).collect()
}

fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}
