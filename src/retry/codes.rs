//! What the error codes of AWS's services ask of a client.

use http::Response;

use super::error_code::error_codes;

/// What an error code asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Less: the same request is welcome later.
    Throttled,
    /// The same once more: the service stumbled.
    Transient,
    /// Other credentials.
    Credentials,
    /// Another time, if the clocks differ: services say it of signatures that are wrong for other reasons too.
    Clock,
}

use Meaning::{Clock, Credentials, Throttled, Transient};

/// The codes that are acted on; any other is the caller's to deal with.
///
/// See [Retry behavior](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html) and
/// [Common error types](https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html).
const CODES: [(&str, Meaning); 30] = [
    ("BandwidthLimitExceeded", Throttled),
    ("EC2ThrottledException", Throttled),
    ("LimitExceededException", Throttled),
    ("PriorRequestNotComplete", Throttled),
    ("ProvisionedThroughputExceededException", Throttled),
    ("RequestLimitExceeded", Throttled),
    ("RequestThrottled", Throttled),
    ("RequestThrottledException", Throttled),
    ("SlowDown", Throttled),
    ("ThrottledException", Throttled),
    ("Throttling", Throttled),
    ("ThrottlingException", Throttled),
    ("TooManyRequestsException", Throttled),
    ("TransactionInProgressException", Throttled),
    ("IDPCommunicationError", Transient),
    ("RequestTimeout", Transient),
    ("RequestTimeoutException", Transient),
    ("ExpiredToken", Credentials),
    ("ExpiredTokenException", Credentials),
    ("InvalidAccessKeyId", Credentials),
    ("InvalidClientTokenId", Credentials),
    ("InvalidToken", Credentials),
    ("UnrecognizedClientException", Credentials),
    ("AccessDeniedException", Clock),
    ("AuthFailure", Clock),
    ("InvalidSignatureException", Clock),
    ("RequestExpired", Clock),
    ("RequestInTheFuture", Clock),
    ("RequestTimeTooSkewed", Clock),
    ("SignatureDoesNotMatch", Clock),
];

/// What a code asks for.
fn meaning(code: &str) -> Option<Meaning> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// What the codes of an answer ask for: the first that is known.
pub(crate) fn meaning_of<B>(response: &Response<B>) -> Option<Meaning> {
    if response.status().is_success() {
        return None;
    }
    error_codes(response).find_map(meaning)
}

/// Whether an answer says that the credentials are expired, revoked or unknown. A 403 with no code does not.
pub(crate) fn rejects_credentials<B>(response: &Response<B>) -> bool {
    response.status().is_client_error() && meaning_of(response) == Some(Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_is_found_as_it_is_written() {
        for (code, expected) in CODES {
            assert_eq!(meaning(code), Some(expected), "{code}");
            assert_eq!(CODES.iter().filter(|(other, _)| *other == code).count(), 1, "{code}");
            assert_eq!(meaning(&code.to_lowercase()), None, "{code}");
        }
        assert_eq!(meaning("ValidationException"), None);
    }

    #[test]
    fn only_an_error_that_names_the_credentials_rejects_them() {
        let answer = |status: u16, headers: &[(&'static str, &'static str)]| {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(()).unwrap()
        };
        assert!(rejects_credentials(&answer(400, &[("x-amzn-errortype", "ns#ExpiredTokenException:uri")])));
        assert!(rejects_credentials(&answer(403, &[("x-amz-error-code", "InvalidAccessKeyId")])));
        assert!(rejects_credentials(&answer(
            400,
            &[("x-amzn-errortype", "Renamed"), ("x-amzn-query-error", "ExpiredToken;Sender")]
        )));
        assert!(!rejects_credentials(&answer(403, &[])));
        assert!(!rejects_credentials(&answer(403, &[("x-amzn-errortype", "AccessDeniedException")])));
        assert!(!rejects_credentials(&answer(200, &[("x-amzn-errortype", "ExpiredToken")])));
        assert!(!rejects_credentials(&answer(503, &[("x-amzn-errortype", "ExpiredToken")])));
    }
}
