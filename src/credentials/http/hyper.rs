use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, Service};

use super::HttpClient;

const CONNECT: Duration = Duration::from_secs(3);

impl HttpClient {
    /// The default client: hyper, and rustls with ring and the roots of Mozilla.
    ///
    /// It knows no proxies and keeps no connection: providers ask minutes or hours apart, when a kept one would be
    /// stale. The TLS half is made when the first `https` address is asked, and whatever crypto provider the process
    /// has chosen for rustls is left alone.
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn hyper() -> Self {
        Self::hyper_connecting_within(CONNECT)
    }

    pub(super) fn hyper_connecting_within(time: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(time));
        let connector = Connector { tcp, tls: Arc::default() };
        Self::new(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    }
}

/// Connects to `http` at once, and builds what `https` needs when it is first asked for.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    tls: Arc<OnceLock<HttpsConnector<HttpConnector>>>,
}

impl Connector {
    fn tls(&self) -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
        if let Some(connector) = self.tls.get() {
            return Ok(connector.clone());
        }
        // Named here: where ring and aws-lc-rs are both in the tree, rustls has no default and panics.
        let built = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_only()
            .enable_http1()
            .wrap_connector(self.tcp.clone());
        Ok(self.tls.get_or_init(|| built).clone())
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<<HttpConnector as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::<Uri>::poll_ready(&mut self.tcp, cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return match self.tls() {
                Ok(mut connector) => connector.call(uri),
                Err(error) => Box::pin(std::future::ready(Err(error.into()))),
            };
        }
        let connecting = self.tcp.call(uri);
        Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Full;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::credentials::http::{HttpErrorKind, Limits};

    const LIMITS: Limits = Limits { deadline: Duration::from_secs(20), max_bytes: 1000 };

    /// Answers each connection with these bytes, and returns its address.
    async fn server(answer: &'static [u8]) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        address
    }

    fn get(scheme: &str, address: std::net::SocketAddr) -> Request<Full<Bytes>> {
        Request::get(format!("{scheme}://{address}/")).body(Full::default()).unwrap()
    }

    #[tokio::test]
    async fn plain_http_is_asked_and_the_tls_half_stays_unbuilt() {
        let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = Connector { tcp, tls: Arc::default() };
        let client = HttpClient::new(Client::builder(TokioExecutor::new()).build(connector.clone()));
        assert_eq!(client.send(get("http", address), LIMITS).await.unwrap().body(), "hi");
        assert!(connector.tls.get().is_none());
    }

    #[tokio::test]
    async fn a_server_without_tls_is_an_error_and_the_process_default_of_rustls_stays_unset() {
        let address = server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let error = HttpClient::hyper().send(get("https", address), LIMITS).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect, "{error:?}");
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    #[tokio::test]
    async fn nobody_listening_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = HttpClient::hyper().send(get("http", address), LIMITS).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect, "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_or_is_no_http_is_a_broken_exchange() {
        let head = format!("HTTP/1.1 200 OK\r\n{}", "x: y\r\n".repeat(200_000)).into_bytes();
        for answer in [&b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhi"[..], b"SSH-2.0-x\r\n", b"", head.leak()] {
            let error = HttpClient::hyper().send(get("http", server(answer).await), LIMITS).await.unwrap_err();
            assert_eq!(error.kind(), HttpErrorKind::Other, "{error:?}");
        }
    }
}
