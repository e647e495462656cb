//! Requests with all that is easily signed wrong in them: mostly well-behaved, so that each oddity also stands alone.

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    strategy::Union,
    string::string_regex,
};
use tower_sigv4::sign::PayloadHash;

use crate::case::{Case, Payload};

const SERVICES: [&str; 9] =
    ["s3", "s3", "s3", "s3express", "execute-api", "dynamodb", "iam", "iotdevicegateway", "glacier"];
const METHODS: [&str; 8] = ["GET", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PURGE"];
const HOSTS: [&str; 4] = ["example.com", "Bucket.S3.Example.COM", "127.0.0.1", "[2001:db8::1]"];
/// What a default port is depends on the scheme, and so there are both.
const PORTS: [&str; 6] = [":443", ":80", ":", ":0443", ":080", ":08443"];

/// Headers that everybody signs.
const ORDINARY: [&str; 8] = [
    "content-type",
    "content-md5",
    "range",
    "x-amz-meta-a",
    "x-amz-meta-b",
    "x-amz-target",
    "x-amz-acl",
    "x-amz-copy-source",
];
/// Headers that only some sign.
const OTHERS: [&str; 10] = [
    "accept",
    "x-custom",
    "user-agent",
    "connection",
    "transfer-encoding",
    "content-length",
    "cache-control",
    "x-forwarded-for",
    "sec-fetch-mode",
    "x-amzn-trace-id",
];
/// Headers that have to do with signing.
const SIGNING: [&str; 7] = [
    "authorization",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-s3session-token",
    "x-amz-content-sha256",
    "x-amz-user-agent",
    "x-amz-checksum-mode",
];

fn one_of<const N: usize>(texts: [&'static str; N]) -> impl Strategy<Value = &'static str> + Clone {
    Union::new(texts.map(Just))
}

fn matching(pattern: &str) -> impl Strategy<Value = String> + Clone + use<> {
    let strategy = string_regex(pattern).unwrap();
    std::sync::Arc::new(strategy)
}

/// A text that is put together from well-behaved pieces and, by `oddity` in a hundred, from odd ones.
fn text(plain: &str, odd: [&'static str; 14], oddity: u32) -> impl Strategy<Value = String> + use<> {
    let piece = prop_oneof![100 - oddity => matching(plain), oddity => one_of(odd).prop_map(str::to_owned)];
    vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

fn path() -> impl Strategy<Value = String> {
    const ODD: [&str; 14] = [
        "%20",
        "%2F",
        "%2f",
        "%7E",
        "%7e",
        "%25",
        "%zz",
        "%",
        "ü東",
        "%C3%BC",
        "%FF",
        "+",
        "!$&'()*,;=:@",
        "\"{}|^[]\\",
    ];
    let segment = prop_oneof![
        20 => text("[a-zA-Z0-9._~-]{1,6}", ODD, 8),
        1 => one_of([".", "..", "", "..."]).prop_map(str::to_owned),
    ];
    let last = prop_oneof![8 => Just(""), 2 => Just("/"), 1 => Just("/."), 1 => Just("/..")];
    (vec(segment, 0..4), last).prop_map(|(segments, last)| {
        let path = if segments.is_empty() { String::new() } else { format!("/{}", segments.join("/")) } + last;
        if path.is_empty() { "/".to_owned() } else { path }
    })
}

fn query() -> impl Strategy<Value = String> {
    const ODD: [&str; 14] =
        ["%20", "+", "%2B", "%2f", "/", "%7e", "%25", "%zz", "%", "ü東", "%C3%BC", "%FF", "!$'()*,;:@?", "{}|^[]\\`~"];
    let piece = || text("[a-zA-Z0-9._~-]{1,4}", ODD, 12);
    let parameter = prop_oneof![
        20 => (piece(), piece()).prop_map(|(name, value)| format!("{name}={value}")),
        3 => piece(),
        1 => (piece(), piece()).prop_map(|(name, value)| format!("{name}={value}={value}")),
        1 => one_of(["", "=", "a", "a=1", "a=", "a-b=1", "A=1", "X-Amz-Target=a"]).prop_map(str::to_owned),
    ];
    vec(parameter, 0..5).prop_map(|parameters| parameters.join("&").replace('`', ""))
}

fn value(odd: bool) -> impl Strategy<Value = Vec<u8>> {
    let ordinary = matching("[!-~]{0,8}(  ?[!-~]{1,6}){0,2} ?").prop_map(String::into_bytes);
    let tabbed = matching("[a-z]{1,3}[ \t]{1,3}[a-z]{1,3}\t?").prop_map(String::into_bytes);
    let text = one_of(["ü", "\u{a0}nbsp", "東京"]).prop_map(|text| text.as_bytes().to_vec());
    let bytes = Union::new([&b"caf\xe9"[..], b"\xff\xfe", b"a\x80  b"].map(Just)).prop_map(<[u8]>::to_vec);
    if odd { prop_oneof![60 => ordinary, 2 => tabbed, 1 => text, 1 => bytes].boxed() } else { ordinary.boxed() }
}

type Header = (&'static str, Vec<u8>);

fn headers() -> impl Strategy<Value = Vec<Header>> {
    let hash = one_of(["UNSIGNED-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]);
    let few = |names: Union<Just<&'static str>>, most: usize, odd: bool| vec((names, value(odd)), 0..most);
    let encoding = one_of(["gzip", "aws-chunked", "aws-chunked,gzip"]).prop_map(|text| text.as_bytes().to_vec());
    let seldom = |often: u32, name: &'static str, value: proptest::strategy::BoxedStrategy<Vec<u8>>| prop_oneof![100 - often => Just(Vec::new()), often => value.prop_map(move |value| vec![(name, value)])];
    let signing = prop_oneof![
        10 => Just(Vec::new()),
        1 => few(Union::new(SIGNING.map(Just)), 2, false),
    ];
    (
        few(Union::new(ORDINARY.map(Just)), 5, true),
        prop_oneof![4 => Just(Vec::new()), 1 => few(Union::new(OTHERS.map(Just)), 3, false)],
        signing,
        seldom(10, "host", one_of(["example.org", "h:443", "h:9000"]).prop_map(Into::into).boxed()),
        seldom(5, "content-encoding", encoding.boxed()),
        seldom(3, "x-amz-content-sha256", hash.prop_map(Into::into).boxed()),
    )
        .prop_map(|(ordinary, others, signing, host, encoding, hash)| {
            [ordinary, others, signing, host, encoding, hash].concat()
        })
}

fn old_signature() -> impl Strategy<Value = Option<&'static str>> {
    let old = one_of(["X-Amz-Signature=0", "x-amz-date=1", "X-Amz-Security-Token=a%2Fb"]);
    prop_oneof![30 => Just(None), 1 => old.prop_map(Some)]
}

fn case(expires_in: impl Strategy<Value = Option<u64>>) -> impl Strategy<Value = Case> {
    let port = prop_oneof![8 => Just(""), 4 => Just(":8443"), 1 => one_of(PORTS)];
    let authority = (prop_oneof![15 => Just(""), 1 => Just("user:password@")], one_of(HOSTS), port)
        .prop_map(|(user, host, port)| format!("{user}{host}{port}"));
    let target = (one_of(["https", "http"]), authority, path(), option::of(query()));
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..40).prop_map(Payload::Body), 1 => Just(Payload::Unsigned)];
    let token = prop_oneof![
        10 => Just(None),
        9 => matching("[!-~]{1,60}").prop_map(Some),
        1 => Just(Some(String::new())),
    ];
    let credentials = (matching("[A-Z0-9]{4,32}"), matching("[ -~]{1,100}"), token);
    let scope = (one_of(SERVICES), matching("[a-z]{2}-[a-z]{4,9}-[1-9]"), 0..253_402_300_800_u64);
    (scope, one_of(METHODS), target, headers(), payload, any::<bool>(), credentials, expires_in).prop_map(
        |(scope, method, target, headers, payload, all_headers, credentials, expires_in)| Case {
            service: scope.0,
            region: scope.1,
            method: method.to_owned(),
            scheme: target.0,
            authority: target.1,
            path: target.2,
            query: target.3,
            headers,
            payload,
            all_headers,
            access_key_id: credentials.0,
            secret: credentials.1,
            token: credentials.2,
            seconds: scope.2,
            expires_in,
        },
    )
}

/// Requests whose headers are to be signed.
pub(crate) fn signed() -> impl Strategy<Value = Case> {
    (case(Just(None)), old_signature()).prop_map(|(mut case, old)| {
        if let Some(old) = old {
            case.query = Some(case.query.map_or_else(|| old.to_owned(), |query| format!("{query}&{old}")));
        }
        case
    })
}

/// Requests whose URL is to be presigned, mostly with what their service expects to be signed of the body.
pub(crate) fn presigned() -> impl Strategy<Value = Case> {
    let as_expected = prop_oneof![9 => Just(true), 1 => Just(false)];
    (case((1..=604_800_u64).prop_map(Some)), as_expected).prop_map(|(mut case, as_expected)| {
        if as_expected && case.profile().presigned_payload() == PayloadHash::UNSIGNED {
            case.payload = Payload::Unsigned;
        }
        case
    })
}
