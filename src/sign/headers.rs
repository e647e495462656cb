//! Which headers are signed, and how they are written.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName,
    header::{self, CONTENT_ENCODING},
};
use smallvec::SmallVec;

use super::{canonical::Sink, encode::holds};

/// Headers that change on the way or belong to one hop: never signed unless included by name.
static UNSIGNED: [HeaderName; 22] = [
    header::USER_AGENT,
    header::CONNECTION,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::VIA,
    header::FORWARDED,
    header::CACHE_CONTROL,
    header::FROM,
    header::MAX_FORWARDS,
    header::PRAGMA,
    header::REFERER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("x-amzn-trace-id"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];
const UNSIGNED_PREFIXES: [&str; 4] = ["proxy-", "x-forwarded-", "cf-", "sec-"];

/// Which headers of a request are signed.
///
/// `host` and the headers that the signature itself adds always are, `authorization` never is.
///
/// ```
/// use http::header::{ACCEPT, RANGE};
/// use tower_sigv4::sign::HeaderSelection;
///
/// let selection = HeaderSelection::stable().include(ACCEPT).exclude(RANGE);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderSelection {
    all: bool,
    included: Vec<HeaderName>,
    excluded: Vec<HeaderName>,
}

impl HeaderSelection {
    /// Those that mean something to the service and that proxies leave alone: `content-type`, `content-md5`, `range`,
    /// `content-encoding` where it says `aws-chunked`, and every `x-amz-*`. This is the default.
    pub fn stable() -> Self {
        Self::default()
    }

    /// All but those that belong to one hop or that proxies, browsers and tracers add and change.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Signs this header too.
    #[must_use]
    pub fn include(mut self, name: HeaderName) -> Self {
        self.excluded.retain(|excluded| *excluded != name);
        self.included.push(name);
        self
    }

    /// Does not sign this header.
    #[must_use]
    pub fn exclude(mut self, name: HeaderName) -> Self {
        self.included.retain(|included| *included != name);
        self.excluded.push(name);
        self
    }

    fn takes(&self, name: &HeaderName, is_chunked: impl FnOnce() -> bool) -> bool {
        if !self.excluded.is_empty() && self.excluded.contains(name) {
            return false;
        }
        if !self.included.is_empty() && self.included.contains(name) {
            return true;
        }
        if self.all {
            !UNSIGNED.contains(name) && !UNSIGNED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
        } else {
            name.as_str().starts_with("x-amz-")
                || matches!(*name, header::CONTENT_TYPE | header::RANGE)
                || *name == "content-md5"
                || *name == CONTENT_ENCODING && is_chunked()
        }
    }
}

/// Whether the content encoding says `aws-chunked`.
pub(crate) fn says_chunked(headers: &HeaderMap) -> bool {
    let mut codings =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
}

/// The headers to sign, sorted by name; those of one name stay in their order.
#[derive(Default)]
pub(super) struct SignedHeaders<'a>(SmallVec<[Header<'a>; 16]>);

pub(super) struct Header<'a> {
    name: &'a str,
    pub(super) value: &'a [u8],
    /// Whether the value is as it is signed. What the signature itself brings is made so, and need not be looked at.
    is_folded: bool,
}

impl<'a> SignedHeaders<'a> {
    /// The selected headers of the request, with the signature's own in the place of those that it had under their names.
    ///
    /// They are taken into a place that is there already, since it is too large to be moved.
    pub(super) fn take(
        &mut self,
        headers: &'a HeaderMap,
        selection: &HeaderSelection,
        own: &[(&'static str, Option<&'a [u8]>)],
    ) {
        let mut chunked = None;
        let mut is_chunked = || *chunked.get_or_insert_with(|| says_chunked(headers));
        for (name, value) in headers {
            let text = name.as_str();
            let is_own = || *name == header::AUTHORIZATION || own.iter().any(|(own, _)| text == *own);
            if selection.takes(name, &mut is_chunked) && !is_own() {
                self.0.push(Header { name: text, value: value.as_bytes(), is_folded: false });
            }
        }
        for (name, value) in own {
            if let Some(value) = *value {
                self.0.push(Header { name, value, is_folded: true });
            }
        }
        self.0.sort_by_key(|header| header.name);
    }

    pub(super) fn all(&self) -> &[Header<'a>] {
        &self.0
    }

    /// The headers before the last one of this name, that one, and those behind it.
    pub(super) fn around(&self, name: &str) -> Option<(&[Header<'a>], &Header<'a>, &[Header<'a>])> {
        let at = self.0.iter().rposition(|header| header.name == name)?;
        Some((&self.0[..at], &self.0[at], &self.0[at + 1..]))
    }

    /// `name;name;name`
    pub(super) fn names(&self) -> SmallVec<[u8; 128]> {
        let mut names = SmallVec::new();
        self.write_names(&mut names, b";");
        names
    }

    /// The names, with this between them.
    pub(super) fn write_names(&self, sink: &mut impl Sink, separator: &[u8]) {
        for (index, name) in self.each_name().enumerate() {
            if index > 0 {
                sink.put(separator);
            }
            sink.put(name.as_bytes());
        }
    }

    /// The length of what `write_names` writes with a separator of one byte.
    pub(super) fn names_length(&self) -> usize {
        self.each_name().map(|name| name.len() + 1).sum::<usize>().saturating_sub(1)
    }

    fn each_name(&self) -> impl Iterator<Item = &'a str> {
        self.0.chunk_by(|a, b| a.name == b.name).map(|same| same[0].name)
    }
}

/// `name:value` lines.
pub(super) fn write_headers(sink: &mut impl Sink, headers: &[Header<'_>]) {
    for same in headers.chunk_by(|a, b| a.name == b.name) {
        let mut separator: &[u8] = b":";
        sink.put(same[0].name.as_bytes());
        for header in same {
            sink.put(separator);
            if header.is_folded {
                sink.put(header.value);
            } else {
                sink.put(&folded(header.value));
            }
            separator = b",";
        }
        sink.put(b"\n");
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether a value has white space other than single spaces between words.
fn has_space_to_fold(value: &[u8]) -> bool {
    value.contains(&b'\t')
        || value.starts_with(b" ")
        || value.ends_with(b" ")
        || value.windows(2).any(|pair| pair == b"  ")
}

/// A value without white space around it, and with one space for each run of it inside.
pub(super) fn folded(value: &[u8]) -> Cow<'_, [u8]> {
    // Most values have no space at all.
    if !holds(value, is_space) || !has_space_to_fold(value) {
        return value.into();
    }
    let words: Vec<_> = value.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).collect();
    words.join(&b' ').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), http::HeaderValue::from_bytes(value).unwrap())
            })
            .collect()
    }

    fn names(headers: &HeaderMap, selection: &HeaderSelection) -> String {
        let mut names = Vec::new();
        let mut signed = SignedHeaders::default();
        signed.take(headers, selection, &[]);
        signed.write_names(&mut names, b";");
        assert_eq!(names.len(), signed.names_length());
        String::from_utf8(names).unwrap()
    }

    #[test]
    fn values_are_trimmed_folded_and_joined_in_order() {
        let headers = map(&[
            ("x-b", b"  two  \t words "),
            ("x-a", b"2"),
            ("x-a", b""),
            ("x-a", b"1"),
            ("x-c", b"\xa0nbsp\xff"),
            ("x-d", b"\t"),
        ]);
        let mut lines = Vec::new();
        let mut signed = SignedHeaders::default();
        signed.take(&headers, &HeaderSelection::all(), &[]);
        write_headers(&mut lines, signed.all());
        assert_eq!(lines, b"x-a:2,,1\nx-b:two words\nx-c:\xa0nbsp\xff\nx-d:\n");
    }

    #[test]
    fn the_default_signs_what_proxies_leave_alone() {
        let headers = map(&[
            ("accept", b"*/*"),
            ("content-type", b"a"),
            ("content-md5", b"a"),
            ("content-encoding", b"gzip"),
            ("range", b"a"),
            ("x-amz-target", b"a"),
            ("x-amzn-trace-id", b"a"),
            ("user-agent", b"a"),
            ("authorization", b"a"),
            ("content-length", b"1"),
        ]);
        assert_eq!(names(&headers, &HeaderSelection::stable()), "content-md5;content-type;range;x-amz-target");
        assert_eq!(
            names(&headers, &HeaderSelection::all()),
            "accept;content-encoding;content-md5;content-type;range;x-amz-target"
        );
        let selection = HeaderSelection::stable().include(header::ACCEPT).exclude(header::RANGE);
        assert_eq!(names(&headers, &selection), "accept;content-md5;content-type;x-amz-target");
        let selection = HeaderSelection::stable().include(header::AUTHORIZATION).include(header::USER_AGENT);
        assert_eq!(names(&headers, &selection), "content-md5;content-type;range;user-agent;x-amz-target");
    }

    #[test]
    fn a_chunked_encoding_is_signed() {
        for (value, signed) in [(&b"gzip, AWS-chunked"[..], true), (b"aws-chunked", true), (b"xaws-chunked", false)] {
            let headers = map(&[("content-encoding", value)]);
            assert_eq!(!names(&headers, &HeaderSelection::stable()).is_empty(), signed);
        }
    }

    #[test]
    fn what_the_hop_owns_is_left_out_of_all() {
        let headers = map(&[
            ("proxy-authorization", b"a"),
            ("x-forwarded-for", b"a"),
            ("cf-ray", b"a"),
            ("sec-fetch-mode", b"a"),
            ("traceparent", b"a"),
            ("baggage", b"a"),
            ("te", b"a"),
            ("x-mine", b"a"),
        ]);
        assert_eq!(names(&headers, &HeaderSelection::all()), "x-mine");
    }

    #[test]
    fn the_signatures_own_take_the_place_of_the_requests() {
        let headers = map(&[("x-amz-date", b"old"), ("x-amz-security-token", b"old"), ("x-amz-a", b"1")]);
        let own: [(&'static str, Option<&[u8]>); 2] = [("x-amz-date", Some(b"new")), ("x-amz-security-token", None)];
        let mut lines = Vec::new();
        let mut signed = SignedHeaders::default();
        signed.take(&headers, &HeaderSelection::stable(), &own);
        write_headers(&mut lines, signed.all());
        assert_eq!(lines, b"x-amz-a:1\nx-amz-date:new\n");
    }
}
