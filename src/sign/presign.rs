//! The signature in the query: a URL that works on its own.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};

use super::{
    DefaultPayload, Explanation, PayloadHash, SignError, Signature, TokenHeader, TokenPlacement,
    canonical::Sink,
    draft::{CONTENT_SHA256, DATE, Draft, OWN, Pieces, REGION_SET},
    encode::{encode, into_text, is_unreserved},
    headers::SignedHeaders,
    uri::{Parameters, auth_parameter, parameters, with_path_and_query},
};

/// The longest that a URL may live: seven days.
const LONGEST: u64 = 604_800;

impl Draft<'_> {
    pub(super) fn presign(
        &self,
        parts: &mut Parts,
        credentials: &Credentials,
        time: SystemTime,
        expires_in: Duration,
    ) -> Result<Signature, SignError> {
        let pieces = self.pieces_to_presign(parts, credentials, time, expires_in)?;
        let headers = self.presigned_headers(&parts.headers, &pieces);
        let mut text = self.unsigned(credentials, &pieces, &headers, expires_in);
        let parameters = presigned_parameters(&text);
        let names = headers.names(b";");
        let request = self.canonical(parts, &pieces, &parameters, &headers, &names);
        let signature = self.signature(&request, &pieces.prepared);
        drop((headers, parameters));
        text.push_str("&X-Amz-Signature=");
        text.push_str(signature.as_str());
        if self.settings.profile.token == TokenPlacement::AfterSigning {
            text = self.with_token(text.into_bytes(), credentials);
        }

        let content_sha256 = self.sends_hash_beside(&parts.headers).then(|| self.payload.header()).transpose()?;
        parts.uri = with_path_and_query(&parts.uri, text, &pieces.host)?;
        for name in TokenHeader::ALL.map(TokenHeader::name).into_iter().chain([&DATE, &REGION_SET]) {
            parts.headers.remove(name);
        }
        parts.headers.remove(AUTHORIZATION);
        if let Some(content_sha256) = content_sha256 {
            parts.headers.try_insert(&CONTENT_SHA256, content_sha256)?;
        }
        Ok(signature)
    }

    pub(super) fn explain_presigned(
        &self,
        parts: &Parts,
        credentials: &Credentials,
        time: SystemTime,
        expires_in: Duration,
    ) -> Result<Explanation, SignError> {
        let pieces = self.pieces_to_presign(parts, credentials, time, expires_in)?;
        let headers = self.presigned_headers(&parts.headers, &pieces);
        let text = self.unsigned(credentials, &pieces, &headers, expires_in);
        let parameters = presigned_parameters(&text);
        let names = headers.names(b";");
        Ok(self.explanation(&self.canonical(parts, &pieces, &parameters, &headers, &names), &pieces.prepared))
    }

    fn pieces_to_presign<'p>(
        &self,
        parts: &'p Parts,
        credentials: &Credentials,
        time: SystemTime,
        expires_in: Duration,
    ) -> Result<Pieces<'p>, SignError>
    where
        Self: 'p,
    {
        if !(1..=LONGEST).contains(&expires_in.as_secs()) {
            return Err(SignError::Expiry(expires_in));
        }
        if let Some(expiry) = credentials.expiry() {
            let left = expiry.duration_since(time).unwrap_or_default();
            if left < Duration::from_secs(expires_in.as_secs()) {
                return Err(SignError::CredentialsExpireFirst { left });
            }
        }
        let query = parts.uri.query().unwrap_or_default();
        let name = |parameter: &'p str| parameter.split('=').next().and_then(auth_parameter);
        if let Some(name) = query.split('&').find_map(name) {
            return Err(SignError::AlreadyPresigned(name.to_owned()));
        }
        self.pieces(parts, credentials)
    }

    pub(super) fn presigned_headers<'h>(&'h self, headers: &'h HeaderMap, pieces: &'h Pieces<'_>) -> SignedHeaders<'h> {
        let mut own: [(&str, Option<&[u8]>); OWN] = [
            ("host", Some(&pieces.host.value)),
            (DATE.as_str(), None),
            (TokenHeader::SecurityToken.name().as_str(), None),
            (TokenHeader::S3Session.name().as_str(), None),
            (CONTENT_SHA256.as_str(), None),
            (REGION_SET.as_str(), None),
        ];
        if self.sends_hash_beside(headers) {
            own[4].1 = Some(self.payload.as_bytes());
        }
        SignedHeaders::new(headers, self.settings.headers, &own)
    }

    /// A URL has no parameter for the payload's hash: where one is needed that is not the default, a header says it. VPC
    /// Lattice, which never signs payloads, wants that spelled out.
    fn sends_hash_beside(&self, headers: &HeaderMap) -> bool {
        let profile = self.settings.profile;
        let is_understood = self.payload == PayloadHash::UNSIGNED && profile.payload != DefaultPayload::Unsigned;
        profile.content_sha256 && !is_understood || headers.contains_key(&CONTENT_SHA256)
    }

    /// Path and query, spelled canonically, with all parameters of the signature but the signature.
    pub(super) fn unsigned(
        &self,
        credentials: &Credentials,
        pieces: &Pieces<'_>,
        headers: &SignedHeaders<'_>,
        expires_in: Duration,
    ) -> String {
        let path = pieces.target.path.as_bytes();
        let query = pieces.target.query().as_bytes();
        let token = credentials.session_token().unwrap_or_default();
        let mut text = Vec::with_capacity(path.len() + query.len() + token.len() + 480);
        text.put(if path.is_empty() { b"/" } else { path });
        text.put(b"?");
        if !query.is_empty() {
            text.put(query);
            text.put(b"&");
        }
        text.put(b"X-Amz-Algorithm=");
        text.put(self.settings.algorithm.name().as_bytes());
        text.put(b"&X-Amz-Credential=");
        encode(&mut text, credentials.access_key_id().as_bytes(), is_unreserved);
        text.put(b"%2F");
        self.scope().write(&mut text, b"%2F");
        text.put(b"&X-Amz-Date=");
        text.put(self.date.timestamp());
        text.put(b"&X-Amz-Expires=");
        text.put(expires_in.as_secs().to_string().as_bytes());
        if let Some(region_set) = self.scope().region_set() {
            text.put(b"&X-Amz-Region-Set=");
            encode(&mut text, region_set, is_unreserved);
        }
        text.put(b"&X-Amz-SignedHeaders=");
        headers.write_names(&mut text, b"%3B");
        match self.settings.profile.token {
            TokenPlacement::Signed => self.with_token(text, credentials),
            TokenPlacement::AfterSigning => into_text(text),
        }
    }

    fn with_token(&self, mut text: Vec<u8>, credentials: &Credentials) -> String {
        if let Some(token) = credentials.session_token().filter(|token| !token.is_empty()) {
            text.put(b"&");
            text.put(self.settings.profile.token_header.parameter().as_bytes());
            text.put(b"=");
            encode(&mut text, token.as_bytes(), is_unreserved);
        }
        into_text(text)
    }
}

/// All parameters of a URL but its signature.
pub(super) fn presigned_parameters(text: &str) -> Parameters<'_> {
    parameters(text.split_once('?').map_or("", |(_, query)| query))
}
