//! What usually causes a difference, and what to do about it.

use super::Difference;

/// A cause and its remedy, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) usual: &'static str,
    pub(super) next_step: &'static str,
}

macro_rules! cause {
    ($usual:literal, $next_step:literal $(,)?) => {
        Cause { usual: $usual, next_step: $next_step }
    };
}

pub(super) const SAME_TEXT: Cause = cause!(
    "the secret access key here is not the one that belongs to this access key id",
    "check the secret for a missing character, a stray space or line end, or a key that was rotated",
);

pub(super) const ODD_FORM: Cause = cause!(
    "one of the two canonical requests has not the usual form, so that it can only be compared line by line",
    "compare this line with the request as it was sent, and look for a proxy that changes requests",
);

pub(super) const CLOCK: Cause = cause!(
    "the clock of this machine is off, or the request waited too long after it was signed",
    "set the clock, or sign closer to the sending: retries and queues belong outside of the signer",
);

pub(super) const SCOPE_REFUSED: Cause = cause!(
    "the request was signed for another region or service than the one that it was sent to",
    "sign with the region and service that the answer names, and send to their endpoint",
);

const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The cause for a line that both sides have.
pub(super) fn of(difference: &Difference, theirs: &str, ours: &str) -> Cause {
    match difference {
        Difference::Method => cause!(
            "the method was changed after signing, as a redirect or a rewriting proxy does",
            "sign the request with the method that reaches the server",
        ),
        Difference::Path => of_path(theirs, ours),
        Difference::SignedHeaders => cause!(
            "the Authorization header was changed after signing, or another signer signed as well",
            "let one layer sign, and let nothing behind it touch Authorization",
        ),
        Difference::PayloadHash => of_payload(theirs, ours),
        Difference::Algorithm => cause!(
            "the server took another kind of signature than the one that was made",
            "check whether something behind the signer signs anew, and whether the service takes this algorithm",
        ),
        Difference::Timestamp => cause!(
            "x-amz-date was changed after signing, or the signature is that of an earlier attempt",
            "sign every attempt anew: the retry belongs outside of the signer",
        ),
        Difference::Scope => of_scope(theirs, ours),
        Difference::CanonicalRequestHash => cause!(
            "method, path, query, a signed header or the body reached the server otherwise than signed",
            "compare the request as it was sent with the canonical request here",
        ),
        Difference::Line(_) | Difference::Query(_) | Difference::Header(_) => ODD_FORM,
        Difference::None => SAME_TEXT,
    }
}

fn of_path(theirs: &str, ours: &str) -> Cause {
    let again = |path: &str| path.replace('%', "%25");
    if theirs == again(ours) {
        return cause!(
            "the service encodes the path a second time before it signs, as all but the S3 family do",
            "encode the path twice: the profile of the service's name does, or set double encoding",
        );
    }
    if ours == again(theirs) {
        return cause!(
            "the service signs the path encoded once, as the S3 family does, and here it was encoded twice",
            "encode the path once: sign for the service `s3`, or set single encoding",
        );
    }
    if normal(theirs) == normal(ours) {
        return cause!(
            "one end normalised the path (empty, `.` and `..` segments) and the other did not",
            "S3 keeps paths as they are, other services normalise them: choose the service's profile or set normalising",
        );
    }
    if decoded(theirs) == decoded(ours) {
        return cause!(
            "the path was encoded in another way after signing, by the client or by a proxy",
            "sign the path as the client sends it, and turn off what rewrites it",
        );
    }
    cause!(
        "the path was rewritten after signing: a proxy that adds or strips a prefix, or a base path of the client",
        "sign the path that reaches the server",
    )
}

/// The cause for a parameter; `None` stands for a side that has no such parameter.
pub(super) fn of_query(theirs: Option<&str>, ours: Option<&str>) -> Cause {
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if decoded(theirs) == decoded(ours) || plus(theirs) == plus(ours) => cause!(
            "the parameter was encoded in another way after signing; a raw `+` is read as a space by some and as itself by others",
            "send `%2B` for a plus and `%20` for a space, and keep clients and proxies from encoding the query again",
        ),
        (Some(_), Some(_)) => cause!(
            "the parameter's value was changed after signing",
            "look for the layer or proxy that sets this parameter, and put it before the signer",
        ),
        (Some(_), None) => cause!("the parameter was added after signing", "add it before the request is signed",),
        (None, _) => cause!(
            "the parameter was taken away after signing, or a client or proxy reads the query in another way",
            "look for what strips or merges parameters between the signer and the server",
        ),
    }
}

/// The cause for a header; `None` stands for a side that has no such header.
pub(super) fn of_header(name: &str, theirs: Option<&str>, ours: Option<&str>) -> Cause {
    let same_name = |a: &str, b: &str| a.split(':').next() == b.split(':').next();
    match (name, theirs, ours) {
        ("host", Some(theirs), Some(ours)) if same_name(theirs, ours) => cause!(
            "one end has a port in the host and the other has not",
            "leave a scheme's default port out of the URL, and write any other port into it",
        ),
        ("host", ..) => cause!(
            "the Host header was changed after signing, as reverse proxies, tunnels and redirects do",
            "sign for the host that the server sees, or have the proxy pass Host on unchanged",
        ),
        ("x-amz-date", ..) => cause!(
            "x-amz-date was set again after signing, or the signature is that of an earlier attempt",
            "let one layer sign, and sign every attempt anew",
        ),
        ("x-amz-security-token" | "x-amz-s3session-token", None, _) => cause!(
            "the session token did not reach the server with the request",
            "look for what strips it; a service that wants it unsigned takes it appended after signing",
        ),
        ("x-amz-security-token" | "x-amz-s3session-token", ..) => cause!(
            "the session token belongs to other credentials than the access key, or was changed on the way",
            "take key, secret and token from one source, and remove a stale AWS_SESSION_TOKEN",
        ),
        ("x-amz-content-sha256", ..) => cause!(
            "the payload's hash was set again after signing, as happens when two layers treat the body",
            "let one layer hash the body",
        ),
        ("content-type" | "content-encoding" | "content-length" | "content-md5", ..) => cause!(
            "the client set this header after signing, or a layer behind the signer changed the body",
            "set it before the request is signed; compression belongs outside of the signer",
        ),
        (_, Some(theirs), Some(ours)) if folded(theirs) == folded(ours) => cause!(
            "the header's white space or letter case was changed after signing",
            "send the value trimmed and with single spaces, and keep proxies from rewriting it",
        ),
        (_, None, _) => cause!(
            "the header was taken away after signing, as proxies do with headers of one hop",
            "leave it out of the signed headers, or have the proxy pass it on",
        ),
        (_, _, None) => cause!(
            "the server counts a header as signed that was not signed here",
            "add the header before the request is signed, and let one layer sign",
        ),
        _ => cause!(
            "the header was changed after signing by a layer, the client or a proxy",
            "set it before the request is signed, or leave it out of the signed headers",
        ),
    }
}

fn of_payload(theirs: &str, ours: &str) -> Cause {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (theirs, ours) {
        (EMPTY_HASH, _) if is_hash(ours) => cause!(
            "the body did not reach the server: a redirect or a proxy dropped it, or the method may carry none",
            "check that the request that arrives still has its body",
        ),
        (_, EMPTY_HASH) if is_hash(theirs) => cause!(
            "the request was signed as if its body were empty, and then sent with one",
            "hand the body to the signer, or its hash",
        ),
        (_, "UNSIGNED-PAYLOAD") => cause!(
            "the service hashes the body and does not take UNSIGNED-PAYLOAD, or x-amz-content-sha256 does not say it",
            "sign the body",
        ),
        (_, ours) if ours.starts_with("STREAMING-") => cause!(
            "the service does not take bodies in signed chunks",
            "sign the whole body, or send it as UNSIGNED-PAYLOAD where the service allows that",
        ),
        ("UNSIGNED-PAYLOAD", _) => cause!(
            "x-amz-content-sha256 reached the server as UNSIGNED-PAYLOAD, though the body was signed",
            "look for what sets this header after the signer",
        ),
        _ => cause!(
            "the body was changed after it was hashed: compression, another character set, line ends, or a retry's leftover",
            "do to the body whatever is done to it before the request is signed",
        ),
    }
}

fn of_scope(theirs: &str, ours: &str) -> Cause {
    let parts = |scope: &str| scope.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (parts(theirs), parts(ours));
    let differs = |at: usize| theirs.get(at) != ours.get(at);
    if theirs.len() != ours.len() {
        return cause!(
            "one end signed for one region and the other for a set of regions",
            "use Signature Version 4A where the service asks for it, and there alone",
        );
    }
    if differs(0) {
        return cause!(
            "the scope's date is not the date of the request: the clock is off, or the signature is of another day",
            "set the clock, and sign every attempt anew",
        );
    }
    if ours.len() == 4 && differs(1) {
        return cause!(
            "the request was signed for another region than the server's",
            "sign for the region of the endpoint; an endpoint without a region is us-east-1",
        );
    }
    cause!(
        "the request was signed under another service name than the server's",
        "use the service's signing name, which is not always the one in its host",
    )
}

/// The path with empty and dot segments resolved.
fn normal(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    segments
}

/// The bytes behind percent-encoding, however often it was applied.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    // Twice is what signers do; a third time costs nothing and no text gets longer.
    for _ in 0..3 {
        bytes = decode_once(&bytes);
    }
    bytes
}

fn decode_once(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// The parameter with every reading of a plus made equal.
fn plus(parameter: &str) -> Vec<u8> {
    decoded(parameter).into_iter().map(|byte| if byte == b'+' { b' ' } else { byte }).collect()
}

fn folded(value: &str) -> Vec<String> {
    value.split_whitespace().map(str::to_ascii_lowercase).collect()
}
