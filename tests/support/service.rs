//! A service that checks signatures as AWS's do, with `aws-sigv4` as the judge.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::{HeaderMap, Response, header::HOST, request::Parts};
use http_body_util::Full;

/// What services tolerate between their time and a signature's.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Why a request is refused: the code that the service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    MissingAuthenticationToken,
    InvalidAccessKeyId,
    ExpiredToken,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
}

/// A request that was signed as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub access_key_id: String,
    pub signed_at: SystemTime,
    pub service: String,
    pub region: String,
    pub signed_headers: Vec<String>,
}

/// Who may sign, and until when.
#[derive(Debug, Default)]
pub struct Authority(Mutex<HashMap<String, Key>>);

#[derive(Debug, Clone)]
struct Key {
    credentials: Credentials,
    revoked: bool,
}

impl Authority {
    /// Whose credentials are these from now on.
    pub fn knowing(credentials: impl IntoIterator<Item = Credentials>) -> Self {
        let authority = Self::default();
        credentials.into_iter().for_each(|credentials| authority.add(credentials));
        authority
    }

    pub fn add(&self, credentials: Credentials) {
        let key = Key { credentials, revoked: false };
        self.0.lock().unwrap().insert(key.credentials.access_key_id().to_owned(), key);
    }

    pub fn revoke(&self, access_key_id: &str) {
        self.0.lock().unwrap().get_mut(access_key_id).unwrap().revoked = true;
    }

    /// Judges a request by what arrived. `full` has the signature computed anew, which takes the most of the time.
    pub fn judge(&self, parts: &Parts, body: &[u8], now: SystemTime, full: bool) -> Result<Accepted, Refusal> {
        let claim = Claim::of(&parts.headers).ok_or(Refusal::MissingAuthenticationToken)?;
        let key = self.0.lock().unwrap().get(&claim.access_key_id).cloned().ok_or(Refusal::InvalidAccessKeyId)?;
        let difference = now.duration_since(claim.signed_at).unwrap_or_else(|error| error.duration());
        if difference > TOLERANCE {
            return Err(Refusal::RequestTimeTooSkewed);
        }
        if key.revoked || key.credentials.expiry().is_some_and(|expiry| expiry <= now) {
            return Err(Refusal::ExpiredToken);
        }
        if full && claim.signature != claim.computed(parts, body, &key.credentials) {
            return Err(Refusal::SignatureDoesNotMatch);
        }
        let Claim { access_key_id, signed_at, service, region, signed_headers, .. } = claim;
        Ok(Accepted { access_key_id, signed_at, service, region, signed_headers })
    }
}

/// What a request says of its signature.
struct Claim {
    access_key_id: String,
    region: String,
    service: String,
    signed_headers: Vec<String>,
    signature: String,
    signed_at: SystemTime,
}

impl Claim {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let authorization = headers.get("authorization")?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name| authorization.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/');
        let access_key_id = scope.next()?.to_owned();
        let [_, region, service, "aws4_request"] = scope.collect::<Vec<_>>()[..] else { return None };
        let date = headers.get("x-amz-date")?.to_str().ok()?;
        let iso = format!("{}-{}-{}:{}:{}", &date[..4], &date[4..6], &date[6..11], &date[11..13], &date[13..]);
        Some(Self {
            access_key_id,
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
            signed_at: DateTime::from_str(&iso, Format::DateTime).ok()?.try_into().ok()?,
        })
    }

    fn computed(&self, parts: &Parts, body: &[u8], credentials: &Credentials) -> String {
        let host = match (parts.headers.get(HOST), parts.uri.authority()) {
            (Some(host), _) => host.to_str().unwrap(),
            (None, Some(authority)) => authority.as_str(),
            (None, None) => return "no host".to_owned(),
        };
        let hash = parts.headers.get("x-amz-content-sha256").map(|hash| hash.to_str().unwrap());
        let body = match hash {
            // A hash that is not the body's leads to another signature.
            Some(hash) if hash.len() == 64 => SignableBody::Bytes(body),
            Some(hash) => SignableBody::Precomputed(hash.to_owned()),
            None => SignableBody::Bytes(body),
        };
        let own = ["x-amz-date", "x-amz-security-token", "authorization"];
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name) && !own.contains(&name);
        let headers: Vec<_> = parts
            .headers
            .iter()
            .filter(|(name, _)| is_signed(name.as_str()))
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = format!("https://{host}{path}");
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.signed_at)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let request = SignableRequest::new(parts.method.as_str(), uri, headers.into_iter(), body).unwrap();
        sign(request, &params).unwrap().signature().to_owned()
    }
}

/// The answer of a service that has the time `now`: without a code it is a success.
///
/// `in_header` puts the code where services that speak JSON have it; else it stands in the body alone, as with S3.
pub fn answer(status: u16, code: Option<&str>, in_header: bool, now: SystemTime) -> Response<Full<Bytes>> {
    let date = DateTime::from(now).fmt(Format::HttpDate).unwrap();
    let mut response = Response::builder().status(status).header("date", date);
    let body = match code {
        Some(code) if in_header => {
            response = response.header("x-amzn-errortype", code);
            String::new()
        }
        Some(code) => format!("<Error><Code>{code}</Code><Message>refused</Message></Error>"),
        None => "done".to_owned(),
    };
    response.body(Full::from(body)).unwrap()
}

/// The answer to what was judged.
pub fn answer_to(judged: &Result<Accepted, Refusal>, in_header: bool, now: SystemTime) -> Response<Full<Bytes>> {
    match judged {
        Ok(_) => answer(200, None, in_header, now),
        Err(refusal) => answer(403, Some(&format!("{refusal:?}")), in_header, now),
    }
}
