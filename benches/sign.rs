//! What signing a request costs, beside other signers and the floor that SHA-256 sets: `cargo bench --bench sign`.
//!
//! Each contender hashes the body where there is one, derives or looks up its key and puts its headers into the request.
//! The request itself is made anew each time, and what that costs is taken off. The floor is one hash over as many blocks as the signature needs.
#![allow(missing_docs)]

mod support;

use std::{
    future::Future,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use criterion::Criterion;
use http::{HeaderValue, Method, Request, Uri, request::Parts};
use reqsign_core::SignRequest;
use sha2::{Digest, Sha256};
use support::{Contender, Cost, compare};
use tower_sigv4::{
    credentials::Credentials,
    sign::{PayloadHash, Signer},
};

const KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct Case {
    name: &'static str,
    service: &'static str,
    region: &'static str,
    token: Option<String>,
    uri: Uri,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
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
            headers: &[
                ("content-type", "application/x-amz-json-1.0"),
                ("x-amz-target", "DynamoDB_20120810.DescribeTable"),
            ],
            body,
        }
    }

    /// A listing of an S3 bucket with keys that last.
    fn get() -> Self {
        Self {
            name: "get",
            service: "s3",
            region: "eu-central-1",
            token: None,
            uri: Uri::from_static(
                "https://bucket.s3.eu-central-1.amazonaws.com/?list-type=2&prefix=photos%2F2026&max-keys=100",
            ),
            headers: &[],
            body: Vec::new(),
        }
    }

    /// The request as a caller makes it. A copy would have no room in its header map, and so cost every signer more.
    fn request(&self) -> impl Fn() -> Parts {
        let method = if self.body.is_empty() { Method::GET } else { Method::POST };
        let (uri, headers) = (self.uri.clone(), self.headers);
        move || {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.method = method.clone();
            parts.uri = uri.clone();
            for (name, value) in headers {
                parts.headers.insert(*name, HeaderValue::from_static(value));
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
        let payload = PayloadHash::of(&self.body);
        let explained = Signer::new(self.service, self.region)
            .explain(&self.request()(), payload, &self.credentials(), now())
            .unwrap();
        let body = if self.body.is_empty() { 0 } else { blocks(self.body.len()) };
        body + blocks(explained.canonical_request.len()) + blocks(explained.string_to_sign.len()) + blocks(32)
    }

    fn ours(&self) -> impl FnMut() -> Parts {
        let (signer, credentials) = (Signer::new(self.service, self.region), self.credentials());
        let (request, body, time) = (self.request(), self.body.clone(), now());
        move || {
            let mut parts = request();
            let payload = PayloadHash::of(black_box(&body));
            signer.sign(&mut parts, payload, black_box(&credentials), black_box(time)).unwrap();
            parts
        }
    }

    /// As AWS's SDK uses it.
    fn aws_sigv4(&self) -> impl FnMut() -> Parts {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity: Identity = self.credentials().into();
        let (request, body, time) = (self.request(), self.body.clone(), now());
        let (service, region) = (self.service, self.region);
        move || {
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
            let signable =
                SignableRequest::new(request.method().as_str(), uri, headers, SignableBody::Bytes(black_box(&body)));
            let (instructions, _) = sign(signable.unwrap(), &params.into()).unwrap().into_parts();
            instructions.apply_to_request_http1x(&mut request);
            request.into_parts().0
        }
    }

    /// It takes the body's hash from a header, as its users give it.
    fn reqsign(&self) -> impl FnMut() -> Parts {
        let signer = reqsign_aws_v4::RequestSigner::new(self.service, self.region);
        let credential = reqsign_aws_v4::Credential {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: self.token.clone(),
            expires_in: None,
        };
        let context = reqsign_core::Context::new();
        let (request, body) = (self.request(), self.body.clone());
        move || {
            let mut parts = request();
            let payload = PayloadHash::of(black_box(&body));
            parts.headers.insert("x-amz-content-sha256", payload.as_str().parse().unwrap());
            {
                let signed = pin!(signer.sign_request(&context, &mut parts, Some(black_box(&credential)), None));
                match signed.poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(signed) => signed.unwrap(),
                    Poll::Pending => panic!("signing waits for nothing"),
                }
            }
            parts
        }
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

/// As many blocks as this, in one hash.
fn floor(blocks: usize) -> impl FnMut() -> [u8; 32] {
    let text = vec![7; blocks * 64 - 9];
    move || Sha256::digest(black_box(&text)).into()
}

fn summary(case: &Case, costs: &[Cost]) -> String {
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name).unwrap();
    // Each contender makes the request first; what that costs is no part of signing.
    let net = |name: &str| cost(name).nanoseconds - cost("request").nanoseconds;
    let allocations = |name: &str| cost(name).allocations - cost("request").allocations;
    format!(
        "{} ns={:.0} allocations={} floor_ratio={:.2} aws_sigv4_ratio={:.2} reqsign_ratio={:.2} blocks={} floor_ns={:.0} \
         aws_sigv4_ns={:.0} aws_sigv4_allocations={} reqsign_ns={:.0} reqsign_allocations={}",
        case.name,
        net("tower-sigv4"),
        allocations("tower-sigv4"),
        net("tower-sigv4") / cost("floor").nanoseconds,
        net("aws-sigv4") / net("tower-sigv4"),
        net("reqsign") / net("tower-sigv4"),
        case.blocks(),
        cost("floor").nanoseconds,
        net("aws-sigv4"),
        allocations("aws-sigv4"),
        net("reqsign"),
        allocations("reqsign"),
    )
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut lines = Vec::new();
    for case in [Case::post(), Case::get()] {
        let mut group = criterion.benchmark_group(case.name);
        group.bench_function("tower-sigv4", |b| b.iter(case.ours()));
        group.bench_function("aws-sigv4", |b| b.iter(case.aws_sigv4()));
        group.bench_function("reqsign", |b| b.iter(case.reqsign()));
        group.bench_function("floor", |b| b.iter(floor(case.blocks())));
        group.finish();
        let costs = compare(vec![
            Contender::new("tower-sigv4", case.ours()),
            Contender::new("aws-sigv4", case.aws_sigv4()),
            Contender::new("reqsign", case.reqsign()),
            Contender::new("floor", floor(case.blocks())),
            Contender::new("request", case.request()),
        ]);
        lines.push(summary(&case, &costs));
    }
    criterion.final_summary();
    for line in lines {
        println!("{line}");
    }
}
