use http::{HeaderName, Uri};

use super::PayloadHash;

/// How the path stands in the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathEncoding {
    /// The decoded path is encoded once: S3 and its relatives.
    Single,
    /// The path is encoded as it stands, so that a `%` becomes `%25`: every other service.
    Double,
}

/// Where the session token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPlacement {
    /// It is part of the signature.
    Signed,
    /// It is added once the request is signed.
    AfterSigning,
}

/// The habits of one service: how its requests are written before they are signed.
///
/// [`Profile::for_service`] knows those of AWS's services. Each part can be set, for services that are not in its list
/// and for servers that only speak like one.
///
/// ```
/// use tower_sigv4::sign::{PathEncoding, Profile};
///
/// assert_eq!(Profile::for_service("s3").path_encoding, PathEncoding::Single);
/// let mut profile = Profile::for_service("execute-api");
/// profile.normalize_path = false;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// How the path is encoded.
    pub path_encoding: PathEncoding,
    /// Whether empty and dot segments are taken out of the path, on the wire too.
    pub normalize_path: bool,
    /// Whether `x-amz-content-sha256` is sent. It is always sent where what is signed is not the body's hash, since the
    /// server cannot know that otherwise.
    pub content_sha256: bool,
    /// Where the session token goes.
    pub token: TokenPlacement,
    /// The header that carries the session token: `x-amz-security-token` but for S3 Express.
    pub token_header: TokenHeader,
    /// What a layer signs of the body where nothing else is said.
    pub payload: DefaultPayload,
}

static SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
static S3_SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-s3session-token");

/// The header that carries the session token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenHeader {
    /// `x-amz-security-token`
    SecurityToken,
    /// `x-amz-s3session-token`, for the sessions of S3 Express directory buckets. The two kinds of request that come before
    /// a session, `CreateSession` itself (`GET /?session`) and those to the hosts `s3express-control`, carry
    /// `x-amz-security-token`. Where role credentials are used on a bucket without a session, take
    /// [`SecurityToken`](Self::SecurityToken).
    ///
    /// See [`CreateSession`](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html).
    S3Session,
}

impl TokenHeader {
    /// An earlier token goes, whichever name it used.
    pub(crate) const ALL: [Self; 2] = [Self::SecurityToken, Self::S3Session];

    /// The one for this request.
    pub(super) fn of_request(self, host: &[u8], uri: &Uri) -> Self {
        let is_control = || {
            let label = host.split(|byte| *byte == b'.').next().unwrap_or_default();
            ["s3express-control", "s3express-control-fips"]
                .iter()
                .any(|name| label.eq_ignore_ascii_case(name.as_bytes()))
        };
        let creates_session = || {
            let mut parameters = uri.query().unwrap_or_default().split('&');
            parameters.any(|parameter| matches!(parameter, "session" | "session="))
        };
        match self {
            Self::S3Session if is_control() || creates_session() => Self::SecurityToken,
            header => header,
        }
    }

    pub(crate) fn name(self) -> &'static HeaderName {
        match self {
            Self::SecurityToken => &SECURITY_TOKEN,
            Self::S3Session => &S3_SESSION_TOKEN,
        }
    }

    /// The name of the parameter of a presigned URL.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::SecurityToken => "X-Amz-Security-Token",
            Self::S3Session => "X-Amz-S3session-Token",
        }
    }
}

/// What a layer signs of the body where neither the builder nor the request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefaultPayload {
    /// The body is buffered up to a limit and hashed; a larger one is refused.
    Signed,
    /// The body is hashed where it can be buffered, and goes out unsigned otherwise.
    SignedIfSmall,
    /// The body is not part of the signature.
    Unsigned,
}

impl Profile {
    /// What most services expect.
    const STANDARD: Self = Self {
        path_encoding: PathEncoding::Double,
        normalize_path: true,
        content_sha256: false,
        token: TokenPlacement::Signed,
        token_header: TokenHeader::SecurityToken,
        payload: DefaultPayload::Signed,
    };

    /// The profile of a service, by the name that stands in its credential scope.
    pub fn for_service(service: &str) -> Self {
        match service {
            "s3" | "s3-outposts" | "s3-object-lambda" => Self::S3,
            "s3express" => Self { token_header: TokenHeader::S3Session, ..Self::S3 },
            "glacier" | "aoss" => Self { content_sha256: true, ..Self::STANDARD },
            "vpc-lattice-svcs" => Self { content_sha256: true, payload: DefaultPayload::Unsigned, ..Self::STANDARD },
            "iotdevicegateway" => Self { token: TokenPlacement::AfterSigning, ..Self::STANDARD },
            _ => Self::STANDARD,
        }
    }

    const S3: Self = Self {
        path_encoding: PathEncoding::Single,
        normalize_path: false,
        content_sha256: true,
        payload: DefaultPayload::SignedIfSmall,
        ..Self::STANDARD
    };

    /// What a presigned URL says of the body where the caller says nothing: S3 leaves it open, every other service takes
    /// the hash of an empty one.
    pub fn presigned_payload(&self) -> PayloadHash {
        match self.payload {
            DefaultPayload::Signed => PayloadHash::EMPTY,
            DefaultPayload::SignedIfSmall | DefaultPayload::Unsigned => PayloadHash::UNSIGNED,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use http::Request;

    use super::*;
    use crate::sign::Signer;

    #[test]
    fn what_comes_before_a_session_of_s3_express_carries_the_usual_token() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("token".into()), None, "test");
        let signer = Signer::new("s3express", "us-west-2");
        let bucket = "https://b--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com";
        let control = "https://s3express-control.us-west-2.amazonaws.com";
        for (uri, expected) in [
            (format!("{bucket}/key"), TokenHeader::S3Session),
            (format!("{bucket}/session"), TokenHeader::S3Session),
            (format!("{bucket}/?sessions&prefix=session"), TokenHeader::S3Session),
            (format!("{bucket}/?session"), TokenHeader::SecurityToken),
            (format!("{bucket}/?a=b&session="), TokenHeader::SecurityToken),
            (format!("{control}/"), TokenHeader::SecurityToken),
            (format!("{control}/b--usw2-az1--x-s3?policy"), TokenHeader::SecurityToken),
            ("https://S3Express-Control-FIPS.us-west-2.amazonaws.com/".to_owned(), TokenHeader::SecurityToken),
            (bucket.replace("b--", "s3express-control-b--"), TokenHeader::S3Session),
        ] {
            let parts = || Request::get(&uri).body(()).unwrap().into_parts().0;
            let mut signed = parts();
            signer.sign(&mut signed, PayloadHash::EMPTY, &credentials, UNIX_EPOCH).unwrap();
            let authorization = signed.headers["authorization"].to_str().unwrap();
            let mut url = parts();
            let hour = Duration::from_secs(3600);
            signer.presign(&mut url, PayloadHash::UNSIGNED, &credentials, UNIX_EPOCH, hour).unwrap();
            for header in TokenHeader::ALL {
                let is_expected = header == expected;
                assert_eq!(signed.headers.contains_key(header.name()), is_expected, "{uri}");
                assert_eq!(authorization.contains(header.name().as_str()), is_expected, "{uri}");
                assert_eq!(url.uri.to_string().contains(header.parameter()), is_expected, "{uri}");
            }
        }
    }
}
