//! What the layer reports of each request: one place, and never a secret.

#[cfg(feature = "tracing")]
use tracing::{Span, field::Empty};

use super::config::Scope;
use crate::{
    Error,
    sign::{PayloadHash, Prepared},
};

/// The span in which the layer works on one request; the inner service's own work lies outside.
pub(super) struct Watch {
    #[cfg(feature = "tracing")]
    span: Span,
}

#[cfg(feature = "tracing")]
impl Watch {
    pub(super) fn new() -> Self {
        Self { span: tracing::debug_span!("sigv4", service = Empty, region = Empty, payload = Empty) }
    }

    /// A request that the layer has nothing to do with.
    pub(super) fn none() -> Self {
        Self { span: Span::none() }
    }

    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// The request has its signature.
    pub(super) fn signed(scope: &Scope<'_>, payload: &PayloadHash, prepared: &Prepared, offset_s: i64) {
        let payload = if payload.is_word() { payload.as_str() } else { "hashed" };
        Span::current().record("service", &*scope.service).record("region", &*scope.region).record("payload", payload);
        tracing::debug!(
            service = &*scope.service,
            region = &*scope.region,
            payload,
            access_key_id = prepared.access_key_id(),
            clock_offset_s = offset_s,
            "request signed"
        );
    }

    /// The request is not sent.
    pub(super) fn failed(&self, error: Error) -> Error {
        self.within(|| tracing::debug!(kind = ?error.kind(), "the request is not sent"));
        error
    }

    /// The request goes on without a signature, since its host is none that the layer may sign for.
    pub(super) fn stripped(host: Option<&str>) {
        tracing::debug!(host, "the host is not signed for: the request goes on without credentials");
    }
}

#[cfg(not(feature = "tracing"))]
#[allow(clippy::unused_self, reason = "with the feature it is a span")]
impl Watch {
    pub(super) fn new() -> Self {
        Self {}
    }

    pub(super) fn none() -> Self {
        Self {}
    }

    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    pub(super) fn signed(_: &Scope<'_>, _: &PayloadHash, _: &Prepared, _: i64) {}

    pub(super) fn failed(&self, error: Error) -> Error {
        error
    }

    pub(super) fn stripped(_: Option<&str>) {}
}
