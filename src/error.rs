use std::fmt;

use tower::BoxError;

use crate::{credentials::LoadError, sign::SignError};

/// Why the layer did not send a request.
///
/// A tower stack hands it on as a [`BoxError`]; `downcast_ref` brings it back. Errors of the inner service are not wrapped
/// in it.
///
/// ```
/// use tower_sigv4::{Error, ErrorKind};
///
/// fn is_worth_another_try(error: &tower::BoxError) -> bool {
///     error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Credentials && error.is_retryable())
/// }
/// ```
pub struct Error {
    kind: ErrorKind,
    source: Option<BoxError>,
}

/// What kind of [`Error`] this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There are no credentials: the source is a [`LoadError`].
    Credentials,
    /// The request cannot be signed: the source is a [`SignError`].
    Signing,
    /// No service is set, and the host says none.
    NoService,
    /// No region is set, and neither the host nor the environment says one.
    NoRegion,
    /// The host stands for every region, and none is set: a multi-region access point of S3, which takes the feature
    /// `sigv4a`.
    AnyRegion,
    /// The body failed while it was read to be hashed: the source is its error.
    Body,
    /// The body is longer than the layer buffers.
    BodyTooLarge,
    /// The length of the body is not known, and chunks need it beforehand.
    UnknownLength,
    /// The body has not the length that was said: by its size hint, or in the request. Where that shows while it is sent,
    /// it is an error of the [`SignedBody`](crate::SignedBody), and the source says what happened.
    WrongLength,
    /// The request's body is in chunks already, as its `content-encoding` or `x-amz-content-sha256` says: they cannot be put
    /// into others, and signed ones cannot be signed anew.
    AlreadyChunked,
    /// A body in unsigned chunks has no trailer, which is what they are for.
    NoTrailer,
    /// A trailer that the request announces cannot be sent, or the body did not bring it: the source says which.
    Trailer,
    /// The body would go out unsigned over plain HTTP, or where the URI does not say `https`, and nobody asked for that.
    UnsignedOverHttp,
    /// The request carries an `authorization` of another scheme, and the layer was told to refuse that.
    OtherAuthorization,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn caused_by(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same request may go through when it is tried again with nothing changed.
    pub fn is_retryable(&self) -> bool {
        let source = self.source.as_deref().and_then(|source| source.downcast_ref::<LoadError>());
        source.is_some_and(LoadError::is_retryable)
    }
}

impl From<SignError> for Error {
    fn from(error: SignError) -> Self {
        Self::caused_by(ErrorKind::Signing, error)
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::caused_by(ErrorKind::Credentials, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Credentials => "there are no credentials to sign the request with",
            ErrorKind::Signing => "the request cannot be signed",
            ErrorKind::NoService => {
                "the host of the request is not one of AWS's that names its service: set the service on the layer's builder"
            }
            ErrorKind::NoRegion => {
                "no region is known: set it on the layer's builder, or AWS_REGION, or `region` in the profile"
            }
            ErrorKind::AnyRegion => {
                "the host of the request stands for every region, which takes SigV4a: enable the feature `sigv4a`"
            }
            ErrorKind::Body => "the body of the request failed while it was read to be hashed",
            ErrorKind::BodyTooLarge => {
                "the body of the request is longer than the layer buffers: raise `buffer_limit`, or choose a payload that is \
                 not hashed beforehand"
            }
            ErrorKind::UnknownLength => {
                "the length of the body is not known, and chunks need it: set the header `x-amz-decoded-content-length` or \
                 `content-length`, or give a body whose size hint is exact"
            }
            ErrorKind::WrongLength => {
                "the body has not the length that was said: compare its size hint and the headers \
                 `x-amz-decoded-content-length` and `content-length`"
            }
            ErrorKind::AlreadyChunked => {
                "the body is `aws-chunked` already, which cannot be signed anew: take the chunks off it"
            }
            ErrorKind::NoTrailer => {
                "unsigned chunks need a trailer: choose a checksum, or announce one in `x-amz-trailer`"
            }
            ErrorKind::Trailer => {
                "a trailer of the request cannot be sent: announce checksums in `x-amz-trailer`, and send them as the \
                 body's trailers"
            }
            ErrorKind::UnsignedOverHttp => {
                "the body of the request would go out unsigned over plain HTTP: use https, or ask for `Payload::Unsigned`"
            }
            ErrorKind::OtherAuthorization => {
                "the request already has an authorization header of another scheme: remove it, or set \
                 `other_authorization` on the layer's builder"
            }
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
