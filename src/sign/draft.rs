//! A request on its way to a signature: all that is signed, and nothing yet changed.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, MaxSizeReached},
    request::Parts,
};

use super::{
    Explanation, HeaderSelection, PayloadHash, Profile, SignError, Signature, TokenHeader, TokenPlacement,
    canonical::{CanonicalRequest, Sink},
    encode::{hex_of, holds, into_text},
    headers::SignedHeaders,
    key_cache::KeyCache,
    prepared::Prepared,
    query::Query,
    string_to_sign::{Algorithm, CredentialScope},
    uri::{Host, rewritten, wire_path},
};

/// The names of the headers that a signature brings beside `authorization`: made once, since making one is a look-up in a
/// table for each of its letters.
pub(crate) static DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(crate) static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// The regions in which a signature of SigV4a holds.
pub(super) static REGION_SET: HeaderName = HeaderName::from_static("x-amz-region-set");
/// How many headers a signature brings or drops.
pub(super) const OWN: usize = 6;
/// With more headers than this, a map may be near the number that it can hold.
const MANY_HEADERS: usize = 1_000;

/// What is fixed for the requests of one service and region.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) service: &'a str,
    /// The region, or the list of regions where the algorithm takes one.
    pub(crate) region: &'a str,
    pub(crate) algorithm: Algorithm,
    pub(crate) profile: &'a Profile,
    pub(crate) headers: &'a HeaderSelection,
    pub(crate) host: Option<&'a str>,
    pub(crate) keys: &'a KeyCache,
}

/// What is said of one request, beside the request itself.
pub(crate) struct Draft<'a> {
    pub(crate) settings: Settings<'a>,
    pub(crate) payload: PayloadHash,
    /// The time to sign at.
    pub(crate) time: SystemTime,
}

/// What the request is signed with, and as.
pub(super) struct Pieces<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) host: Host<'a>,
    /// The path as it goes out.
    pub(super) path: Cow<'a, str>,
    /// The header that carries the session token.
    pub(super) token_header: TokenHeader,
}

/// A header that a signature brings, or that it drops where there is no value: what the request had under its name goes.
pub(super) type Own<'a> = (&'static str, Option<&'a [u8]>);

impl<'a> Draft<'a> {
    /// What signs with these credentials, at this time.
    pub(crate) fn prepared(&self, credentials: &Credentials) -> Result<Arc<Prepared>, SignError> {
        self.settings.keys.get(credentials, &self.scope(), self.time)
    }

    /// Signs the request's headers. The request is changed only when nothing can fail any more.
    pub(crate) fn sign(&self, parts: &mut Parts, prepared: &Prepared) -> Result<Signature, SignError> {
        let pieces = self.pieces(parts, prepared)?;
        let query = Query::of(&parts.uri);
        let earlier = Earlier::of(&parts.headers);
        let sends_hash = self.sends_hash(&earlier);
        let own = self.own(&pieces, sends_hash);
        let mut headers = SignedHeaders::default();
        headers.take(&parts.headers, self.settings.headers, &own);
        let mut authorization = self.authorization(prepared, &headers);
        let names = prepared.authorization.len();
        let request = self.canonical(parts, &pieces, &query, &headers, &authorization[names..]);
        let (date, token) = (prepared.date.header()?, prepared.token.clone());
        let hash = request.hash_after(&prepared.beginning, self.last_shared(&pieces));
        let signature = prepared.sign(hash);

        authorization.put(SIGNATURE);
        authorization.put(signature.as_bytes());
        let mut authorization = HeaderValue::from_maybe_shared(Bytes::from(authorization))?;
        authorization.set_sensitive(true);
        let content_sha256 = sends_hash.then(|| self.payload.header()).transpose()?;
        let region_set = self.scope().region_set().map(HeaderValue::from_bytes).transpose()?;
        let uri = rewritten(&parts.uri, &pieces.path, &query, &pieces.host)?;
        drop((headers, query));
        let token_header = pieces.token_header;
        change(&mut parts.headers, |headers| {
            if earlier.is_signed {
                for name in TokenHeader::ALL.map(TokenHeader::name).into_iter().chain([&REGION_SET]) {
                    headers.remove(name);
                }
            }
            headers.try_insert(&DATE, date)?;
            if let Some(region_set) = region_set {
                headers.try_insert(&REGION_SET, region_set)?;
            }
            if let Some(token) = token {
                headers.try_insert(token_header.name(), token)?;
            }
            if let Some(content_sha256) = content_sha256 {
                headers.try_insert(&CONTENT_SHA256, content_sha256)?;
            }
            headers.try_insert(AUTHORIZATION, authorization)
        })?;
        if let Some(uri) = uri {
            parts.uri = uri;
        }
        Ok(signature)
    }

    /// The same steps, with the texts kept and the request left alone.
    pub(crate) fn explain(&self, parts: &Parts, credentials: &Credentials) -> Result<Explanation, SignError> {
        let prepared = self.prepared(credentials)?;
        let pieces = self.pieces(parts, &prepared)?;
        let query = Query::of(&parts.uri);
        let own = self.own(&pieces, self.sends_hash(&Earlier::of(&parts.headers)));
        let mut headers = SignedHeaders::default();
        headers.take(&parts.headers, self.settings.headers, &own);
        let names = headers.names();
        Ok(Self::explanation(&self.canonical(parts, &pieces, &query, &headers, &names), &prepared))
    }

    pub(super) fn pieces<'p>(&self, parts: &'p Parts, prepared: &'p Prepared) -> Result<Pieces<'p>, SignError>
    where
        'a: 'p,
    {
        let Settings { profile, host, .. } = self.settings;
        let host = Host::of(&parts.headers, &parts.uri, host)?;
        Ok(Pieces {
            prepared,
            token_header: profile.token_header.of_request(&host.value, &parts.uri),
            host,
            path: wire_path(parts.uri.path(), *profile),
        })
    }

    pub(super) fn explanation(request: &CanonicalRequest<'_, '_>, prepared: &Prepared) -> Explanation {
        let mut canonical_request = Vec::new();
        request.write(&mut canonical_request);
        let hash = PayloadHash::digest(&canonical_request);
        let string_to_sign = [&prepared.start[..], &hex_of(hash)].concat();
        Explanation {
            signature: prepared.sign(hash),
            signed_headers: into_text(request.signed_headers.to_vec()),
            canonical_request: into_text(canonical_request),
            string_to_sign: into_text(string_to_sign),
        }
    }

    pub(super) fn scope(&self) -> CredentialScope<'a> {
        let Settings { algorithm, region, service, .. } = self.settings;
        CredentialScope { algorithm, region, service }
    }

    /// Whether `x-amz-content-sha256` goes out: where the profile says so, where the server could not know what was
    /// signed otherwise, and where the request carries one that could contradict it.
    fn sends_hash(&self, earlier: &Earlier) -> bool {
        self.settings.profile.content_sha256 || self.payload.is_word() || earlier.has_hash
    }

    /// The session token as far as it is signed.
    fn token<'h>(&self, pieces: &'h Pieces<'_>) -> Option<&'h [u8]> {
        match self.settings.profile.token {
            TokenPlacement::Signed => pieces.prepared.token.as_ref().map(HeaderValue::as_bytes),
            TokenPlacement::AfterSigning => None,
        }
    }

    /// Of the signed headers the last one that all requests of a second have alike.
    fn last_shared(&self, pieces: &Pieces<'_>) -> &'static str {
        self.token(pieces).map_or(&DATE, |_| pieces.token_header.name()).as_str()
    }

    /// Host and payload hash first: they go with a URL too.
    pub(super) fn own<'h>(&'h self, pieces: &'h Pieces<'_>, sends_hash: bool) -> [Own<'h>; OWN] {
        let token = self.token(pieces);
        let token_under =
            |header: TokenHeader| (header.name().as_str(), token.filter(|_| header == pieces.token_header));
        // Sorted, which leaves little to sort.
        [
            ("host", Some(&pieces.host.value)),
            (CONTENT_SHA256.as_str(), sends_hash.then(|| self.payload.as_bytes())),
            (DATE.as_str(), Some(pieces.prepared.date.timestamp())),
            (REGION_SET.as_str(), self.scope().region_set()),
            token_under(TokenHeader::S3Session),
            token_under(TokenHeader::SecurityToken),
        ]
    }

    pub(super) fn canonical<'c, 'h>(
        &'c self,
        parts: &'c Parts,
        pieces: &'c Pieces<'_>,
        query: &'c Query<'c>,
        headers: &'c SignedHeaders<'h>,
        signed_headers: &'c [u8],
    ) -> CanonicalRequest<'c, 'h> {
        CanonicalRequest {
            method: parts.method.as_str(),
            path: &pieces.path,
            path_encoding: self.settings.profile.path_encoding,
            query,
            headers,
            signed_headers,
            payload: &self.payload,
        }
    }

    /// The value of `authorization` up to the names of the signed headers, with which it ends.
    fn authorization(&self, prepared: &Prepared, headers: &SignedHeaders<'_>) -> Vec<u8> {
        // Exactly as long as it will be: a vector that is full becomes a header value without being copied.
        let end = headers.names_length() + SIGNATURE.len() + self.settings.algorithm.width();
        let mut value = Vec::with_capacity(prepared.authorization.len() + end);
        value.put(&prepared.authorization);
        headers.write_names(&mut value, b";");
        value
    }
}

const SIGNATURE: &[u8] = b", Signature=";

/// What a request carries of an earlier signature, found in one pass over the names.
struct Earlier {
    is_signed: bool,
    has_hash: bool,
}

impl Earlier {
    fn of(headers: &HeaderMap) -> Self {
        let mut earlier = Self { is_signed: false, has_hash: false };
        for name in headers.keys() {
            if name.as_str().starts_with("x-amz-") {
                earlier.has_hash |= *name == CONTENT_SHA256;
                earlier.is_signed |= *name == REGION_SET || TokenHeader::ALL.iter().any(|token| token.name() == name);
            }
        }
        earlier
    }
}

/// Changes the headers, or leaves them as they were where they are too many: a map near its limit can refuse any insertion.
pub(super) fn change<T>(
    headers: &mut HeaderMap,
    change: impl FnOnce(&mut HeaderMap) -> Result<T, MaxSizeReached>,
) -> Result<(), SignError> {
    if headers.len() < MANY_HEADERS {
        change(headers)?;
    } else {
        let mut changed = headers.clone();
        change(&mut changed)?;
        *headers = changed;
    }
    Ok(())
}

/// Whether a URI carries its signature already.
pub(crate) fn is_presigned(uri: &Uri) -> bool {
    const NAME: &[u8] = b"X-Amz-Signature";
    let Some(query) = uri.query().map(str::as_bytes) else { return false };
    // Few queries hold the rarest letter of the name.
    holds(query, |byte| byte.eq_ignore_ascii_case(&b'z'))
        && query.split(|byte| *byte == b'&').any(|parameter| match parameter.split_at_checked(NAME.len()) {
            Some((name, rest)) => name.eq_ignore_ascii_case(NAME) && matches!(rest, [] | [b'=', ..]),
            None => false,
        })
}

#[cfg(test)]
#[path = "../../tests/support/suite.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations, reason = "shared with tests/")]
mod suite;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_that_cannot_be_changed_stay_as_they_were() {
        let mut headers = HeaderMap::new();
        for number in 0..MANY_HEADERS {
            headers.insert(HeaderName::try_from(format!("x-{number}")).unwrap(), HeaderValue::from_static(""));
        }
        let before = headers.clone();
        let failed = change(&mut headers, |headers| {
            headers.remove("x-1");
            headers.try_insert(&DATE, HeaderValue::from_static("now"))?;
            headers.try_reserve(1 << 20)
        });
        assert!(matches!(failed, Err(SignError::TooManyHeaders(_))), "{failed:?}");
        assert_eq!(headers, before);
        change(&mut headers, |headers| headers.try_insert(&DATE, HeaderValue::from_static("now"))).unwrap();
        assert_eq!((headers.len(), &headers[&DATE]), (MANY_HEADERS + 1, &HeaderValue::from_static("now")));
    }

    /// Cases of the official suite whose path no `http::Uri` can hold: the steps from the path on, on the path as it is.
    fn raw_paths_pass(version: &str, algorithm: Algorithm, names: &[&str]) {
        let mut passed = Vec::new();
        for case in suite::Case::all(version, &json!({})) {
            let request = case.request();
            let Err(reason) = request.parts() else { continue };
            let parts = suite::CaseRequest { target: "/".to_owned(), ..case.request() }.parts().unwrap();
            let mut profile = Profile::for_service(case.string("service"));
            profile.normalize_path = case.flag("normalize");
            let keys = KeyCache::new();
            let settings = Settings {
                service: case.string("service"),
                region: case.string("region"),
                algorithm,
                profile: &profile,
                headers: &HeaderSelection::all(),
                host: None,
                keys: &keys,
            };
            let draft = Draft { settings, payload: PayloadHash::EMPTY, time: case.time() };
            let check = |half: &str, explanation: &Explanation| {
                let text = |file: &str| case.text(&format!("{half}-{file}.txt")).unwrap();
                assert_eq!(explanation.canonical_request, text("canonical-request"), "{half}");
                assert_eq!(explanation.string_to_sign, text("string-to-sign"), "{half}");
                if algorithm == Algorithm::Hmac {
                    assert_eq!(explanation.signature.as_str(), text("signature"), "{half}");
                }
            };

            let path = request.target.as_str().into();
            let prepared = draft.prepared(&case.credentials()).unwrap();
            let pieces = Pieces { path, ..draft.pieces(&parts, &prepared).unwrap() };
            let query = Query::default();
            let own = draft.own(&pieces, false);
            let mut headers = SignedHeaders::default();
            headers.take(&parts.headers, settings.headers, &own);
            let names = headers.names();
            let request = draft.canonical(&parts, &pieces, &query, &headers, &names);
            check("header", &Draft::explanation(&request, &prepared));

            let own = draft.own_beside(&pieces, draft.sends_hash_beside(&parts.headers));
            let mut headers = SignedHeaders::default();
            headers.take(&parts.headers, settings.headers, &own);
            let (text, parameters) = draft.unsigned(&case.credentials(), &pieces, &query, &headers, case.expires_in());
            let (query, names) = (Query::new(&text, parameters), headers.names());
            let request = draft.canonical(&parts, &pieces, &query, &headers, &names);
            check("query", &Draft::explanation(&request, &prepared));
            println!("passed on its raw path: {} ({reason})", case.name);
            passed.push(case.name.clone());
        }
        assert_eq!(passed, names);
    }

    #[test]
    fn official_cases_with_a_raw_path() {
        raw_paths_pass("v4", Algorithm::Hmac, &["get-space-unnormalized"]);
    }

    #[cfg(feature = "sigv4a")]
    #[test]
    fn official_cases_of_sigv4a_with_a_raw_path() {
        raw_paths_pass("v4a", Algorithm::Ecdsa, &["get-space-normalized", "get-space-unnormalized"]);
    }
}
