//! A request, and how each of the two signs it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use proptest::test_runner::TestCaseError;
use tower_sigv4::sign::{
    HeaderSelection, PathEncoding, PayloadHash, Profile, SignError, Signature, Signer, TokenHeader, TokenPlacement,
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload {
    Body(Vec<u8>),
    Unsigned,
}

/// A request that is to be signed, in pieces that can be looked at and changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) service: &'static str,
    pub(crate) region: String,
    pub(crate) method: String,
    pub(crate) scheme: &'static str,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) payload: Payload,
    pub(crate) all_headers: bool,
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) seconds: u64,
    /// The life of a presigned URL; `None` where the headers are signed.
    pub(crate) expires_in: Option<u64>,
}

impl Case {
    pub(crate) fn profile(&self) -> Profile {
        Profile::for_service(self.service)
    }

    pub(crate) fn is_single_encoded(&self) -> bool {
        self.profile().path_encoding == PathEncoding::Single
    }

    pub(crate) fn is_presigned(&self) -> bool {
        self.expires_in.is_some()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, &self.secret, self.token.clone(), None, "test")
    }

    fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }

    pub(crate) fn uri(&self) -> String {
        let query = self.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        format!("{}://{}{}{query}", self.scheme, self.authority, self.path)
    }

    pub(crate) fn parts(&self) -> Parts {
        let request = Request::builder().method(self.method.as_str()).uri(self.uri());
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.headers = self.header_map();
        parts
    }

    fn header_map(&self) -> HeaderMap {
        let pair = |(name, value): &(&'static str, Vec<u8>)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        self.headers.iter().map(pair).collect()
    }

    /// The values of a header, where it is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| *other == name)
    }

    pub(crate) fn remove(&mut self, names: &[&str]) {
        self.headers.retain(|(name, _)| !names.contains(name));
    }

    pub(crate) fn signer(&self) -> Signer {
        let selection = if self.all_headers { HeaderSelection::all() } else { HeaderSelection::stable() };
        Signer::new(self.service, self.region.clone()).headers(selection)
    }

    pub(crate) fn payload_hash(&self) -> PayloadHash {
        match &self.payload {
            Payload::Body(body) => PayloadHash::of(body),
            Payload::Unsigned => PayloadHash::UNSIGNED,
        }
    }

    pub(crate) fn sign(&self, parts: &mut Parts) -> Result<Signature, SignError> {
        self.sign_by(&self.signer(), parts)
    }

    pub(crate) fn sign_by(&self, signer: &Signer, parts: &mut Parts) -> Result<Signature, SignError> {
        let (payload, credentials) = (self.payload_hash(), self.credentials());
        match self.expires_in {
            None => signer.sign(parts, payload, &credentials, self.time()),
            Some(seconds) => signer.presign(parts, payload, &credentials, self.time(), Duration::from_secs(seconds)),
        }
    }

    fn explained(&self) -> Result<String, SignError> {
        let (signer, payload, credentials) = (self.signer(), self.payload_hash(), self.credentials());
        let parts = self.parts();
        let explanation = match self.expires_in {
            None => signer.explain(&parts, payload, &credentials, self.time())?,
            Some(seconds) => {
                let life = Duration::from_secs(seconds);
                signer.explain_presigned(&parts, payload, &credentials, self.time(), life)?
            }
        };
        Ok(explanation.canonical_request)
    }

    /// The same by `aws-sigv4`, with the settings that fit the service's profile.
    fn signed_by_aws(&self, says_hash: bool) -> Result<String, String> {
        let profile = self.profile();
        let mut settings = SigningSettings::default();
        if profile.path_encoding == PathEncoding::Single {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
        }
        if !profile.normalize_path {
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if profile.content_sha256 || says_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if profile.token == TokenPlacement::AfterSigning {
            settings.session_token_mode = SessionTokenMode::Exclude;
        }
        if profile.token_header == TokenHeader::S3Session {
            let is_presigned = self.is_presigned();
            settings.session_token_name_override =
                Some(if is_presigned { "X-Amz-S3session-Token" } else { "x-amz-s3session-token" });
        }
        if let Some(seconds) = self.expires_in {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        let identity = self.credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(self.time())
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let body = match &self.payload {
            Payload::Body(body) => SignableBody::Bytes(body),
            Payload::Unsigned => SignableBody::UnsignedPayload,
        };
        let text = |value: &'_ Vec<u8>| String::from_utf8(value.clone()).map_err(|_| "it takes text alone".to_owned());
        let headers: Vec<(&str, String)> =
            self.headers.iter().map(|(name, value)| Ok((*name, text(value)?))).collect::<Result<_, String>>()?;
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let request =
            SignableRequest::new(&self.method, self.uri(), headers, body).map_err(|error| error.to_string())?;
        Ok(sign(request, &params).map_err(|error| error.to_string())?.signature().to_owned())
    }
}

/// What each of the two is given to sign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    pub(crate) ours: Case,
    pub(crate) theirs: Case,
    /// Whether `aws-sigv4` is told to send the hash in a header, beyond what the profile says.
    pub(crate) they_say_the_hash: bool,
}

impl Pair {
    pub(crate) fn of(case: &Case) -> Self {
        Self { ours: case.clone(), theirs: case.clone(), they_say_the_hash: false }
    }

    /// Whether both signatures are the same. Where `aws-sigv4` makes none, they are not.
    pub(crate) fn agrees(&self) -> Result<bool, TestCaseError> {
        let ours = self.ours.sign(&mut self.ours.parts()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        Ok(self.theirs.signed_by_aws(self.they_say_the_hash).is_ok_and(|theirs| theirs == ours.as_str()))
    }

    pub(crate) fn explained(&self) -> String {
        self.ours.explained().unwrap_or_else(|error| error.to_string())
    }
}
