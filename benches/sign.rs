//! What signing a request costs, beside other signers and the floor that SHA-256 sets: `cargo bench --bench sign`.
//!
//! Each contender hashes the body where there is one, derives or looks up its key and puts its headers, or its parameters,
//! into the request. The request itself is made anew each time, and what that costs is taken off. The floor is one hash over
//! as many blocks as the signature needs.
#![allow(missing_docs)]

mod support;

use std::{
    fmt::Write,
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use criterion::Criterion;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE, request::Parts};
use reqsign_core::SignRequest;
use rusty_s3::S3Action;
use sha2::{Digest, Sha256};
use support::{Contender, compare};
use tower_sigv4::{
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// Seconds since 1970, and the same time as a text.
const NOW: (u64, &str) = (1_780_000_000, "2026-05-28T20:26:40Z");
const BUCKET: &str = "https://bucket.s3.eu-central-1.amazonaws.com";
/// The object that is presigned.
const OBJECT: &str = "photos/2026/harbour.jpg";

struct Case {
    name: &'static str,
    service: &'static str,
    region: &'static str,
    token: Option<String>,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
    /// How long the URL lives, where it is a URL that is signed.
    expires_in: Option<Duration>,
}

impl Case {
    /// A `DynamoDB` call with temporary credentials, whose token is as long as STS makes them.
    fn post() -> Self {
        let body = format!("{{\"TableName\":\"{}\"}}", "t".repeat(184)).into_bytes();
        assert_eq!(body.len(), 200);
        Self {
            name: "post",
            service: "dynamodb",
            region: "us-east-1",
            token: Some("FwoGZXIvYXdzEBYa".repeat(44)[..700].to_owned()),
            uri: Uri::from_static("https://dynamodb.us-east-1.amazonaws.com/"),
            headers: vec![
                (CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
                (HeaderName::from_static("x-amz-target"), HeaderValue::from_static("DynamoDB_20120810.DescribeTable")),
            ],
            body,
            expires_in: None,
        }
    }

    /// A listing of an S3 bucket with keys that last.
    fn get() -> Self {
        Self {
            name: "get",
            service: "s3",
            region: "eu-central-1",
            token: None,
            uri: format!("{BUCKET}/?list-type=2&prefix=photos%2F2026&max-keys=100").parse().unwrap(),
            headers: Vec::new(),
            body: Vec::new(),
            expires_in: None,
        }
    }

    /// The URL of an S3 object, for an hour.
    fn presign() -> Self {
        let uri = format!("{BUCKET}/{OBJECT}").parse().unwrap();
        Self { name: "presign", uri, expires_in: Some(Duration::from_secs(3600)), ..Self::get() }
    }

    /// 20 headers, which all are signed, and 20 parameters.
    fn many() -> Self {
        let parameters: Vec<_> = (0..20).map(|at| format!("parameter-{:02}=value%20{at}", at * 7 % 20)).collect();
        let headers = (0..20).map(|at| {
            let name = format!("x-amz-meta-{:02}", at * 7 % 20);
            (name.parse().unwrap(), format!("the value of {name}").parse().unwrap())
        });
        let uri = format!("{BUCKET}/?{}", parameters.join("&")).parse().unwrap();
        Self { name: "many", uri, headers: headers.collect(), ..Self::get() }
    }

    /// The request as a caller makes it. A copy would have no room in its header map, and so cost every signer more.
    fn request(&self) -> impl Fn() -> Parts + use<> {
        let method = if self.body.is_empty() { Method::GET } else { Method::POST };
        let (uri, headers) = (self.uri.clone(), self.headers.clone());
        move || {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.method = method.clone();
            parts.uri = uri.clone();
            for (name, value) in &headers {
                parts.headers.insert(name, value.clone());
            }
            parts
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(KEY_ID, SECRET, self.token.clone(), None, "benchmark")
    }

    /// How many blocks of SHA-256 the signature needs: the body, the canonical request, and two keyed hashes of which the
    /// pads are known.
    fn blocks(&self) -> usize {
        let blocks = |length: usize| (length + 9).div_ceil(64);
        let (signer, parts) = (Signer::new(self.service, self.region), self.request()());
        let (payload, credentials) = (PayloadHash::of(&self.body), self.credentials());
        let explained = match self.expires_in {
            Some(expires_in) => {
                signer.explain_presigned(&parts, PayloadHash::UNSIGNED, &credentials, now(), expires_in)
            }
            None => signer.explain(&parts, payload, &credentials, now()),
        };
        let explained = explained.unwrap();
        let body = if self.body.is_empty() { 0 } else { blocks(self.body.len()) };
        body + blocks(explained.canonical_request.len()) + blocks(explained.string_to_sign.len()) + blocks(32)
    }

    fn ours(&self) -> Call {
        let (signer, credentials) = (Signer::new(self.service, self.region), self.credentials());
        let (request, body, time) = (self.request(), self.body.clone(), now());
        match self.expires_in {
            Some(expires_in) => call(move || {
                let mut parts = request();
                let (credentials, time) = (black_box(&credentials), black_box(time));
                signer.presign(&mut parts, PayloadHash::UNSIGNED, credentials, time, expires_in).unwrap();
                parts
            }),
            None => call(move || {
                let mut parts = request();
                let payload = PayloadHash::of(black_box(&body));
                signer.sign(&mut parts, payload, black_box(&credentials), black_box(time)).unwrap();
                parts
            }),
        }
    }

    /// As AWS's SDK uses it.
    fn aws_sigv4(&self) -> Call {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.expires_in.is_some() {
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = self.expires_in;
        }
        let is_presigned = self.expires_in.is_some();
        let identity: Identity = self.credentials().into();
        let (request, body, time) = (self.request(), self.body.clone(), now());
        let (service, region) = (self.service, self.region);
        call(move || {
            let mut request = Request::from_parts(request(), ());
            let params = v4::SigningParams::builder()
                .identity(&identity)
                .region(region)
                .name(service)
                .time(black_box(time))
                .settings(settings.clone())
                .build()
                .unwrap();
            let uri = request.uri().to_string();
            let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            let body = if is_presigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(black_box(&body)) };
            let signable = SignableRequest::new(request.method().as_str(), uri, headers, body);
            let (instructions, _) = sign(signable.unwrap(), &params.into()).unwrap().into_parts();
            instructions.apply_to_request_http1x(&mut request);
            request.into_parts().0
        })
    }

    /// It takes the body's hash from a header, as its users give it.
    fn reqsign(&self) -> Call {
        let signer = reqsign_aws_v4::RequestSigner::new(self.service, self.region);
        let credential = reqsign_aws_v4::Credential {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: self.token.clone(),
            expires_in: None,
        };
        let context = reqsign_core::Context::new();
        let (request, body) = (self.request(), self.body.clone());
        call(move || {
            let mut parts = request();
            let payload = PayloadHash::of(black_box(&body));
            parts.headers.insert("x-amz-content-sha256", payload.as_str().parse().unwrap());
            {
                let signing = pin!(signer.sign_request(&context, &mut parts, Some(black_box(&credential)), None));
                match signing.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(done) => done.unwrap(),
                    Poll::Pending => panic!("signing waits for nothing"),
                }
            }
            parts
        })
    }

    /// It makes the URL from bucket and object, as others make the request, and signs it.
    fn rusty_s3(&self) -> Call {
        let (bucket, credentials) = (self.bucket(), rusty_s3::Credentials::new(KEY_ID, SECRET));
        let (expires_in, time) = (self.expires_in.unwrap_or_default(), NOW.1.parse().unwrap());
        call(move || {
            bucket.get_object(Some(black_box(&credentials)), OBJECT).sign_with_time(expires_in, black_box(&time))
        })
    }

    fn url(&self) -> Call {
        let bucket = self.bucket();
        call(move || bucket.object_url(OBJECT))
    }

    fn bucket(&self) -> rusty_s3::Bucket {
        let endpoint = "https://s3.eu-central-1.amazonaws.com".parse().unwrap();
        rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::VirtualHost, "bucket", self.region).unwrap()
    }

    /// Who signs, and what it starts with, whose cost is taken off.
    fn contenders(&self) -> Vec<(&'static str, &'static str, Call)> {
        let mut contenders = vec![("tower-sigv4", "request", self.ours()), ("aws-sigv4", "request", self.aws_sigv4())];
        contenders.push(match self.expires_in {
            Some(_) => ("rusty-s3", "url", self.rusty_s3()),
            None => ("reqsign", "request", self.reqsign()),
        });
        contenders
    }
}

type Call = Box<dyn FnMut()>;

fn call<T>(mut call: impl FnMut() -> T + 'static) -> Call {
    Box::new(move || drop(black_box(call())))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.0)
}

/// As many blocks as this, in one hash.
fn floor(blocks: usize) -> Call {
    let text = vec![7; blocks * 64 - 9];
    call(move || Sha256::digest(black_box(&text)))
}

/// One line of figures: how many times as fast as each of the others, and how many times as long as the floor.
fn summary(case: &Case) -> String {
    let contenders = case.contenders();
    let bases: Vec<_> = contenders.iter().map(|(name, base, _)| (*name, *base)).collect();
    let mut all: Vec<_> = contenders.into_iter().map(|(name, _, call)| Contender::new(name, call)).collect();
    all.push(Contender::new("floor", floor(case.blocks())));
    all.push(Contender::new("request", call(case.request())));
    all.push(Contender::new("url", case.url()));
    let costs = compare(all);

    let cost = |name: &str| costs.iter().find(|cost| cost.name == name).unwrap();
    let net = |(name, base): (&str, &str)| cost(name).nanoseconds - cost(base).nanoseconds;
    let allocations = |(name, base): (&str, &str)| cost(name).allocations - cost(base).allocations;
    let (ours, floor) = (net(bases[0]), cost("floor").nanoseconds);
    let mut line =
        format!("{} ns={ours:.0} allocations={} floor_ratio={:.2}", case.name, allocations(bases[0]), ours / floor);
    let named = |name: &str| name.replace('-', "_");
    for other in &bases[1..] {
        write!(line, " {}_ratio={:.2}", named(other.0), net(*other) / ours).unwrap();
    }
    write!(line, " blocks={} floor_ns={floor:.0}", case.blocks()).unwrap();
    for other in &bases[1..] {
        let (name, ns) = (named(other.0), net(*other));
        write!(line, " {name}_ns={ns:.0} {name}_allocations={}", allocations(*other)).unwrap();
    }
    line
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut lines = Vec::new();
    for case in [Case::post(), Case::get(), Case::presign(), Case::many()] {
        let mut group = criterion.benchmark_group(case.name);
        for (name, _, mut call) in case.contenders() {
            group.bench_function(name, |b| b.iter(&mut call));
        }
        group.bench_function("floor", |b| b.iter(floor(case.blocks())));
        group.finish();
        lines.push(summary(&case));
    }
    criterion.final_summary();
    for line in lines {
        println!("{line}");
    }
}
