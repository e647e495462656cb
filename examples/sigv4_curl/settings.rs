//! One request and how to sign it, from the command line or from a line of JSON.

use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use http::{HeaderName, HeaderValue, Method, Uri, request::Parts};
use http_body::Body;
use tower_sigv4::{
    Checksum, Chunks, Environment, SignedBody,
    credentials::Credentials,
    sign::{
        DefaultPayload, Explanation, HeaderSelection, PathEncoding, PayloadHash, Profile, Signer, TokenPlacement,
        infer::{InferredRegion, infer},
    },
};

use crate::{
    args::{Encode, Payload, Selection, Token},
    problem::Problem,
};

const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// What `--help` lists, with the choices made.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) method: String,
    pub(crate) url: Uri,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) service: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) region_set: Option<String>,
    pub(crate) sigv4a: bool,
    pub(crate) payload: Option<Payload>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) chunk_size: Option<usize>,
    pub(crate) selection: Selection,
    pub(crate) token: Option<Token>,
    pub(crate) encode: Option<Encode>,
    pub(crate) normalize: Option<bool>,
    pub(crate) presign: Option<u64>,
    pub(crate) time: SystemTime,
}

/// A signed request, and what was signed.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) parts: Parts,
    pub(crate) explanation: Explanation,
    pub(crate) presigned: bool,
}

impl Settings {
    /// Signs the request for a body of this hash.
    pub(crate) fn sign(&self, body: PayloadHash, credentials: &Credentials) -> Result<Signed, Problem> {
        let mut parts = self.parts()?;
        let (signer, profile) = self.signer()?;
        if let Some(option) = self.of_chunks() {
            return Err(Problem::usage(format!("{option} is for a payload in chunks")));
        }
        let payload = self.payload(&parts, body, profile)?;
        let explanation = if let Some(seconds) = self.presign {
            let expires_in = Duration::from_secs(seconds);
            let explanation = signer.explain_presigned(&parts, payload, credentials, self.time, expires_in)?;
            signer.presign(&mut parts, payload, credentials, self.time, expires_in)?;
            explanation
        } else {
            let explanation = signer.explain(&parts, payload, credentials, self.time)?;
            signer.sign(&mut parts, payload, credentials, self.time)?;
            explanation
        };
        Ok(Signed { parts, explanation, presigned: self.presign.is_some() })
    }

    /// Whether the body is signed while it is sent, which takes the body instead of its hash.
    pub(crate) fn is_chunked(&self) -> bool {
        use Payload::{Chunked, ChunkedTrailer, ChunkedUnsignedTrailer};
        matches!(self.payload, Some(Chunked | ChunkedTrailer | ChunkedUnsignedTrailer))
    }

    /// Signs the request for a body in chunks, and gives back those.
    pub(crate) fn sign_chunked<B: Body>(
        &self,
        body: B,
        credentials: &Credentials,
    ) -> Result<(Signed, SignedBody<B>), Problem> {
        if self.presign.is_some() {
            return Err(Problem::usage("a presigned URL cannot speak for chunks: leave out --presign or --payload"));
        }
        let mut parts = self.parts()?;
        let (signer, _) = self.signer()?;
        let mut chunks = self.chunk_size.map_or(Chunks::new(), |bytes| Chunks::new().chunk_size(bytes));
        if self.payload != Some(Payload::Chunked) {
            chunks = with_checksum(chunks, self.checksum)?;
        } else if self.checksum.is_some() {
            return Err(Problem::usage("--checksum is for a payload with a trailer"));
        }
        let body = if self.payload == Some(Payload::ChunkedUnsignedTrailer) {
            signer.sign_chunked_unsigned(&mut parts, body, &chunks, credentials, self.time)?
        } else {
            signer.sign_chunked(&mut parts, body, &chunks, credentials, self.time)?
        };
        let payload = parts.headers.get(CONTENT_SHA256).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let explanation = signer.explain(&parts, payload, credentials, self.time)?;
        Ok((Signed { parts, explanation, presigned: false }, body))
    }

    /// An option that only chunks have.
    fn of_chunks(&self) -> Option<&'static str> {
        let checksum = self.checksum.map(|_| "--checksum");
        checksum.or(self.chunk_size.map(|_| "--chunk-size"))
    }

    fn signer(&self) -> Result<(Signer, Profile), Problem> {
        let (service, region) = self.scope()?;
        let profile = self.profile(&service);
        let selection = match self.selection {
            Selection::Default => HeaderSelection::stable(),
            Selection::All => HeaderSelection::all(),
        };
        let signer = if self.is_sigv4a() { sigv4a(service, region)? } else { Signer::new(service, region) };
        Ok((signer.profile(profile).headers(selection), profile))
    }

    fn is_sigv4a(&self) -> bool {
        self.sigv4a || self.region_set.is_some()
    }

    fn parts(&self) -> Result<Parts, Problem> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| Problem::usage(format!("{:?} is not a method", self.method)))?;
        let mut request = http::Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        for (name, value) in &self.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Problem::usage(format!("{name:?} is not a header name")))?;
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| Problem::usage(format!("the value of the header {name} has control characters")))?;
            request.headers_mut().append(header, value);
        }
        Ok(request.into_parts().0)
    }

    /// Service and region: as given, else as the host's name says, the region else from the environment. For SigV4a the set
    /// of regions takes the place of the region.
    fn scope(&self) -> Result<(String, String), Problem> {
        let parts = self.parts()?;
        let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let host = header.or(parts.uri.host()).unwrap_or_default();
        let found = infer(host, parts.uri.path());
        let service = match (&self.service, &found) {
            (Some(service), _) => service.clone(),
            (None, Some(found)) => found.service.to_string(),
            (None, None) => {
                return Err(Problem::usage(format!("the host {host:?} does not tell the service: give --service")));
            }
        };
        let region = match (self.region_set.as_ref().or(self.region.as_ref()), found.map(|found| found.region)) {
            (Some(region), _) => region.clone(),
            (None, Some(InferredRegion::Any)) if self.sigv4a => "*".to_owned(),
            (None, Some(InferredRegion::One(region))) => region.into_owned(),
            (None, Some(InferredRegion::Any)) => {
                return Err(Problem::usage(format!("{host} serves several regions, which only --sigv4a can sign for")));
            }
            (None, Some(InferredRegion::Unsaid) | None) => region_of_environment().ok_or_else(|| {
                Problem::usage(format!("the host {host:?} does not tell the region: give --region or set AWS_REGION"))
            })?,
        };
        Ok((service, region))
    }

    /// The one region in which a role is assumed.
    pub(crate) fn region_of_credentials(&self) -> Result<String, Problem> {
        let (_, region) = self.scope()?;
        if !self.is_sigv4a() {
            return Ok(region);
        }
        Ok(self.region.clone().or_else(region_of_environment).unwrap_or_else(|| "us-east-1".to_owned()))
    }

    fn profile(&self, service: &str) -> Profile {
        let mut profile = Profile::for_service(service);
        if let Some(encode) = self.encode {
            profile.path_encoding = match encode {
                Encode::Single => PathEncoding::Single,
                Encode::Double => PathEncoding::Double,
            };
        }
        if let Some(token) = self.token {
            profile.token = match token {
                Token::Signed => TokenPlacement::Signed,
                Token::After => TokenPlacement::AfterSigning,
            };
        }
        profile.normalize_path = self.normalize.unwrap_or(profile.normalize_path);
        profile
    }

    /// What is said of the body: a hash that the request already carries counts, unless another mode is asked for.
    fn payload(&self, parts: &Parts, body: PayloadHash, profile: Profile) -> Result<PayloadHash, Problem> {
        let carried = parts.headers.get(CONTENT_SHA256);
        match (self.payload, carried) {
            (Some(Payload::Unsigned), _) => Ok(PayloadHash::UNSIGNED),
            (Some(Payload::Precomputed) | None, Some(carried)) => {
                let carried = carried
                    .to_str()
                    .map_err(|_| Problem::usage(format!("the value of {CONTENT_SHA256} is not a hash")))?;
                Ok(PayloadHash::try_from(carried)?)
            }
            (None, None) if profile.payload == DefaultPayload::Unsigned => Ok(PayloadHash::UNSIGNED),
            (None, None) if self.presign.is_some() && profile.presigned_payload() == PayloadHash::UNSIGNED => {
                Ok(PayloadHash::UNSIGNED)
            }
            _ => Ok(body),
        }
    }
}

#[cfg(feature = "checksums")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn with_checksum(chunks: Chunks, checksum: Option<Checksum>) -> Result<Chunks, Problem> {
    Ok(chunks.checksum(checksum.unwrap_or(Checksum::Crc64Nvme)))
}

#[cfg(not(feature = "checksums"))]
fn with_checksum(_: Chunks, _: Option<Checksum>) -> Result<Chunks, Problem> {
    Err(Problem::usage("a payload with a trailer takes the feature `checksums`: build with --features checksums"))
}

#[cfg(feature = "sigv4a")]
#[allow(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn sigv4a(service: String, region_set: String) -> Result<Signer, Problem> {
    Ok(Signer::sigv4a(service, region_set))
}

#[cfg(not(feature = "sigv4a"))]
fn sigv4a(_: String, _: String) -> Result<Signer, Problem> {
    Err(Problem::usage("SigV4a takes the feature `sigv4a`: build with --features sigv4a"))
}

fn region_of_environment() -> Option<String> {
    let environment = Environment::process();
    let set = |name| environment.var(name).ok().flatten();
    set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))
}

/// A URL with a scheme and a host.
pub(crate) fn parse_url(url: &str) -> Result<Uri, Problem> {
    let parsed = url.parse::<Uri>().map_err(|error| {
        let encode = url.bytes().any(|byte| byte <= b' ' || b"<>`".contains(&byte));
        let hint = if encode { "; write %20 for a space, %3C and %3E for angle brackets" } else { "" };
        Problem::usage(format!("{url:?} is not a URL: {error}{hint}"))
    })?;
    match (parsed.scheme_str(), parsed.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(parsed),
        _ => Err(Problem::usage(format!("{url:?} is not a URL that starts with http:// or https://"))),
    }
}

/// `20150830T123600Z`
pub(crate) fn parse_time(text: &str) -> Result<SystemTime, Problem> {
    let wrong = || Problem::usage(format!("the time {text:?} is no time of the form 20150830T123600Z"));
    let digits = |range| text.get(range).filter(|digits: &&str| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (Some(date), Some("T"), Some(time), Some("Z")) = (digits(0..8), text.get(8..9), digits(9..15), text.get(15..))
    else {
        return Err(wrong());
    };
    let (date, time) = (
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]),
        format!("{}:{}:{}", &time[..2], &time[2..4], &time[4..]),
    );
    let parsed = DateTime::from_str(&format!("{date}T{time}Z"), Format::DateTime).map_err(|_| wrong())?;
    SystemTime::try_from(parsed).map_err(|_| wrong())
}
