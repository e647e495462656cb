//! Whatever comes in: nothing panics, and a request that is refused is as it was.
#![allow(missing_docs, missing_debug_implementations)]

use std::{
    convert::Infallible,
    error::Error as _,
    future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, request::Parts};
use proptest::{
    collection::vec,
    option,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof},
    string::string_regex,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use tower::{Layer, ServiceExt};
use tower_sigv4::{
    CredentialsCache, Error, OtherAuthorization, Payload, SigV4Layer, SignedBody, SigningOverrides,
    clock::StaticTimeSource,
    credentials::Credentials,
    sign::{
        DefaultPayload, HeaderSelection, PathEncoding, PayloadHash, Profile, SignError, Signature, Signer, TokenHeader,
        TokenPlacement,
    },
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Names that mean something to the signer, and some that do not.
const NAMES: [&str; 14] = [
    "host",
    "authorization",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-s3session-token",
    "x-amz-content-sha256",
    "x-amz-region-set",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "x-custom",
];

fn matching(pattern: &str) -> BoxedStrategy<String> {
    string_regex(pattern).unwrap().boxed()
}

/// Every form that a request's target has, and texts that are hardly one.
fn uri() -> impl Strategy<Value = Uri> {
    let text = prop_oneof![
        6 => matching("https?://([a-z.]{1,9}|\\[[0-9a-f:]{2,9}\\])(:[0-9]{0,6})?(/[!-~]{0,5}){0,3}(\\?[!-~]{0,20})?"),
        4 => matching("https?://[!-~]{1,12}(/\\PC{0,8})?(\\?\\PC{0,12})?"),
        4 => matching("/[!-~\u{80}-\u{10ffff}]{0,12}(\\?[!-~\u{80}-\u{10ffff}]{0,12})?"),
        2 => matching("[a-z]{1,9}(:[0-9]{0,6})?"),
        1 => matching("[a-z+.-]{1,9}://[!-~]{0,9}"),
        2 => matching("https?://[a-z]{1,3}\\?(&?(X-Amz-[A-Z][a-z]{3,9}|x-amz-signature|%zz|%[0-9a-fA-F]{2}|a|=){0,3}){0,4}"),
        2 => matching("https://([a-z0-9-]{1,9}\\.){0,4}(amazonaws\\.com(\\.cn)?|on\\.aws|api\\.aws)/?"),
        1 => Just("*".to_owned()),
        1 => any::<String>(),
    ];
    text.prop_filter_map("no URI", |text| text.parse().ok())
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        4 => (0..NAMES.len()).prop_map(|at| HeaderName::from_static(NAMES[at])),
        1 => matching("[a-z0-9!#$%&'*+.^_`|~-]{1,9}").prop_filter_map("no name", |name| name.parse().ok()),
    ];
    let value = prop_oneof![
        2 => vec(any::<u8>(), 0..12),
        1 => matching("[ \t]{0,2}[!-~]{0,9}[ \t]{0,2}").prop_map(String::into_bytes),
        1 => matching("AWS4-[ -~]{0,9}|aws-chunked|[0-9]{1,20}|UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]{0,30}").prop_map(String::into_bytes),
    ];
    (name, value).prop_filter_map("no header", |(name, value)| Some((name, HeaderValue::from_bytes(&value).ok()?)))
}

fn parts() -> impl Strategy<Value = Seen> {
    let method = matching("[A-Z]{1,7}|[!#$%&'*+.^_`|~0-9a-z-]{1,20}");
    let method = method.prop_filter_map("no method", |method| Method::from_bytes(method.as_bytes()).ok());
    let version =
        prop_oneof![Just(Version::HTTP_09), Just(Version::HTTP_11), Just(Version::HTTP_2), Just(Version::HTTP_3)];
    (method, uri(), version, vec(header(), 0..6)).prop_map(|(method, uri, version, pairs)| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        Seen { method, uri: uri.to_string(), version, headers }
    })
}

/// What can be seen of a request. The URI is a text, since two that differ in their case are equal.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    method: Method,
    uri: String,
    version: Version,
    headers: HeaderMap,
}

impl Seen {
    fn of(parts: &Parts) -> Self {
        let Parts { method, uri, version, headers, .. } = parts;
        Self { method: method.clone(), uri: uri.to_string(), version: *version, headers: headers.clone() }
    }

    /// `None` for a URI that is one only until it is written: `http` writes `a:` so that it cannot be read again.
    fn request(&self) -> Option<Request<()>> {
        let request = Request::builder().method(self.method.clone()).uri(&self.uri).version(self.version);
        let mut request = request.body(()).ok()?;
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }
}

fn profile() -> impl Strategy<Value = Profile> {
    let parts = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..3_u8);
    parts.prop_map(|(single, normalize, hash, after, session, payload)| {
        let mut profile = Profile::for_service("s3");
        profile.path_encoding = if single { PathEncoding::Single } else { PathEncoding::Double };
        profile.normalize_path = normalize;
        profile.content_sha256 = hash;
        profile.token = if after { TokenPlacement::AfterSigning } else { TokenPlacement::Signed };
        profile.token_header = if session { TokenHeader::S3Session } else { TokenHeader::SecurityToken };
        profile.payload =
            [DefaultPayload::Signed, DefaultPayload::SignedIfSmall, DefaultPayload::Unsigned][usize::from(payload)];
        profile
    })
}

/// Mostly one that fits, so that the rest is reached.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => matching("[a-z0-9-]{1,12}"), 1 => any::<String>()]
}

fn time() -> impl Strategy<Value = SystemTime> {
    let after = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    let before = |seconds| UNIX_EPOCH.checked_sub(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    prop_oneof![
        9 => (0..253_402_300_800_u64).prop_map(after),
        1 => any::<u64>().prop_map(after),
        1 => any::<u64>().prop_map(before),
    ]
}

fn credentials() -> impl Strategy<Value = Credentials> {
    let token = option::of(prop_oneof![4 => matching("[!-~]{0,40}"), 1 => any::<String>()]);
    let id = prop_oneof![9 => matching("[A-Z0-9]{1,20}"), 1 => any::<String>()];
    let secret = prop_oneof![1 => Just(SECRET.to_owned()), 1 => any::<String>()];
    let expiry = prop_oneof![9 => Just(None), 1 => time().prop_map(Some)];
    (id, secret, token, expiry)
        .prop_map(|(id, secret, token, expiry)| Credentials::new(id, secret, token, expiry, "test"))
}

fn signer() -> impl Strategy<Value = Signer> {
    let selection = (any::<bool>(), vec(header(), 0..2), vec(header(), 0..2)).prop_map(|(all, included, excluded)| {
        let start = if all { HeaderSelection::all() } else { HeaderSelection::stable() };
        let start = included.into_iter().fold(start, |selection, (name, _)| selection.include(name));
        excluded.into_iter().fold(start, |selection, (name, _)| selection.exclude(name))
    });
    let host = option::of(prop_oneof![matching("[a-z.]{1,12}"), any::<String>()]);
    (name(), name(), profile(), selection, host).prop_map(|(service, region, profile, selection, host)| {
        let signer = Signer::new(service, region).profile(profile).headers(selection);
        match host {
            Some(host) => signer.host(host),
            None => signer,
        }
    })
}

fn payload() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(PayloadHash::EMPTY.as_str().to_owned()),
        3 => matching("UNSIGNED-PAYLOAD|[0-9a-fA-F]{64}|STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        1 => any::<String>(),
    ]
}

fn run<T: std::fmt::Debug>(
    cases: u32,
    inputs: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_global_rejects: 1_000_000,
        max_local_rejects: 1_000_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(error) = runner.run(&inputs, test) {
        panic!("{error}");
    }
}

/// Signs, and looks at what is left of the request. The explanation has to come to the same.
fn signs(
    before: &Seen,
    sign: impl FnOnce(&mut Parts) -> Result<Signature, SignError>,
    explain: impl FnOnce(&Parts) -> Result<Signature, SignError>,
) -> Result<bool, TestCaseError> {
    let Some(request) = before.request() else { return Ok(false) };
    let (mut parts, ()) = request.into_parts();
    let untouched = Seen::of(&parts);
    let explained = explain(&parts);
    match sign(&mut parts) {
        Ok(signature) => {
            let explained = explained.expect("what is signed can be explained");
            prop_assert_eq!(signature.as_str(), explained.as_str());
            prop_assert_eq!((&parts.method, parts.version), (&untouched.method, untouched.version));
            Ok(true)
        }
        Err(error) => {
            prop_assert_eq!(Seen::of(&parts), untouched);
            let mut text = error.to_string();
            std::iter::successors(error.source(), |error| (*error).source())
                .for_each(|error| text += &error.to_string());
            prop_assert!(text.len() > 20 && !text.contains(SECRET), "{}", text);
            Ok(false)
        }
    }
}

#[test]
fn headers_are_signed_or_left_alone() {
    let signed = std::cell::Cell::new(0);
    run(3000, (parts(), signer(), payload(), credentials(), time()), |(before, signer, payload, credentials, time)| {
        let signs = signs(
            &before,
            |parts| signer.sign(parts, payload.as_str(), &credentials, time),
            |parts| {
                signer.explain(parts, payload.as_str(), &credentials, time).map(|explanation| explanation.signature)
            },
        )?;
        signed.set(signed.get() + u32::from(signs));
        Ok(())
    });
    println!("{} of 3000 requests were signed, the others refused", signed.get());
    assert!((750..2600).contains(&signed.get()), "{}", signed.get());
}

#[test]
fn queries_are_presigned_or_left_alone() {
    let life = prop_oneof![9 => (1..=604_800_u64).prop_map(Duration::from_secs), 1 => any::<Duration>()];
    let signed = std::cell::Cell::new(0);
    let inputs = (parts(), signer(), payload(), credentials(), time(), life);
    run(3000, inputs, |(before, signer, payload, credentials, time, life)| {
        let signs = signs(
            &before,
            |parts| signer.presign(parts, payload.as_str(), &credentials, time, life),
            |parts| {
                let explanation = signer.explain_presigned(parts, payload.as_str(), &credentials, time, life)?;
                Ok(explanation.signature)
            },
        )?;
        signed.set(signed.get() + u32::from(signs));
        Ok(())
    });
    println!("{} of 3000 requests were presigned, the others refused", signed.get());
    assert!((750..2600).contains(&signed.get()), "{}", signed.get());
}

/// A map of headers that takes no more.
fn full() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for number in 0.. {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        if headers.try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    headers
}

#[test]
fn a_full_map_of_headers_is_left_alone() {
    let (signer, hash) = (Signer::new("s3", "us-east-1"), PayloadHash::of("a body"));
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test");
    let before = Seen {
        method: Method::GET,
        uri: "https://h.example.com/a+b".into(),
        version: Version::HTTP_11,
        headers: full(),
    };
    let (mut parts, ()) = before.request().unwrap().into_parts();
    let error = signer.sign(&mut parts, hash, &credentials, UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, SignError::TooManyHeaders(_)), "{error:?}");
    assert!(Seen::of(&parts) == before, "signing");
    let error = signer.presign(&mut parts, hash, &credentials, UNIX_EPOCH, Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, SignError::TooManyHeaders(_)), "{error:?}");
    assert!(Seen::of(&parts) == before, "presigning");
}

fn overrides() -> impl Strategy<Value = SigningOverrides> {
    let payload = prop_oneof![
        Just(None),
        Just(Some(Payload::Signed)),
        Just(Some(Payload::Unsigned)),
        Just(Some(Payload::Precomputed(PayloadHash::EMPTY))),
        Just(Some(Payload::Chunked(tower_sigv4::Chunks::new()))),
        Just(Some(Payload::ChunkedUnsigned(tower_sigv4::Chunks::new()))),
    ];
    (option::of(name()), option::of(name()), payload).prop_map(|(service, region, payload)| {
        let mut overrides = SigningOverrides::new();
        if let Some(service) = service {
            overrides = overrides.service(service);
        }
        if let Some(region) = region {
            overrides = overrides.region(region);
        }
        if let Some(payload) = payload {
            overrides = overrides.payload(payload);
        }
        overrides
    })
}

#[test]
fn the_layer_sends_it_or_says_why_not() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let inner =
        tower::service_fn(|_: Request<SignedBody<String>>| future::ready(Ok::<_, Infallible>(Response::new(()))));
    let authorization = prop_oneof![
        Just(OtherAuthorization::Replace),
        Just(OtherAuthorization::Keep),
        Just(OtherAuthorization::Refuse),
    ];
    let inputs = (parts(), option::of(overrides()), credentials(), time(), authorization, any::<bool>(), 0..20_u64);
    run(3000, inputs, |(before, overrides, credentials, time, authorization, infers, limit)| {
        let Some(request) = before.request() else { return Ok(()) };
        let cache = CredentialsCache::builder(credentials).time_source(StaticTimeSource::new(time)).build();
        let mut layer = SigV4Layer::builder(cache).other_authorization(authorization).buffer_limit(limit);
        if !infers {
            layer = layer.service("s3").region("us-east-1");
        }
        let mut request = request.map(|()| "ten bytes.".to_owned());
        if let Some(overrides) = overrides {
            request.extensions_mut().insert(overrides);
        }
        if let Err(error) = runtime.block_on(layer.build().layer(inner).oneshot(request)) {
            let error = error.downcast::<Error>().map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            let shown = format!("{error:?}");
            prop_assert!(!shown.contains(SECRET));
        }
        Ok(())
    });
}
