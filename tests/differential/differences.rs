//! Where the two signers differ, each with its reason, and with the change after which they agree.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::case::{Case, Pair, Payload};

pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// Why it is not as `aws-sigv4` does it.
    pub(crate) reason: &'static str,
    /// Changes what one of the two is given, or both, so that this is no difference any more.
    pub(crate) reconcile: fn(&mut Pair),
    /// Whether it occurs where headers are signed.
    pub(crate) in_headers: bool,
    /// Whether it occurs where queries are presigned.
    pub(crate) in_queries: bool,
}

impl Difference {
    pub(crate) fn applies(&self, pair: &Pair) -> bool {
        let mut reconciled = pair.clone();
        (self.reconcile)(&mut reconciled);
        reconciled != *pair
    }
}

pub(crate) const DIFFERENCES: [Difference; 13] = [
    Difference {
        name: "a user in the URI",
        reason: "clients send the host and the port without it",
        reconcile: |pair| {
            if let Some((_, host)) = pair.theirs.authority.rsplit_once('@') {
                pair.theirs.authority = host.to_owned();
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "the spelling of a port",
        reason: "clients send it as a number: `:` and `:0443` as no port at all, `:08443` as `:8443`",
        reconcile: |pair| {
            let theirs = &mut pair.theirs;
            if let Some((host, port)) = theirs.authority.rsplit_once(':').filter(|(host, _)| !unclosed(host)) {
                let number = port.trim_start_matches('0');
                let implied = if theirs.scheme == "https" { "443" } else { "80" };
                let shown = if number.is_empty() || number == implied { String::new() } else { format!(":{number}") };
                theirs.authority = format!("{host}{shown}");
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "a dot segment at the end of a path",
        reason: "readers disagree about the slash that it leaves, and the path goes out as it is signed",
        reconcile: |pair| {
            let path = &mut pair.theirs.path;
            if !pair.ours.is_single_encoded() && (path.ends_with("/.") || path.ends_with("/..")) {
                *path = without_dots(path);
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "the spelling of a path of S3",
        reason: "S3 decodes the path and encodes it again, and its spelling is what counts",
        reconcile: |pair| {
            if pair.ours.is_single_encoded() {
                pair.theirs.path = spelled(&pair.theirs.path, PATH);
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "bytes in a query that are no UTF-8",
        reason: "they are part of the request; `aws-sigv4` signs a replacement character in their place",
        reconcile: |pair| pair.ours.query = pair.ours.query.take().map(|query| replaced(&query)),
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "tabs in a header",
        reason: "a run of white space is signed as one space, and a tab is white space",
        reconcile: |pair| {
            for (_, value) in &mut pair.theirs.headers {
                value.iter_mut().filter(|byte| **byte == b'\t').for_each(|byte| *byte = b' ');
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "headers that are no text",
        reason: "a header is bytes; `aws-sigv4` takes UTF-8 alone",
        reconcile: |pair| {
            for (_, value) in pair.ours.headers.iter_mut().chain(&mut pair.theirs.headers) {
                if std::str::from_utf8(value).is_err() {
                    *value = format!("{value:?}").into_bytes();
                }
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "headers that proxies change",
        reason: "a signature that covers them breaks on the way",
        reconcile: |pair| {
            let case = pair.ours.clone();
            let signs = |name| if case.all_headers { !belongs_to_a_hop(name) } else { is_stable(name, &case) };
            pair.theirs.headers.retain(|(name, _)| signs(name));
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "an old signature in the headers",
        reason: "what is signed again carries nothing of it, above all no stale token",
        reconcile: |pair| pair.theirs.remove(&["x-amz-date", "x-amz-security-token", "x-amz-s3session-token"]),
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "an old signature in the query",
        reason: "what is signed again carries nothing of it; a URL that is presigned already is refused",
        reconcile: |pair| {
            let is_old = |parameter: &str| {
                let name = parameter.split('=').next().unwrap_or_default();
                ["x-amz-signature", "x-amz-date", "x-amz-security-token"].contains(&name.to_ascii_lowercase().as_str())
            };
            if let Some(query) = &mut pair.theirs.query {
                *query = query.split('&').filter(|parameter| !is_old(parameter)).collect::<Vec<_>>().join("&");
            }
        },
        in_headers: true,
        in_queries: false,
    },
    Difference {
        name: "a token of no characters",
        reason: "it is no token, and an empty header would be refused",
        reconcile: |pair| pair.theirs.token = pair.theirs.token.take().filter(|token| !token.is_empty()),
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "what is signed of the body, said in a header",
        reason: "a server cannot know that a body is unsigned, and a hash that came with the request must not be another",
        reconcile: |pair| {
            if !pair.ours.is_presigned() {
                pair.they_say_the_hash |= pair.ours.payload == Payload::Unsigned || pair.ours.has(HASH);
            } else if pair.ours.has(HASH) || says_hash_beside_a_url(&pair.ours) {
                pair.theirs.remove(&[HASH]);
                pair.theirs.headers.push((HASH, pair.ours.payload_hash().as_str().into()));
            }
        },
        in_headers: true,
        in_queries: true,
    },
    Difference {
        name: "x-amz-user-agent and x-amz-checksum-mode beside a URL",
        reason: "the SDK adds them on its own and leaves them unsigned; here only the caller can have put them there",
        reconcile: |pair| {
            if pair.ours.is_presigned() {
                pair.ours.remove(&["x-amz-user-agent", "x-amz-checksum-mode"]);
            }
        },
        in_headers: false,
        in_queries: true,
    },
];

const HASH: &str = "x-amz-content-sha256";

/// What stays as it is in a path, and in a parameter.
const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &PARAMETER.remove(b'/');

/// Whether this is the front half of an IPv6 address.
fn unclosed(host: &str) -> bool {
    host.contains('[') && !host.contains(']')
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn spelled(text: &str, keep: &'static AsciiSet) -> String {
    percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), keep).to_string()
}

/// The query as a reader sees it who takes it for UTF-8.
fn replaced(query: &str) -> String {
    let part = |text: &str| {
        let decoded = percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
        match String::from_utf8_lossy(&decoded) {
            Cow::Borrowed(_) => text.to_owned(),
            Cow::Owned(replaced) => percent_encode(replaced.as_bytes(), PARAMETER).to_string(),
        }
    };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) => format!("{}={}", part(name), part(value)),
        None => part(parameter),
    };
    query.split('&').map(parameter).collect::<Vec<_>>().join("&")
}

fn belongs_to_a_hop(name: &str) -> bool {
    let names = [
        "user-agent",
        "connection",
        "transfer-encoding",
        "accept-encoding",
        "content-length",
        "cache-control",
        "x-amzn-trace-id",
    ];
    names.contains(&name) || name.starts_with("x-forwarded-") || name.starts_with("sec-")
}

fn is_stable(name: &str, case: &Case) -> bool {
    let is_chunked = |(name, value): &(&str, Vec<u8>)| *name == "content-encoding" && value.starts_with(b"aws-chunked");
    name.starts_with("x-amz-")
        || ["host", "content-type", "content-md5", "range"].contains(&name)
        || name == "content-encoding" && case.headers.iter().any(is_chunked)
}

fn says_hash_beside_a_url(case: &Case) -> bool {
    case.profile().content_sha256 && case.payload != Payload::Unsigned
}
