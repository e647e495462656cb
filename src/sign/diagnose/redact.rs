//! What may be shown of a request.

use std::fmt::Write;

use super::{Diagnosis, Difference, Finding, canonical::CanonicalRequest};

/// Values longer than this many bytes are shortened around the place where they differ.
const SHOWN: usize = 240;

/// A secret that is shorter cannot be told from ordinary text.
const SHORTEST_SECRET: usize = 8;

/// One side of a difference, under the name that says whether it may be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'t> {
    name: &'t str,
    value: Option<&'t str>,
}

impl<'t> Side<'t> {
    /// A line that has no name.
    pub(super) fn line(value: &'t str) -> Self {
        Self { name: "", value: Some(value) }
    }

    pub(super) fn named(name: &'t str, value: Option<&'t str>) -> Self {
        Self { name, value }
    }
}

/// The secrets of a request, so that an answer that repeats one in another place does not show it either.
#[derive(Debug)]
pub(super) struct Secrets<'t>(Vec<&'t str>);

impl<'t> Secrets<'t> {
    pub(super) fn of(canonical_request: &'t str) -> Self {
        let Some(request) = CanonicalRequest::read(canonical_request) else { return Self(Vec::new()) };
        let parameters = request.query.split('&').filter_map(|pair| pair.split_once('='));
        let named = request.headers.iter().copied().chain(parameters);
        let secrets = named.filter(|(name, value)| is_secret(name) && value.len() >= SHORTEST_SECRET);
        Self(secrets.map(|(_, value)| value).collect())
    }

    pub(super) fn diagnosis(&self, Finding { difference, server, ours, cause }: Finding<'_>) -> Diagnosis {
        let [theirs, here] = [server, ours].map(|side| side.value.unwrap_or_default().bytes());
        let same = theirs.zip(here).take_while(|(a, b)| a == b).count();
        let difference = match difference {
            // A torn answer may have a value where a name belongs.
            Difference::Query(name) => Difference::Query(self.without(&name, 0)),
            Difference::Header(name) => Difference::Header(self.without(&name, 0)),
            other => other,
        };
        Diagnosis { difference, server: self.show(server, same), ours: self.show(ours, same), cause }
    }

    fn show(&self, side: Side<'_>, same: usize) -> String {
        let Some(value) = side.value else { return "(absent)".to_owned() };
        if is_secret(side.name) {
            return format!("({} characters, not shown)", value.chars().count());
        }
        self.without(value, same)
    }

    /// An excerpt with no secret in it.
    fn without(&self, value: &str, same: usize) -> String {
        let heads = self.0.iter().map(|secret| &secret[..floor(secret, SHORTEST_SECRET)]);
        // A torn answer may hold a secret in part, so everything from its first characters on goes.
        match heads.filter_map(|head| value.find(head)).min() {
            Some(at) => excerpt(&value[..at], same) + "(secret, not shown)",
            None => excerpt(value, same),
        }
    }
}

/// Whether a header or parameter of this name carries a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["token", "authorization", "cookie", "secret", "password", "api-key", "mfa", "customer-key"];
    words.iter().any(|word| name.contains(word)) && !name.ends_with("-md5")
}

/// The place where two values begin to differ, with some text around it and control characters escaped.
fn excerpt(value: &str, same: usize) -> String {
    let start = if value.len() > SHOWN { floor(value, same.saturating_sub(SHOWN / 4)) } else { 0 };
    let end = floor(value, start.saturating_add(SHOWN));
    let mut out = String::new();
    if start > 0 {
        out.push('…');
    }
    for character in value[start..end].chars() {
        if character.is_control() {
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
    if end < value.len() {
        out.push('…');
    }
    out
}

/// The last character boundary up to this index.
fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
