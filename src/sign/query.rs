//! The query as it goes out, and as it is signed: the same text, with its parameters in another order.

use std::borrow::Cow;

use http::Uri;
use smallvec::SmallVec;

use super::{
    canonical::Sink,
    encode::{decode_encode, is_canonical_escape, is_unreserved},
};

/// The parameters of a query that carry a signature.
const AUTH_PARAMETERS: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Region-Set",
    "X-Amz-S3session-Token",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// The name of the parameter of a signature that this is, whatever its case.
pub(super) fn auth_parameter(name: &[u8]) -> Option<&'static str> {
    // Every name of theirs starts with it, and hardly any other does.
    let starts = matches!(name, [b'X' | b'x', b'-', ..]);
    AUTH_PARAMETERS.into_iter().find(|parameter| starts && parameter.as_bytes().eq_ignore_ascii_case(name))
}

/// Where a parameter stands in its text: its name is `start..name_end`, and its value, if it has one, follows a `=`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub(super) start: usize,
    pub(super) name_end: usize,
    pub(super) end: usize,
}

impl Parameter {
    fn name(self, text: &[u8]) -> &[u8] {
        &text[self.start..self.name_end]
    }

    fn value(self, text: &[u8]) -> &[u8] {
        text[self.name_end..self.end].get(1..).unwrap_or_default()
    }

    /// Where it stands once its text does from this place on.
    pub(super) fn moved(self, place: usize) -> Self {
        Self { start: place + self.start, name_end: place + self.name_end, end: place + self.end }
    }
}

pub(super) type Parameters = SmallVec<[Parameter; 8]>;

/// A query in the one spelling that all readers share, and its parameters in canonical order.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    text: Cow<'a, [u8]>,
    parameters: Parameters,
}

impl<'a> Query<'a> {
    /// The query of a URI. Parameters that an encoder would spell otherwise are encoded anew, order, duplicates and names
    /// without `=` stay, and the parameters of an earlier signature go.
    pub(super) fn of(uri: &'a Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let mut this = Self { text: query.as_bytes().into(), parameters: Parameters::new() };
        if !find_parameters(&this.text, &mut this.parameters) {
            let spelled = spelled(query);
            this.parameters.clear();
            find_parameters(&spelled, &mut this.parameters);
            this.text = spelled.into();
        }
        this.sort();
        this
    }

    /// A text whose parameters are known.
    pub(super) fn new(text: &'a [u8], parameters: Parameters) -> Self {
        let mut this = Self { text: text.into(), parameters };
        this.sort();
        this
    }

    fn sort(&mut self) {
        let text = &self.text;
        self.parameters.sort_by(|a, b| a.name(text).cmp(b.name(text)).then_with(|| a.value(text).cmp(b.value(text))));
    }

    /// As it goes out.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(super) fn is_changed(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }

    /// Writes the canonical query.
    pub(super) fn write(&self, sink: &mut impl Sink) {
        let text = &self.text;
        for (index, parameter) in self.parameters.iter().enumerate() {
            if index > 0 {
                sink.put(b"&");
            }
            sink.put(&text[parameter.start..parameter.end]);
            if parameter.name_end == parameter.end {
                sink.put(b"=");
            }
        }
    }
}

/// Finds the parameters of a query that every reader reads the same, in its order. Says no where an encoder would spell one
/// otherwise, or where one is of a signature. One pass, since most queries are spelled well.
fn find_parameters(query: &[u8], parameters: &mut Parameters) -> bool {
    let mut start = 0;
    loop {
        let name_end = start + spelled_well(&query[start..]);
        let end = match query.get(name_end) {
            Some(b'=') => name_end + 1 + spelled_well(&query[name_end + 1..]),
            _ => name_end,
        };
        if auth_parameter(&query[start..name_end]).is_some() {
            return false;
        }
        if end > start {
            parameters.push(Parameter { start, name_end, end });
        }
        match query.get(end) {
            Some(b'&') => start = end + 1,
            at_end => return at_end.is_none(),
        }
    }
}

/// How much of a text is spelled as an encoder would.
fn spelled_well(text: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let rest = &text[length..];
        length += rest.iter().position(|byte| !is_unreserved(*byte)).unwrap_or(rest.len());
        if !is_canonical_escape(&text[length..]) {
            return length;
        }
        length += 3;
    }
}

/// The query as an encoder would spell it, without an earlier signature.
fn spelled(query: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(query.len() + 16);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').map_or((parameter, None), |(name, value)| (name, Some(value)));
        let before = text.len();
        if before > 0 {
            text.push(b'&');
        }
        let start = text.len();
        decode_encode(&mut text, name.as_bytes(), b' ', is_unreserved);
        if auth_parameter(&text[start..]).is_some() {
            text.truncate(before);
            continue;
        }
        if let Some(value) = value {
            text.push(b'=');
            decode_encode(&mut text, value.as_bytes(), b' ', is_unreserved);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(query: &str) -> Uri {
        format!("/?{query}").parse().unwrap()
    }

    #[test]
    fn queries_are_spelled_canonically_and_keep_their_order() {
        for (query, expected) in [
            ("", ""),
            ("b=2&a=1&a", "b=2&a=1&a"),
            ("a=1&&b", "a=1&&b"),
            ("a=b=c", "a=b%3Dc"),
            ("a+b=%7e", "a%20b=~"),
            ("x=a/b&&y=%2f", "x=a%2Fb&y=%2F"),
            ("a=1&X-Amz-Signature=0&x-amz-date=1&b", "a=1&b"),
            ("X-Amz-Signature=0", ""),
            ("a=1&X%2DAmz%2dSignature=0", "a=1"),
            ("X-Amz-Target=0", "X-Amz-Target=0"),
            ("a=%", "a=%25"),
            ("a=%zz", "a=%25zz"),
        ] {
            let sent = String::from_utf8(Query::of(&uri(query)).text().to_vec()).unwrap();
            assert_eq!(sent, expected, "{query}");
            let uri = uri(&sent);
            let again = Query::of(&uri);
            assert_eq!(again.text(), expected.as_bytes(), "twice: {query}");
            assert!(!again.is_changed(), "{query}");
        }
    }

    #[test]
    fn parameters_are_written_by_name_and_then_by_value() {
        for (query, expected) in [
            ("", ""),
            ("&", ""),
            ("b&a", "a=&b="),
            ("a=2&a=1&a", "a=&a=1&a=2"),
            ("a=1&&b=", "a=1&b="),
            ("a-b=1&a=2", "a=2&a-b=1"),
            ("=b&=", "=&=b"),
            ("c=a+b&X-Amz-Date=1&B=/", "B=%2F&c=a%20b"),
        ] {
            let mut written = Vec::new();
            Query::of(&uri(query)).write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), expected, "{query}");
        }
    }
}
