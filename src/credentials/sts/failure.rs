//! How a call of STS fails: which failures pass, which last, and what the user can do about each.

use http::StatusCode;

use super::answer::Unreadable;
use crate::{
    credentials::{CredentialsError, ProviderFailure, http::HttpError},
    sign::SignError,
};

/// Codes of a service that is asked too often. AWS's services end them with `Exception` or not.
const THROTTLING: [&str; 9] = [
    "Throttling",
    "Throttled",
    "RequestThrottled",
    "TooManyRequests",
    "RequestLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2Throttled",
    "BandwidthLimitExceeded",
];

/// Codes after which asking again with the same settings fails again.
const LASTING: [&str; 6] = [
    "AccessDenied",
    "IDPRejectedClaim",
    "InvalidIdentityToken",
    "MalformedPolicyDocument",
    "PackedPolicyTooLarge",
    "RegionDisabled",
];

/// Codes that speak of the keys which signed the request.
const REJECTED_KEY: [&str; 6] = [
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "InvalidClientToken",
];

/// Why a call gave no credentials.
#[derive(Debug)]
pub(crate) enum CallFailure {
    NoAnswer(HttpError),
    Refused(Refusal),
    Unreadable(Unreadable),
    NotSigned(SignError),
    /// What the caller made of it already.
    Told(CredentialsError),
}

/// An answer that is not a success.
#[derive(Debug, thiserror::Error)]
#[error("STS answered {status}{}{}", told(": ", .message), told("; its request id is ", .request_id))]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    /// Without the `Exception` that some of AWS's services put at its end; empty where the answer holds none.
    pub(super) code: String,
    /// Only what may be shown: one line, of a bounded length, with no secret that was sent.
    pub(super) message: String,
    pub(super) request_id: String,
}

fn told(before: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{before}{text}") }
}

impl CallFailure {
    /// Whether the same call may succeed in a moment.
    pub(super) fn is_passing(&self, action: &str) -> bool {
        match self {
            Self::NoAnswer(error) => error.is_retryable(),
            Self::Refused(refusal) => refusal.is_passing(action),
            Self::Unreadable(_) | Self::NotSigned(_) | Self::Told(_) => false,
        }
    }

    /// Whether other keys could succeed where these failed.
    pub(super) fn is_rejected_key(&self) -> bool {
        matches!(self, Self::Refused(refusal) if REJECTED_KEY.contains(&refusal.code.as_str()))
    }

    /// The error of the provider that called.
    pub(crate) fn into_error(self, provider: &'static str, action: &'static str, role_arn: &str) -> CredentialsError {
        let failure = |what: String| ProviderFailure::new(provider, format!("{action} for {role_arn} {what}"));
        match self {
            Self::Told(error) => error,
            Self::NoAnswer(error) => failure("got no answer from STS".into())
                .next_step("see that the endpoint of STS can be reached from here, or set AWS_ENDPOINT_URL_STS")
                .caused_by(error)
                .provider_error(),
            Self::Unreadable(error) => {
                failure("got an answer from STS that cannot be read".into()).caused_by(error).unhandled()
            }
            Self::NotSigned(error) => failure("could not be signed".into()).lasting().caused_by(error).provider_error(),
            Self::Refused(refusal) => {
                let what = match refusal.code.as_str() {
                    "" => format!("was answered {} and nothing that says why", refusal.status),
                    code => format!("was refused: {code}"),
                };
                let mut failure = failure(what);
                if let Some(next_step) = refusal.next_step(action) {
                    failure = failure.next_step(next_step);
                }
                if LASTING.contains(&refusal.code.as_str()) {
                    failure = failure.lasting();
                }
                failure.caused_by(refusal).provider_error()
            }
        }
    }
}

impl Refusal {
    fn is_passing(&self, action: &str) -> bool {
        let passing_status = self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS;
        let code = self.code.as_str();
        let passing_code = THROTTLING.contains(&code) || ["IDPCommunicationError", "RequestTimeout"].contains(&code);
        // A token that was just issued may not be known yet to the identity provider's every host.
        let young_token = code == "InvalidIdentityToken" && action == "AssumeRoleWithWebIdentity";
        passing_status || passing_code || young_token
    }

    fn next_step(&self, action: &str) -> Option<&'static str> {
        let web_identity = action == "AssumeRoleWithWebIdentity";
        Some(match self.code.as_str() {
            "AccessDenied" if web_identity => {
                "see that the role's trust policy allows sts:AssumeRoleWithWebIdentity for the issuer, audience and \
                 subject of the token"
            }
            "AccessDenied" => {
                "see that the role's trust policy names the caller (and its external id or MFA), and that the caller \
                 may call sts:AssumeRole on the role"
            }
            "ExpiredToken" if web_identity => "see that what writes the token file still renews it",
            "InvalidIdentityToken" => {
                "see that the account has an OIDC identity provider for the issuer of the token, and that the token \
                 file holds the token whole"
            }
            "IDPRejectedClaim" => "have the identity provider issue a new token",
            "MalformedPolicyDocument" => "correct the session policy",
            "PackedPolicyTooLarge" => "shorten the session policy and the tags, or name fewer policy ARNs",
            "RegionDisabled" => "activate STS in this region for the account, or set AWS_REGION to another",
            "SignatureDoesNotMatch" => {
                "see that the source's secret belongs to its key, and check this machine's clock"
            }
            code if REJECTED_KEY.contains(&code) => "renew the source credentials where they come from",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::testing::vectors;

    const BOTH: [&str; 2] = ["AssumeRole", "AssumeRoleWithWebIdentity"];

    fn refused(status: u16, code: &str) -> CallFailure {
        let code = code.strip_suffix("Exception").unwrap_or(code).to_owned();
        let status = StatusCode::from_u16(status).unwrap();
        CallFailure::Refused(Refusal { status, code, message: "said".into(), request_id: String::new() })
    }

    fn text(failure: CallFailure, action: &'static str) -> (bool, String) {
        let error = failure.into_error("assume role", action, "arn:r");
        assert!(matches!(error, CredentialsError::ProviderError(_)), "{error:?}");
        let failure = ProviderFailure::find(&error).unwrap();
        (failure.is_recoverable(), failure.to_string())
    }

    #[test]
    fn what_passes_and_what_lasts() {
        for (status, code, passing) in [
            (400, "Throttling", true),
            (400, "IDPCommunicationError", true),
            (429, "", true),
            (500, "", true),
            (503, "AccessDenied", true),
            (403, "AccessDenied", false),
            (400, "ExpiredToken", false),
            (302, "", false),
            (400, "", false),
        ] {
            for action in BOTH {
                assert_eq!(refused(status, code).is_passing(action), passing, "{status} {code}");
            }
        }
        assert!(refused(400, "InvalidIdentityToken").is_passing(BOTH[1]));
        assert!(!refused(400, "InvalidIdentityToken").is_passing(BOTH[0]));
        assert!(!CallFailure::Unreadable(Unreadable::NotXml).is_passing(BOTH[0]));
    }

    #[test]
    fn what_to_do_is_said() {
        let (recoverable, words) = text(refused(403, "AccessDenied"), BOTH[0]);
        assert!(!recoverable);
        assert!(words.starts_with("assume role: AssumeRole for arn:r was refused: AccessDenied; see that"), "{words}");
        let (recoverable, words) = text(refused(400, "ExpiredToken"), BOTH[1]);
        assert!(recoverable && words.contains("still renews it"), "{words}");
        let (recoverable, words) = text(refused(400, "ExpiredToken"), BOTH[0]);
        assert!(recoverable && words.contains("renew the source"), "{words}");
        let (recoverable, words) = text(refused(418, ""), BOTH[0]);
        assert!(recoverable && words.contains("was answered 418"), "{words}");
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let mut refusal = Refusal {
            status: StatusCode::FORBIDDEN,
            code: "AccessDenied".into(),
            message: "not you".into(),
            request_id: "1-2".into(),
        };
        assert_eq!(refusal.to_string(), "STS answered 403 Forbidden: not you; its request id is 1-2");
        refusal.message.clear();
        refusal.request_id.clear();
        assert_eq!(refusal.to_string(), "STS answered 403 Forbidden");
    }

    #[test]
    #[ignore = "wants SIGV4_VECTORS, the folder with the cases"]
    fn every_error_code_of_the_vectors() {
        let codes = vectors("sts/error-codes.json");
        let list = |name: &str| -> Vec<String> {
            codes[name].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
        };
        for entry in list("retry_in_call") {
            let (code, web_identity_only) = entry.split_once(' ').map_or((&*entry, false), |(code, _)| (code, true));
            assert!(refused(400, code).is_passing(BOTH[1]), "{code}");
            assert_eq!(refused(400, code).is_passing(BOTH[0]), !web_identity_only, "{code}");
        }
        for status in codes["retry_status"].as_array().unwrap() {
            assert!(refused(u16::try_from(status.as_u64().unwrap()).unwrap(), "").is_passing(BOTH[0]), "{status}");
        }
        for (name, expected) in [("non_recoverable_for_cache", false), ("recoverable_for_cache", true)] {
            for code in list(name) {
                assert_eq!(text(refused(400, &code), BOTH[1]).0, expected, "{code}");
            }
        }
        for (name, expected) in [("invalidate_on_service_response", true), ("never_invalidate_on", false)] {
            for code in list(name) {
                assert_eq!(refused(400, &code).is_rejected_key(), expected, "{code}");
            }
        }
    }
}
