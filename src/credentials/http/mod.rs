//! The HTTP client of the providers.

mod error;
#[cfg(feature = "client")]
mod hyper;
mod retry;

use std::{fmt, pin::Pin, time::Duration};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, header::USER_AGENT, uri::Authority};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, MapErr, service_fn},
};
use tower_http::{map_response_body::MapResponseBodyLayer, set_header::SetRequestHeaderLayer};

pub(crate) use error::{HttpError, HttpErrorKind};
pub(crate) use retry::{Failed, retrying};

type AnyBody = UnsyncBoxBody<Bytes, BodyError>;

/// A type of its own, for the compiler cannot show that a future is `Send` that holds a body with a `BoxError`.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct BodyError(#[source] BoxError);

/// The client through which providers ask metadata endpoints and STS.
///
/// It is any tower service that takes a [`http::Request`]: the caller's own, or the default one, which speaks HTTP/1.1
/// through hyper and TLS through rustls with the roots of Mozilla. Credentials never travel through the stack that they
/// sign for, so this client is one of its own: do not give it a client that signs.
///
/// What a provider needs does not depend on the service. Each provider sets its own deadline on the whole of an
/// exchange, from waiting for the service to the last byte of the answer, and reads no more bytes than such an answer
/// can have. A service that retries or that waits longer is simply cut off. A redirect is an answer like any other to
/// the providers, and an error; give no service that follows redirects, for the tokens in a request would go with it.
///
/// Clones are cheap and share the service.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower_sigv4::credentials::HttpClient;
///
/// let client = HttpClient::new(tower::service_fn(|request: Request<Full<Bytes>>| async move {
///     println!("{} {}", request.method(), request.uri());
///     Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from_static(b"{}"))))
/// }));
/// ```
#[derive(Clone)]
pub struct HttpClient(BoxCloneSyncService<Request<Full<Bytes>>, Response<AnyBody>, BoxError>);

/// What a provider allows for one exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the whole of it: until the service is ready, connects, sends, and has read the last byte.
    pub(crate) deadline: Duration,
    /// The longest body that is read.
    pub(crate) max_bytes: usize,
}

impl HttpClient {
    /// This service, which is called through a clone of its own for each request.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = MapErr::new(service, Into::into).map_response(|response: Response<B>| {
            response.map(|body| {
                let body = body.map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
                body.map_err(|error| BodyError(error.into())).boxed_unsync()
            })
        });
        Self(BoxCloneSyncService::new(service))
    }

    /// Sends a request and reads the whole answer, whatever its status, within these limits.
    pub(crate) fn send(&self, request: Request<Full<Bytes>>, limits: Limits) -> Exchange {
        if tokio::runtime::Handle::try_current().is_err() {
            return Box::pin(std::future::ready(Err(HttpError::new(HttpErrorKind::NoRuntime))));
        }
        let inner = self.0.clone();
        let stack = ServiceBuilder::new()
            .map_err(HttpError::classify)
            .timeout(limits.deadline)
            .layer(SetRequestHeaderLayer::if_not_present(
                USER_AGENT,
                HeaderValue::from_static(concat!("tower-sigv4/", env!("CARGO_PKG_VERSION"))),
            ))
            .and_then(read)
            .layer(MapResponseBodyLayer::new(move |body| Limited::new(body, limits.max_bytes)))
            // Waiting for readiness is inside the call, so that the deadline holds there too.
            .service(service_fn(move |request| inner.clone().oneshot(request)));
        // Boxed, for within another future the compiler cannot show that the one of this stack is `Send`.
        Box::pin(stack.oneshot(request))
    }
}

type Exchange = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send>>;

/// Without the feature `client` there is no default: each request then fails with an error that says so.
impl Default for HttpClient {
    fn default() -> Self {
        #[cfg(feature = "client")]
        return Self::hyper();
        #[cfg(not(feature = "client"))]
        return Self::missing();
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// The default client, whose connections stand within this time, or fail.
    #[cfg_attr(not(feature = "client"), allow(unused_variables))]
    pub(crate) fn connecting_within(time: Duration) -> Self {
        #[cfg(feature = "client")]
        return Self::hyper_connecting_within(time);
        #[cfg(not(feature = "client"))]
        return Self::missing();
    }

    #[cfg(not(feature = "client"))]
    fn missing() -> Self {
        Self::new(service_fn(|_| {
            std::future::ready(Err::<Response<Full<Bytes>>, _>(HttpError::new(HttpErrorKind::NoClient)))
        }))
    }
}

/// Whether an authority is a host, and at most a port beside it. `http::Uri` reads `host:99999` and `[::1]x` too, and a
/// client would ask the scheme's own port then.
pub(crate) fn is_host_and_port(authority: &Authority) -> bool {
    let Some(rest) = authority.as_str().strip_prefix(authority.host()) else { return false };
    match rest.strip_prefix(':') {
        Some(port) => {
            port.bytes().all(|byte| byte.is_ascii_digit()) && (port.is_empty() || port.parse::<u16>().is_ok())
        }
        None => rest.is_empty(),
    }
}

/// A host without the brackets that a URI puts around an IPv6 address.
pub(crate) fn unbracketed(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn read(response: Response<Limited<AnyBody>>) -> Result<Response<Bytes>, BoxError> {
    let (parts, body) = response.into_parts();
    body.collect().await.map(|body| Response::from_parts(parts, body.to_bytes()))
}

#[cfg(test)]
mod tests;
