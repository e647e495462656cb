//! Why a server computed another signature.
//!
//! Most services of AWS answer a wrong signature with the canonical request and the string to sign that they computed.
//! [`diagnose`] lays them beside what was signed here (see [`Signer::explain`](crate::sign::Signer::explain)), names
//! the first line that differs, and says what usually causes that.
//!
//! ```
//! use tower_sigv4::sign::diagnose::{Difference, diagnose};
//!
//! let ours = "GET\n/a%20b\n\nhost:example.com\n\nhost\nUNSIGNED-PAYLOAD";
//! let answer = br#"{"message":"The request signature we calculated does not match. \
//! The Canonical String for this request should have been\n'GET\n/a%2520b\n\nhost:example.com\n\nhost\nUNSIGNED-PAYLOAD'\n"}"#;
//!
//! let diagnosis = diagnose(answer, ours, "").unwrap();
//! assert_eq!(diagnosis.difference(), &Difference::Path);
//! assert!(diagnosis.next_step().contains("encode the path twice"));
//! ```
//!
//! Three shapes of an answer are read: S3's XML with its elements `CanonicalRequest` and `StringToSign`, and the
//! sentence `The Canonical String for this request should have been` in a JSON `message` or in the `Message` of the query
//! protocol's XML. Elements and strings are looked for as text, not parsed as documents: a torn or odd answer still tells
//! what it can, and no parser has to be in the build. An answer that only complains about the clock or the scope
//! is understood too.
//!
//! Whoever can see a diagnosis learns what was requested, but no secret: session tokens and the keys of customer-provided
//! encryption are left out of both sides, and control characters of the answer are escaped.
//!
//! See [Troubleshooting](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html).

use std::fmt;

use canonical::{CanonicalRequest, StringToSign};
use causes::Cause;
use redact::{Secrets, Side};

mod answer;
mod canonical;
mod causes;
mod redact;

/// The first difference between what a server computed and what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    difference: Difference,
    server: String,
    ours: String,
    cause: Cause,
}

/// Where a difference stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The method, first line of the canonical request.
    Method,
    /// The canonical path, its second line.
    Path,
    /// The canonical query, its third line; the name is that of the first parameter that differs, encoded.
    Query(String),
    /// A canonical header, by its name in lower case.
    Header(String),
    /// The list of signed headers.
    SignedHeaders,
    /// The hash of the payload, last line of the canonical request.
    PayloadHash,
    /// A line, counted from 1, of a canonical request whose form is not the usual one.
    Line(usize),
    /// The algorithm, first line of the string to sign.
    Algorithm,
    /// The time of the request, its second line.
    Timestamp,
    /// The credential scope, its third line: date, region and service.
    Scope,
    /// The canonical request's hash in the string to sign; the server does not show its canonical request.
    CanonicalRequestHash,
    /// Nothing: both ends signed the same text, so they signed it with different keys.
    None,
}

impl Diagnosis {
    /// Where the first difference stands.
    pub fn difference(&self) -> &Difference {
        &self.difference
    }

    /// What the server has there, with secrets left out and long values shortened.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What was signed there, in the same form.
    pub fn ours(&self) -> &str {
        &self.ours
    }

    /// What usually causes this.
    pub fn cause(&self) -> &str {
        self.cause.usual
    }

    /// What to change or to look at.
    pub fn next_step(&self) -> &str {
        self.cause.next_step
    }
}

/// Compares the answer of a server with what was signed.
///
/// `answer` is the body of the answer, of which the first mebibyte is read; `canonical_request` and `string_to_sign` are
/// those of the request that was refused. `None` where the answer does not say what the server computed.
pub fn diagnose(answer: &[u8], canonical_request: &str, string_to_sign: &str) -> Option<Diagnosis> {
    let answer = answer::read(answer);
    let secrets = Secrets::of(canonical_request);
    let (their_request, their_string) = (answer.canonical_request.as_deref(), answer.string_to_sign.as_deref());
    let finding = their_request
        .and_then(|theirs| compare_requests(theirs, canonical_request))
        .or_else(|| compare_strings(their_string?, string_to_sign, their_request.is_some()))
        .or_else(|| complaint(answer.message.as_deref()?, string_to_sign))
        .or_else(|| (their_request.is_some() || their_string.is_some()).then(Finding::nothing))?;
    Some(secrets.diagnosis(finding))
}

/// A difference with both sides as they are, not yet fit to be shown.
#[derive(Debug)]
struct Finding<'t> {
    difference: Difference,
    server: Side<'t>,
    ours: Side<'t>,
    cause: Cause,
}

impl<'t> Finding<'t> {
    /// A difference of two lines that have no name of their own.
    fn lines(difference: Difference, theirs: &'t str, ours: &'t str) -> Self {
        let cause = causes::of(&difference, theirs, ours);
        Self { difference, server: Side::line(theirs), ours: Side::line(ours), cause }
    }

    fn nothing() -> Self {
        Self { difference: Difference::None, server: Side::line(""), ours: Side::line(""), cause: causes::SAME_TEXT }
    }
}

fn compare_requests<'t>(theirs: &'t str, ours: &'t str) -> Option<Finding<'t>> {
    let (Some(server), Some(here)) = (CanonicalRequest::read(theirs), CanonicalRequest::read(ours)) else {
        return compare_lines(theirs, ours);
    };
    let first = [(Difference::Method, server.method, here.method), (Difference::Path, server.path, here.path)];
    let last = [
        (Difference::SignedHeaders, server.signed_headers, here.signed_headers),
        (Difference::PayloadHash, server.payload_hash, here.payload_hash),
    ];
    let lines = |lines: [(Difference, &'t str, &'t str); 2]| {
        let (difference, theirs, ours) = lines.into_iter().find(|(_, theirs, ours)| theirs != ours)?;
        Some(Finding::lines(difference, theirs, ours))
    };
    lines(first)
        .or_else(|| compare_queries(server.query, here.query))
        .or_else(|| compare_headers(&server.headers, &here.headers))
        .or_else(|| lines(last))
}

fn compare_queries<'t>(theirs: &'t str, ours: &'t str) -> Option<Finding<'t>> {
    let pairs = |query: &'t str| query.split('&').filter(|pair| !pair.is_empty());
    let (theirs, ours) = first_difference(pairs(theirs), pairs(ours));
    let name = |pair: Option<&'t str>| pair.and_then(|pair| pair.split('=').next());
    // Both lists are sorted: where the names differ, the lesser one is missing on the other side.
    let first = [name(theirs), name(ours)].into_iter().flatten().min()?;
    let [theirs, ours] = [theirs, ours].map(|pair| pair.filter(|_| name(pair) == Some(first)));
    Some(Finding {
        difference: Difference::Query(first.to_owned()),
        server: Side::named(first, theirs),
        ours: Side::named(first, ours),
        cause: causes::of_query(theirs, ours),
    })
}

fn compare_headers<'t>(theirs: &[(&'t str, &'t str)], ours: &[(&'t str, &'t str)]) -> Option<Finding<'t>> {
    let (theirs, ours) = first_difference(theirs.iter().copied(), ours.iter().copied());
    let name = [theirs, ours].into_iter().flatten().map(|(name, _)| name).min()?;
    let [theirs, ours] = [theirs, ours].map(|side| side.filter(|(other, _)| *other == name).map(|(_, value)| value));
    Some(Finding {
        difference: Difference::Header(name.to_owned()),
        server: Side::named(name, theirs),
        ours: Side::named(name, ours),
        cause: causes::of_header(name, theirs, ours),
    })
}

/// The canonical requests as plain lines, where one of them is torn or has an unusual form.
fn compare_lines<'t>(theirs: &'t str, ours: &'t str) -> Option<Finding<'t>> {
    let same = theirs.lines().zip(ours.lines()).take_while(|(theirs, ours)| theirs == ours).count();
    let (theirs, ours) = (theirs.lines().nth(same), ours.lines().nth(same));
    (theirs.is_some() || ours.is_some()).then_some(())?;
    // Which part of a request such a line is cannot be told: it is its own name, and hidden where it speaks of a secret.
    let side = |line: Option<&'t str>| Side::named(line.unwrap_or_default(), line);
    Some(Finding {
        difference: Difference::Line(same + 1),
        server: side(theirs),
        ours: side(ours),
        cause: causes::ODD_FORM,
    })
}

fn compare_strings<'t>(theirs: &'t str, ours: &'t str, request_was_equal: bool) -> Option<Finding<'t>> {
    let (theirs, ours) = (StringToSign::read(theirs)?, StringToSign::read(ours)?);
    let lines = [
        (Difference::Algorithm, theirs.algorithm, ours.algorithm),
        (Difference::Timestamp, theirs.timestamp, ours.timestamp),
        (Difference::Scope, theirs.scope, ours.scope),
        (Difference::CanonicalRequestHash, theirs.hash, ours.hash),
    ];
    let (difference, theirs, ours) = lines.into_iter().find(|(_, theirs, ours)| theirs != ours)?;
    // Equal texts have equal hashes: where an answer contradicts itself, its hash says nothing.
    let contradiction = difference == Difference::CanonicalRequestHash && request_was_equal;
    (!contradiction).then(|| Finding::lines(difference, theirs, ours))
}

/// An answer that names the clock or the scope, and shows nothing of what it computed.
fn complaint<'t>(message: &'t str, string_to_sign: &'t str) -> Option<Finding<'t>> {
    let ours = StringToSign::read(string_to_sign)?;
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let (difference, ours, cause) = if says(&["Signature expired", "Signature not yet current", "request time and the"])
    {
        (Difference::Timestamp, ours.timestamp, causes::CLOCK)
    } else if says(&["Credential should be scoped", "is wrong; expecting '"]) {
        (Difference::Scope, ours.scope, causes::SCOPE_REFUSED)
    } else {
        return None;
    };
    Some(Finding { difference, server: Side::line(message), ours: Side::line(ours), cause })
}

/// The first pair of items that differs; `None` on the side that has come to its end.
fn first_difference<T: PartialEq>(
    mut theirs: impl Iterator<Item = T>,
    mut ours: impl Iterator<Item = T>,
) -> (Option<T>, Option<T>) {
    loop {
        match (theirs.next(), ours.next()) {
            (Some(a), Some(b)) if a == b => {}
            pair => return pair,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method"),
            Self::Path => f.write_str("the path"),
            Self::Query(name) => write!(f, "the query parameter `{name}`"),
            Self::Header(name) => write!(f, "the header `{name}`"),
            Self::SignedHeaders => f.write_str("the list of signed headers"),
            Self::PayloadHash => f.write_str("the hash of the payload"),
            Self::Line(line) => write!(f, "line {line} of the canonical request"),
            Self::Algorithm => f.write_str("the algorithm"),
            Self::Timestamp => f.write_str("the timestamp"),
            Self::Scope => f.write_str("the credential scope"),
            Self::CanonicalRequestHash => f.write_str("the hash of the canonical request"),
            Self::None => f.write_str("nothing"),
        }
    }
}

/// A few lines for a person: where, both sides, the usual cause, the next step.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.difference == Difference::None {
            f.write_str("the server computed the same string to sign, and another signature")?;
        } else {
            write!(f, "the first difference is in {}", self.difference)?;
            write!(f, "\n  the server has: {}\n  signed here:    {}", self.server, self.ours)?;
        }
        write!(f, "\nusual cause: {}\nnext step: {}", self.cause.usual, self.cause.next_step)
    }
}

#[cfg(test)]
mod tests;
