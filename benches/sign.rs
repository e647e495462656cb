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
use http::Request;
use reqsign_core::SignRequest;
use rusty_s3::S3Action;
use sha2::{Digest, Sha256};
use support::{
    Contender, compare,
    requests::{ACCESS_KEY_ID, Case, OBJECT, SECRET, now},
};
use tower_sigv4::sign::PayloadHash;

/// What [`now`] says, as a text.
const NOW: &str = "2026-05-28T20:26:40Z";

type Call = Box<dyn FnMut()>;

fn call<T>(mut call: impl FnMut() -> T + 'static) -> Call {
    Box::new(move || drop(black_box(call())))
}

/// How many blocks of SHA-256 the signature needs: the body, the canonical request, and two keyed hashes of which the
/// pads are known.
fn blocks(case: &Case) -> usize {
    let blocks = |length: usize| (length + 9).div_ceil(64);
    let (signer, parts, credentials) = (case.signer(), case.parts(), case.credentials());
    let explained = match case.expires_in {
        Some(expires_in) => signer.explain_presigned(&parts, PayloadHash::UNSIGNED, &credentials, now(), expires_in),
        None => signer.explain(&parts, case.payload(), &credentials, now()),
    };
    let explained = explained.unwrap();
    let body = if case.body.is_empty() { 0 } else { blocks(case.body.len()) };
    body + blocks(explained.canonical_request.len()) + blocks(explained.string_to_sign.len()) + blocks(32)
}

fn ours(case: &Case) -> Call {
    let (signer, credentials, time) = (case.signer(), case.credentials(), now());
    let case = case.clone();
    match case.expires_in {
        Some(expires_in) => call(move || {
            let mut parts = case.parts();
            let (credentials, time) = (black_box(&credentials), black_box(time));
            signer.presign(&mut parts, PayloadHash::UNSIGNED, credentials, time, expires_in).unwrap();
            parts
        }),
        None => call(move || {
            let mut parts = case.parts();
            let payload = PayloadHash::of(black_box(&case.body));
            signer.sign(&mut parts, payload, black_box(&credentials), black_box(time)).unwrap();
            parts
        }),
    }
}

/// As AWS's SDK uses it.
fn aws_sigv4(case: &Case) -> Call {
    let mut settings = SigningSettings::default();
    if case.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if case.expires_in.is_some() {
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = case.expires_in;
    }
    let is_presigned = case.expires_in.is_some();
    let identity: Identity = case.credentials().into();
    let (case, time) = (case.clone(), now());
    call(move || {
        let mut request = Request::from_parts(case.parts(), ());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(case.region)
            .name(case.service)
            .time(black_box(time))
            .settings(settings.clone())
            .build()
            .unwrap();
        let uri = request.uri().to_string();
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body =
            if is_presigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(black_box(&case.body)) };
        let signable = SignableRequest::new(request.method().as_str(), uri, headers, body);
        let (instructions, _) = sign(signable.unwrap(), &params.into()).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.into_parts().0
    })
}

/// It takes the body's hash from a header, as its users give it.
fn reqsign(case: &Case) -> Call {
    let signer = reqsign_aws_v4::RequestSigner::new(case.service, case.region);
    let credential = reqsign_aws_v4::Credential {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: case.token.clone(),
        expires_in: None,
    };
    let context = reqsign_core::Context::new();
    let case = case.clone();
    call(move || {
        let mut parts = case.parts();
        let payload = PayloadHash::of(black_box(&case.body));
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
fn rusty_s3(case: &Case) -> Call {
    let (bucket, credentials) = (bucket(case), rusty_s3::Credentials::new(ACCESS_KEY_ID, SECRET));
    let (expires_in, time) = (case.expires_in.unwrap_or_default(), NOW.parse().unwrap());
    call(move || bucket.get_object(Some(black_box(&credentials)), OBJECT).sign_with_time(expires_in, black_box(&time)))
}

fn url(case: &Case) -> Call {
    let bucket = bucket(case);
    call(move || bucket.object_url(OBJECT))
}

fn bucket(case: &Case) -> rusty_s3::Bucket {
    let endpoint = "https://s3.eu-central-1.amazonaws.com".parse().unwrap();
    rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::VirtualHost, "bucket", case.region).unwrap()
}

/// Who signs, and what it starts with, whose cost is taken off.
fn contenders(case: &Case) -> Vec<(&'static str, &'static str, Call)> {
    let mut contenders = vec![("tower-sigv4", "request", ours(case)), ("aws-sigv4", "request", aws_sigv4(case))];
    contenders.push(match case.expires_in {
        Some(_) => ("rusty-s3", "url", rusty_s3(case)),
        None => ("reqsign", "request", reqsign(case)),
    });
    contenders
}

/// As many blocks as this, in one hash.
fn floor(blocks: usize) -> Call {
    let text = vec![7; blocks * 64 - 9];
    call(move || Sha256::digest(black_box(&text)))
}

/// One line of figures: how many times as fast as each of the others, and how many times as long as the floor.
fn summary(case: &Case) -> String {
    let contenders = contenders(case);
    let bases: Vec<_> = contenders.iter().map(|(name, base, _)| (*name, *base)).collect();
    let mut all: Vec<_> = contenders.into_iter().map(|(name, _, call)| Contender::new(name, call)).collect();
    all.push(Contender::new("floor", floor(blocks(case))));
    all.push(Contender::new("request", || case.parts()));
    all.push(Contender::new("url", url(case)));
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
    write!(line, " blocks={} floor_ns={floor:.0}", blocks(case)).unwrap();
    for other in &bases[1..] {
        let (name, ns) = (named(other.0), net(*other));
        write!(line, " {name}_ns={ns:.0} {name}_allocations={}", allocations(*other)).unwrap();
    }
    line
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut lines = Vec::new();
    for case in [Case::post(), Case::invoke(), Case::get(), Case::presign(), Case::many()] {
        let mut group = criterion.benchmark_group(case.name);
        for (name, _, mut call) in contenders(&case) {
            group.bench_function(name, |b| b.iter(&mut call));
        }
        group.bench_function("floor", |b| b.iter(floor(blocks(&case))));
        group.finish();
        lines.push(summary(&case));
    }
    criterion.final_summary();
    for line in lines {
        println!("{line}");
    }
}
