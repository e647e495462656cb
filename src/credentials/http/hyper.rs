use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST, uri::Scheme};
use http_body::{Body, Frame};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt::{Read, Write},
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio_rustls::TlsConnector;
use tower::{BoxError, ServiceExt, service_fn};

use super::{HttpClient, HttpError, HttpErrorKind, unbracketed};
use crate::sign::shown_host;

/// TCP, or TLS over it.
trait Stream: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Stream for T {}

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
        let connector = Connector::within(time);
        Self::new(service_fn(move |request| exchange(connector.clone(), request)))
    }
}

/// One request over a connection of its own.
async fn exchange(connector: Connector, request: Request<Full<Bytes>>) -> Result<Response<Answer>, BoxError> {
    let stream = connector.connect(request.uri().clone()).await;
    let stream = stream.map_err(|error| HttpError::caused_by(HttpErrorKind::Connect, error))?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    let (mut connection, mut sent) = (Driven(Some(connection)), pin!(sender.send_request(to_origin(request)?)));
    let response = poll_fn(|cx| {
        connection.drive(cx);
        sent.as_mut().poll(cx)
    });
    Ok(response.await?.map(|body| Answer { connection, body }))
}

/// A connection that no task drives: it is gone, whatever is still to be sent or read, with who waits for its answer.
struct Driven(Option<http1::Connection<Box<dyn Stream>, Full<Bytes>>>);

impl Driven {
    /// What goes wrong with it shows in the answer or in its body.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.0.as_mut().is_some_and(|connection| Pin::new(connection).poll(cx).is_ready()) {
            self.0 = None;
        }
    }
}

/// The body of an answer, and the connection that it comes from.
struct Answer {
    connection: Driven,
    body: Incoming,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.connection.drive(cx);
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// The request as HTTP/1.1 writes it: the host in a header, and the rest of the URI alone.
///
/// <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1>
fn to_origin(mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, http::Error> {
    let uri = request.uri();
    let host = uri.authority().map(|authority| shown_host(authority, uri.scheme())).unwrap_or_default();
    let host = HeaderValue::try_from(&*host)?;
    let path = uri.path_and_query().map_or_else(Uri::default, |path| path.clone().into());
    request.headers_mut().entry(HOST).or_insert(host);
    *request.uri_mut() = path;
    Ok(request)
}

fn client(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    // Named here: where ring and aws-lc-rs are both in the tree, rustls has no default and panics.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects to `http` at once, and builds what `https` needs when it is first asked for.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    tls: Arc<OnceLock<TlsConnector>>,
}

impl Connector {
    fn within(time: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(time));
        Self { tcp, tls: Arc::default() }
    }

    fn tls(&self) -> Result<TlsConnector, rustls::Error> {
        if let Some(connector) = self.tls.get() {
            return Ok(connector.clone());
        }
        let built = client(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })?;
        Ok(self.tls.get_or_init(|| built).clone())
    }

    async fn connect(self, uri: Uri) -> Result<Box<dyn Stream>, BoxError> {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Box::new(self.tcp.oneshot(uri).await?));
        }
        let host = unbracketed(uri.host().unwrap_or_default()).to_owned();
        let (tls, name) = (self.tls()?, ServerName::try_from(host)?);
        let stream = self.tcp.oneshot(uri).await?.into_inner();
        Ok(Box::new(TokioIo::new(tls.connect(name, stream).await?)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Full;
    use rustls::pki_types::PrivatePkcs8KeyDer;
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

    #[test]
    fn the_host_goes_into_a_header_and_the_rest_of_the_uri_stays() {
        for (uri, host, path) in [
            ("http://169.254.169.254/latest?a=b", "169.254.169.254", "/latest?a=b"),
            ("http://[fd00:ec2::254]:80", "[fd00:ec2::254]", "/"),
            ("http://host:443/%2F", "host:443", "/%2F"),
            ("https://sts.amazonaws.com:443/", "sts.amazonaws.com", "/"),
            ("https://user:secret@localhost:4566?x", "localhost:4566", "/?x"),
        ] {
            let request = to_origin(Request::get(uri).body(Full::default()).unwrap()).unwrap();
            assert_eq!((request.headers()[HOST].to_str().unwrap(), &*request.uri().to_string()), (host, path), "{uri}");
        }
        let signed = Request::get("http://one/").header(HOST, "two").body(Full::default()).unwrap();
        assert_eq!(to_origin(signed).unwrap().headers()[HOST], "two", "a host that was signed stays");
    }

    #[tokio::test]
    async fn plain_http_is_asked_and_the_tls_half_stays_unbuilt() {
        let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        let (connector, asked) = (Connector::within(CONNECT), get("http", address));
        let tls = Arc::clone(&connector.tls);
        let client = HttpClient::new(service_fn(move |request| exchange(connector.clone(), request)));
        assert_eq!(client.send(asked, LIMITS).await.unwrap().body(), "hi");
        assert!(tls.get().is_none());
    }

    #[tokio::test]
    async fn an_answer_that_comes_in_pieces_is_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            for piece in
                ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "2\r\non", "\r\n1\r\ne\r\n", "0\r\n\r\n"]
            {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stream.read(&mut [0; 16]).await.unwrap()
        });
        assert_eq!(HttpClient::hyper().send(get("http", address), LIMITS).await.unwrap().body(), "one");
        assert_eq!(serving.await.unwrap(), 0, "the connection is closed behind it");
    }

    #[tokio::test]
    async fn who_gives_up_takes_the_connection_along() {
        const LENGTH: usize = 20_000_000;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (given_up, gone) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            gone.await.unwrap();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        });
        let request = Request::post(format!("http://{address}/")).body(Full::from(vec![7; LENGTH])).unwrap();
        let limits = Limits { deadline: Duration::from_millis(50), ..LIMITS };
        let error = HttpClient::hyper().send(request, limits).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
        given_up.send(()).unwrap();
        let received = serving.await.unwrap().unwrap_or_default();
        assert!(received < LENGTH as u64, "what had not been sent is not sent: {received}");
    }

    /// Answers one request over TLS as `localhost`, with a certificate that is a root of its own.
    async fn tls_server() -> (std::net::SocketAddr, RootCertStore) {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            assert!(asked[..length].starts_with(b"GET / HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        (address, roots)
    }

    #[tokio::test]
    async fn over_tls_the_certificate_has_to_be_of_a_root_and_of_the_host() {
        for (host, is_trusted, refused) in [
            ("localhost", true, None),
            ("127.0.0.1", true, Some("NotValidForName")),
            ("localhost", false, Some("UnknownIssuer")),
        ] {
            let (address, roots) = tls_server().await;
            let connector = Connector::within(CONNECT);
            if is_trusted {
                assert!(connector.tls.set(client(roots).unwrap()).is_ok());
            }
            let asked = Request::get(format!("https://{host}:{}/", address.port())).body(Full::default()).unwrap();
            let client = HttpClient::new(service_fn(move |request| exchange(connector.clone(), request)));
            let answer = client.send(asked, LIMITS).await;
            match (answer, refused) {
                (Ok(answer), None) => assert_eq!(answer.body(), "hi"),
                (Err(error), Some(reason)) => {
                    assert_eq!(error.kind(), HttpErrorKind::Connect, "{error:?}");
                    assert!(format!("{error:?}").contains(reason), "{error:?}");
                }
                (answer, _) => panic!("{host}: {answer:?}"),
            }
        }
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
