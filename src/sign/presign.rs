//! The signature in the query: a URL that works on its own.

use std::time::Duration;

use aws_credential_types::Credentials;
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};

use super::{
    DefaultPayload, Explanation, PayloadHash, SignError, Signature, TokenHeader, TokenPlacement,
    canonical::{CanonicalRequest, Sink},
    date::AmzDate,
    draft::{CONTENT_SHA256, DATE, Draft, OWN, Own, Pieces, REGION_SET, change},
    encode::{encode, is_unreserved, put_decimal},
    headers::SignedHeaders,
    query::{Parameter, Parameters, Query, auth_parameter},
    string_to_sign::Algorithm,
    uri::with_path_and_query,
};

/// The longest that a URL may live: seven days.
const LONGEST: u64 = 604_800;

impl Draft<'_> {
    pub(super) fn presign(
        &self,
        parts: &mut Parts,
        credentials: &Credentials,
        expires_in: Duration,
    ) -> Result<Signature, SignError> {
        self.check_presigned(parts, credentials, expires_in)?;
        let prepared = self.prepared(credentials)?;
        let pieces = self.pieces(parts, &prepared)?;
        let sends_hash = self.sends_hash_beside(&parts.headers);
        let own = self.own_beside(&pieces, sends_hash);
        let sign = |request: &CanonicalRequest<'_, '_>| pieces.prepared.sign(request.hash());
        let (signature, mut text) = self.canonical_url(parts, credentials, &pieces, &own, expires_in, sign);
        add(&mut text, "X-Amz-Signature", |text| text.put(signature.as_bytes()));
        if self.settings.profile.token == TokenPlacement::AfterSigning {
            add_token(&mut text, &pieces, credentials);
        }

        let content_sha256 = sends_hash.then(|| self.payload.header()).transpose()?;
        let uri = with_path_and_query(&parts.uri, text, &pieces.host)?;
        change(&mut parts.headers, |headers| {
            for name in TokenHeader::ALL.map(TokenHeader::name).into_iter().chain([&DATE, &REGION_SET]) {
                headers.remove(name);
            }
            headers.remove(AUTHORIZATION);
            content_sha256.map(|content_sha256| headers.try_insert(&CONTENT_SHA256, content_sha256)).transpose()
        })?;
        parts.uri = uri;
        Ok(signature)
    }

    pub(super) fn explain_presigned(
        &self,
        parts: &Parts,
        credentials: &Credentials,
        expires_in: Duration,
    ) -> Result<Explanation, SignError> {
        self.check_presigned(parts, credentials, expires_in)?;
        let prepared = self.prepared(credentials)?;
        let pieces = self.pieces(parts, &prepared)?;
        let own = self.own_beside(&pieces, self.sends_hash_beside(&parts.headers));
        let explain = |request: &CanonicalRequest<'_, '_>| Self::explanation(request, pieces.prepared);
        let (explanation, _) = self.canonical_url(parts, credentials, &pieces, &own, expires_in, explain);
        Ok(explanation)
    }

    /// What is made of the canonical request, and the path and query that it was of.
    fn canonical_url<T>(
        &self,
        parts: &Parts,
        credentials: &Credentials,
        pieces: &Pieces<'_>,
        own: &[Own<'_>],
        expires_in: Duration,
        make: impl FnOnce(&CanonicalRequest<'_, '_>) -> T,
    ) -> (T, Vec<u8>) {
        let mut headers = SignedHeaders::default();
        headers.take(&parts.headers, self.settings.headers, own);
        let (text, parameters) = self.unsigned(credentials, pieces, &Query::of(&parts.uri), &headers, expires_in);
        let (query, names) = (Query::new(&text, parameters), headers.names());
        let made = make(&self.canonical(parts, pieces, &query, &headers, &names));
        drop(query);
        (made, text)
    }

    /// Whether the request can become a URL that lives this long.
    fn check_presigned(&self, parts: &Parts, credentials: &Credentials, expires_in: Duration) -> Result<(), SignError> {
        if !(1..=LONGEST).contains(&expires_in.as_secs()) {
            return Err(SignError::Expiry(expires_in));
        }
        if let Some(expiry) = credentials.expiry() {
            let left = expiry.duration_since(self.time).unwrap_or_default();
            if left < Duration::from_secs(expires_in.as_secs()) {
                return Err(SignError::CredentialsExpireFirst { left });
            }
        }
        let name = |parameter: &str| parameter.split('=').next().and_then(|name| auth_parameter(name.as_bytes()));
        if let Some(name) = parts.uri.query().and_then(|query| query.split('&').find_map(name)) {
            return Err(SignError::AlreadyPresigned(name.to_owned()));
        }
        Ok(())
    }

    /// The headers that go with a URL, host and payload hash; whatever else a signature brings stands in it.
    pub(super) fn own_beside<'h>(&'h self, pieces: &'h Pieces<'_>, sends_hash: bool) -> [Own<'h>; OWN] {
        let mut own = self.own(pieces, sends_hash);
        for (_, value) in &mut own[2..] {
            *value = None;
        }
        own
    }

    /// A URL has no parameter for the payload's hash: where one is needed that is not the default, a header says it. VPC
    /// Lattice, which never signs payloads, wants that spelled out.
    pub(super) fn sends_hash_beside(&self, headers: &HeaderMap) -> bool {
        let profile = self.settings.profile;
        let is_understood = self.payload == PayloadHash::UNSIGNED && profile.payload != DefaultPayload::Unsigned;
        profile.content_sha256 && !is_understood || headers.contains_key(&CONTENT_SHA256)
    }

    /// Path and query, spelled canonically, with all parameters of the signature but the signature; and where in it they
    /// stand.
    pub(super) fn unsigned(
        &self,
        credentials: &Credentials,
        pieces: &Pieces<'_>,
        query: &Query<'_>,
        headers: &SignedHeaders<'_>,
        expires_in: Duration,
    ) -> (Vec<u8>, Parameters) {
        let path = pieces.path.as_bytes();
        let prepared = &pieces.prepared;
        let make = || SharedParameters::new(self.settings.algorithm, prepared.credential(), prepared.date);
        let shared = prepared.parameters.get_or_init(make);
        let token = credentials.session_token().unwrap_or_default();
        let mut text = Vec::with_capacity(path.len() + query.text().len() + shared.text.len() + token.len() + 360);
        text.put(if path.is_empty() { b"/" } else { path });
        text.put(b"?");
        let mut parameters = Parameters::new();
        for (more, of_them) in [(query.text(), query.parameters()), (&shared.text, &shared.parameters)] {
            separate(&mut text);
            parameters.extend(of_them.iter().map(|parameter| parameter.moved(text.len())));
            text.put(more);
        }

        let mut add = |name, write_value: &dyn Fn(&mut Vec<u8>)| parameters.push(add(&mut text, name, write_value));
        add("X-Amz-Expires", &|text| put_decimal(text, expires_in.as_secs()));
        if let Some(region_set) = self.scope().region_set() {
            add("X-Amz-Region-Set", &|text| encode(text, region_set, is_unreserved));
        }
        add("X-Amz-SignedHeaders", &|text| headers.write_names(text, b"%3B"));
        if self.settings.profile.token == TokenPlacement::Signed {
            parameters.extend(add_token(&mut text, pieces, credentials));
        }
        (text, parameters)
    }
}

fn add_token(text: &mut Vec<u8>, pieces: &Pieces<'_>, credentials: &Credentials) -> Option<Parameter> {
    let token = credentials.session_token().filter(|token| !token.is_empty())?;
    Some(add(text, pieces.token_header.parameter(), |text| encode(text, token.as_bytes(), is_unreserved)))
}

/// The parameters that all URLs of a second share, in canonical order.
pub(super) struct SharedParameters {
    text: Vec<u8>,
    parameters: [Parameter; 3],
}

impl SharedParameters {
    /// `credential` is the one that stands in `authorization`, `AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request`.
    pub(super) fn new(algorithm: Algorithm, credential: &[u8], date: AmzDate) -> Self {
        let mut text = Vec::with_capacity(100 + credential.len());
        let parameters = [
            add(&mut text, "X-Amz-Algorithm", |text| text.put(algorithm.name().as_bytes())),
            add(&mut text, "X-Amz-Credential", |text| encode(text, credential, is_unreserved)),
            add(&mut text, "X-Amz-Date", |text| text.put(date.timestamp())),
        ];
        Self { text, parameters }
    }
}

/// Adds a parameter to a URL and says where it stands, so that the query need not be read again.
fn add(url: &mut Vec<u8>, name: &str, write_value: impl FnOnce(&mut Vec<u8>)) -> Parameter {
    separate(url);
    let start = url.len();
    url.put(name.as_bytes());
    let name_end = url.len();
    url.put(b"=");
    write_value(url);
    Parameter { start, name_end, end: url.len() }
}

fn separate(url: &mut Vec<u8>) {
    if !matches!(url.last(), None | Some(b'?')) {
        url.put(b"&");
    }
}
