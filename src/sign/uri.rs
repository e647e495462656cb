//! The URI as it goes out, and as it is signed.
//!
//! Readers of a URI differ: in dots and empty segments, in what a `+` means, in how a default port is shown. So the URI
//! is first brought into the one spelling that all of them read the same, and it is that spelling which is sent and
//! signed.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    PathEncoding, Profile, SignError,
    canonical::Sink,
    encode::{decode_encode, encode, holds, is_unreserved_or_slash},
    headers::folded,
    query::Query,
};

/// The path as it goes out: normalised where the profile says so, and with no `+` where S3 would read a space.
pub(super) fn wire_path(path: &str, profile: Profile) -> Cow<'_, str> {
    let path = if profile.normalize_path { normalize(path) } else { Cow::Borrowed(path) };
    match profile.path_encoding {
        PathEncoding::Single if holds(path.as_bytes(), |byte| byte == b'+') => path.replace('+', "%2B").into(),
        _ => path,
    }
}

/// Takes empty and `.` segments out and resolves `..`, as RFC 3986 does but that a last `.` or `..` leaves no slash.
fn normalize(path: &str) -> Cow<'_, str> {
    let Some(segments) = path.strip_prefix('/') else { return path.into() };
    let inner = segments.strip_suffix('/').unwrap_or(segments);
    if segments.is_empty() || !inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return path.into();
    }
    let mut kept = String::with_capacity(path.len());
    for segment in segments.split('/') {
        match segment {
            "" | "." => {}
            ".." => kept.truncate(kept.rfind('/').unwrap_or(0)),
            segment => {
                kept.push('/');
                kept.push_str(segment);
            }
        }
    }
    if kept.is_empty() || path.ends_with('/') {
        kept.push('/');
    }
    kept.into()
}

/// Writes the canonical path of a path as it goes out.
pub(super) fn write_path(sink: &mut impl Sink, path: &str, encoding: PathEncoding) {
    let path = if path.is_empty() { "/" } else { path };
    match encoding {
        PathEncoding::Double => encode(sink, path.as_bytes(), is_unreserved_or_slash),
        PathEncoding::Single => decode_encode(sink, path.as_bytes(), b'+', is_unreserved_or_slash),
    }
}

/// The host as it is signed, and whether the URI must be written anew to show the same one.
pub(super) struct Host<'a> {
    pub(super) value: Cow<'a, [u8]>,
    authority_differs: bool,
}

impl<'a> Host<'a> {
    /// The one `Host` header; else the URI's host with its port where that is not the scheme's own; else the one that was
    /// configured.
    pub(super) fn of(headers: &'a HeaderMap, uri: &'a Uri, configured: Option<&'a str>) -> Result<Self, SignError> {
        let mut hosts = headers.get_all(HOST).iter();
        if let Some(host) = hosts.next() {
            return match hosts.count() {
                0 => Ok(Self { value: folded(host.as_bytes()), authority_differs: false }),
                more => Err(SignError::SeveralHosts(more + 1)),
            };
        }
        let shown = uri.authority().map(|authority| (authority, shown_host(authority, uri.scheme())));
        if let Some((authority, value)) = shown.filter(|(_, value)| !value.is_empty()) {
            // What is shown is the authority or a part of it.
            let authority_differs = value.len() != authority.as_str().len();
            let value = match value {
                Cow::Borrowed(host) => host.as_bytes().into(),
                Cow::Owned(host) => host.into_bytes().into(),
            };
            return Ok(Self { value, authority_differs });
        }
        match configured {
            Some(host) => Ok(Self { value: folded(host.as_bytes()), authority_differs: false }),
            None => Err(SignError::NoHost),
        }
    }
}

/// Host and port as a client shows them: no user, no empty port, no port that the scheme implies.
pub(crate) fn shown_host<'a>(authority: &'a Authority, scheme: Option<&Scheme>) -> Cow<'a, str> {
    let bytes = authority.as_str().as_bytes();
    // Most authorities are a name alone.
    if !holds(bytes, |byte| matches!(byte, b':' | b'@')) {
        return authority.as_str().into();
    }
    let host = authority.host();
    let implied = match scheme.map(Scheme::as_str) {
        Some("https" | "wss") => Some(443),
        Some("http" | "ws") => Some(80),
        _ => None,
    };
    match authority.port_u16() {
        Some(port) if Some(port) != implied => {
            let whole = without_user(authority);
            // Written by the number, since clients read it as one: `:08080` and `:+8080` are sent as `:8080`.
            match whole.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')) {
                Some(digits) if !digits.starts_with(['0', '+']) => whole.into(),
                _ => format!("{host}:{port}").into(),
            }
        }
        _ => host.into(),
    }
}

/// Host and port, which are what a client sends.
pub(crate) fn without_user(authority: &Authority) -> &str {
    authority.as_str().rsplit('@').next().unwrap_or_default()
}

/// The URI to send, where it differs from the one that came.
pub(super) fn rewritten(uri: &Uri, path: &str, query: &Query<'_>, host: &Host<'_>) -> Result<Option<Uri>, SignError> {
    if path == uri.path() && !query.is_changed() && !host.authority_differs {
        return Ok(None);
    }
    let mut text = Vec::with_capacity(path.len() + 1 + query.text().len());
    text.put(path.as_bytes());
    if !query.text().is_empty() || uri.query() == Some("") {
        text.put(b"?");
        text.put(query.text());
    }
    with_path_and_query(uri, text, host).map(Some)
}

/// The URI with another path and query, and the host that is signed.
pub(super) fn with_path_and_query(uri: &Uri, text: Vec<u8>, host: &Host<'_>) -> Result<Uri, SignError> {
    let invalid = |error: http::uri::InvalidUri| SignError::Uri(error.into());
    let mut parts = http::uri::Parts::default();
    parts.scheme = uri.scheme().cloned();
    parts.authority = uri.authority().cloned();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(text)).map_err(invalid)?);
    if host.authority_differs {
        parts.authority = Some(Authority::try_from(&*host.value).map_err(invalid)?);
    }
    Uri::from_parts(parts).map_err(|error| SignError::Uri(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, header: &[&str], configured: Option<&str>) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for value in header {
            headers.append(HOST, value.parse().unwrap());
        }
        let uri: Uri = uri.parse().unwrap();
        Host::of(&headers, &uri, configured)
            .map(|host| String::from_utf8(host.value.to_vec()).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn paths_are_normalised() {
        for (path, expected) in [
            ("", ""),
            ("*", "*"),
            ("/", "/"),
            ("//", "/"),
            ("/a/b/", "/a/b/"),
            ("/./", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/b/..", "/a"),
            ("/a/.", "/a"),
            ("/a/../", "/"),
            ("/a/%2E/b", "/a/%2E/b"),
            ("/a/...", "/a/..."),
        ] {
            assert_eq!(normalize(path), expected, "{path}");
            assert_eq!(normalize(&normalize(path)), expected, "twice: {path}");
        }
    }

    #[test]
    fn a_plus_in_a_path_is_written_out_for_s3_alone() {
        assert_eq!(wire_path("/a+b//c", Profile::for_service("s3")), "/a%2Bb//c");
        assert_eq!(wire_path("/a+b//c", Profile::for_service("ec2")), "/a+b/c");
    }

    #[test]
    fn the_host_is_what_a_client_shows() {
        for (uri, expected) in [
            ("https://h/", "h"),
            ("https://H:443/", "H"),
            ("https://h:0443/", "h"),
            ("https://h:80/", "h:80"),
            ("http://h:80/", "h"),
            ("http://h:08080/", "h:8080"),
            ("http://h:+8080/", "h:8080"),
            ("http://h:99999/", "h"),
            ("http://h:8080/", "h:8080"),
            ("http://h:/", "h"),
            ("http://u:p@h/", "h"),
            ("http://u:p@h:81/", "h:81"),
            ("http://h:p@h:81/", "h:81"),
            ("http://h:1@h:81/", "h:81"),
            ("wss://h:443/", "h"),
            ("ws://h:80/", "h"),
            ("wss://h:80/", "h:80"),
            ("http://[::1]:80/", "[::1]"),
            ("http://[::1]:81/", "[::1]:81"),
        ] {
            assert_eq!(host(uri, &[], Some("other")).unwrap(), expected, "{uri}");
            let parsed: Uri = uri.parse().unwrap();
            let headers = HeaderMap::new();
            let signed = Host::of(&headers, &parsed, None).unwrap();
            let sent = rewritten(&parsed, parsed.path(), &Query::of(&parsed), &signed).unwrap();
            let sent = sent.unwrap_or_else(|| parsed.clone());
            assert_eq!(sent.authority().unwrap().as_str(), expected, "{uri}");
        }
    }

    #[test]
    fn a_header_wins_and_a_configured_host_comes_last() {
        assert_eq!(host("http://h/", &["other:80"], Some("c")).unwrap(), "other:80");
        assert_eq!(host("/", &[], Some("c")).unwrap(), "c");
        for uri in ["/", "http://:80/"] {
            assert!(host(uri, &[], None).unwrap_err().contains("no host"), "{uri}");
        }
        assert!(host("http://h/", &["a", "a"], None).unwrap_err().contains("2 Host headers"));
    }

    #[test]
    fn a_signature_taken_out_leaves_no_question_mark() {
        let uri: Uri = "http://h/a?X-Amz-Signature=0".parse().unwrap();
        let headers = HeaderMap::new();
        let host = Host::of(&headers, &uri, None).unwrap();
        let sent = rewritten(&uri, uri.path(), &Query::of(&uri), &host).unwrap().unwrap();
        assert_eq!(sent, "http://h/a");
    }
}
