use std::{fmt, io};

use http_body_util::LengthLimitError;
use tower::BoxError;

/// Why an exchange gave no answer.
#[derive(Debug)]
pub(crate) struct HttpError {
    kind: HttpErrorKind,
    source: Option<BoxError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum HttpErrorKind {
    /// No connection came about.
    Connect,
    /// The deadline passed.
    Timeout,
    /// The body is longer than such an answer can be.
    TooLarge,
    /// There is no tokio runtime to wait in.
    NoRuntime,
    /// There is no client: the feature is off and none was given.
    #[cfg_attr(feature = "client", allow(dead_code))]
    NoClient,
    /// The connection broke, or the answer was not HTTP.
    Other,
}

impl HttpError {
    pub(crate) fn new(kind: HttpErrorKind) -> Self {
        Self { kind, source: None }
    }

    #[cfg(feature = "client")]
    pub(crate) fn caused_by(kind: HttpErrorKind, source: BoxError) -> Self {
        Self { kind, source: Some(source) }
    }

    /// The kind of an error that came through the stack of [`HttpClient::send`](super::HttpClient).
    pub(crate) fn classify(error: BoxError) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(error) => error,
        };
        let kind = std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |e| e.source())
            .find_map(kind_of)
            .unwrap_or(HttpErrorKind::Other);
        // The kind says all that these two have to say.
        let source =
            (!error.is::<tower::timeout::error::Elapsed>() && !error.is::<LengthLimitError>()).then_some(error);
        Self { kind, source }
    }

    pub(crate) fn kind(&self) -> HttpErrorKind {
        self.kind
    }

    /// Whether the same request may succeed when it is sent again.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self.kind, HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Other)
    }
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<HttpErrorKind> {
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some(HttpErrorKind::Timeout);
    }
    if error.is::<LengthLimitError>() {
        return Some(HttpErrorKind::TooLarge);
    }
    #[cfg(feature = "client")]
    if error.downcast_ref().is_some_and(hyper_util::client::legacy::Error::is_connect) {
        return Some(HttpErrorKind::Connect);
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Some(HttpErrorKind::Connect),
        io::ErrorKind::TimedOut => Some(HttpErrorKind::Timeout),
        _ => None,
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            HttpErrorKind::Connect => "no connection to the endpoint",
            HttpErrorKind::Timeout => "no complete answer within the deadline",
            HttpErrorKind::TooLarge => "the answer is longer than any that is expected here",
            HttpErrorKind::NoRuntime => "not called from within a tokio runtime",
            HttpErrorKind::NoClient => "no HTTP client: switch on the feature `client`, or give a client of your own",
            HttpErrorKind::Other => "the exchange broke off",
        })
    }
}

impl std::error::Error for HttpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
