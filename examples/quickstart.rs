//! Signs real requests to a real S3 server, with no account and nothing to set up: `cargo run --example quickstart`.
//!
//! The server is `s3s`: it runs in this process, on a port of the loopback interface, and checks every signature. The
//! client is hyper beneath a tower stack. Each step prints a line; the program fails where one does not go as it says.

use std::{error::Error, iter, net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_sigv4::{SigV4Layer, SignedBody, credentials::Credentials, retry::AwsRetry};

type Body = Full<Bytes>;
/// What an application keeps: any stack that takes a request and gives an answer.
type HttpService = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Keys that are easily signed wrong.
const KEYS: [&str; 6] = ["plain.txt", "two words.txt", "grüße/東京.txt", "1+1.txt", "100%25.txt", "a=b@c(d)*.txt"];

/// What a URI cannot hold and what would end its path. The signer sees to all the rest.
const NOT_IN_A_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'"').add(b'<').add(b'>').add(b'`');

#[tokio::main]
async fn main() -> ExitCode {
    match quickstart().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart failed: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn quickstart() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let server = start_s3_server(directory.path()).await?;
    println!("started an S3 server on {server}");
    let bucket = Bucket { url: format!("http://{server}/bucket"), service: stack(signer(SECRET)) };

    bucket.send(Method::PUT, "", "").await?.expect(StatusCode::OK)?;
    println!("created a bucket");
    for key in KEYS {
        bucket.send(Method::PUT, key, &content_of(key)).await?.expect(StatusCode::OK)?;
        println!("put     {key}");
    }

    let listed = bucket.send(Method::GET, "?list-type=2", "").await?.expect(StatusCode::OK)?.keys();
    for key in KEYS {
        ensure(listed.contains(&key.to_owned()), || format!("{key} is not in the list: {listed:?}"))?;
    }
    println!("listed  {} keys", listed.len());
    for key in KEYS {
        let content = bucket.send(Method::GET, key, "").await?.expect(StatusCode::OK)?.text;
        ensure(content == content_of(key), || format!("{key} came back with other content: {content:?}"))?;
        println!("got     {key}");
    }

    let stranger = Bucket { service: stack(signer("not the secret of this key")), ..bucket.clone() };
    let refusal = stranger.send(Method::GET, KEYS[0], "").await?.expect(StatusCode::FORBIDDEN)?;
    println!("refused to read with a wrong secret: {}", refusal.error_code("SignatureDoesNotMatch")?);
    let meddled = Bucket { service: stack_with_a_meddler(signer(SECRET)), ..bucket.clone() };
    let refusal = meddled.send(Method::GET, KEYS[0], "").await?.expect(StatusCode::FORBIDDEN)?;
    println!("refused what was changed after it was signed: {}", refusal.error_code("SignatureDoesNotMatch")?);

    for key in KEYS {
        bucket.send(Method::DELETE, key, "").await?.expect(StatusCode::NO_CONTENT)?;
        bucket.send(Method::GET, key, "").await?.expect(StatusCode::NOT_FOUND)?;
        println!("deleted {key}");
    }
    println!("all went as it should");
    Ok(())
}

fn signer(secret: &str) -> SigV4Layer {
    SigV4Layer::new("s3", "us-east-1", Credentials::new(ACCESS_KEY_ID, secret, None, None, "quickstart"))
}

/// Every attempt has its own time limit, and a signature of its own time.
fn stack(signer: SigV4Layer) -> HttpService {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .retry(AwsRetry::standard())
        .timeout(Duration::from_secs(10))
        .layer(signer)
        .service(client);
    BoxCloneSyncService::new(stack)
}

/// Someone between the signer and the server makes every request a DELETE.
fn stack_with_a_meddler(signer: SigV4Layer) -> HttpService {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let stack = ServiceBuilder::new()
        .layer(signer)
        .map_request(|mut request: Request<SignedBody<Body>>| {
            *request.method_mut() = Method::DELETE;
            request
        })
        .service(client);
    BoxCloneSyncService::new(stack)
}

#[derive(Clone)]
struct Bucket {
    url: String,
    service: HttpService,
}

impl Bucket {
    /// `target` is a key, or a query.
    async fn send(&self, method: Method, target: &str, content: &str) -> Result<Answer, BoxError> {
        let url = match target {
            "" => self.url.clone(),
            query if query.starts_with('?') => format!("{}{query}", self.url),
            key => format!("{}/{}", self.url, utf8_percent_encode(key, NOT_IN_A_PATH)),
        };
        let asked = format!("{method} {url}");
        let request = Request::builder().method(method).uri(url).body(Body::from(content.to_owned()))?;
        let response = self.service.clone().oneshot(request).await?;
        let status = response.status();
        let text = String::from_utf8(response.into_body().collect().await?.to_bytes().into())?;
        Ok(Answer { asked, status, text })
    }
}

struct Answer {
    asked: String,
    status: StatusCode,
    text: String,
}

impl Answer {
    fn expect(self, status: StatusCode) -> Result<Self, BoxError> {
        ensure(self.status == status, || {
            format!("{} should be answered with {status}, not {}: {}", self.asked, self.status, self.text)
        })?;
        Ok(self)
    }

    fn error_code(&self, code: &str) -> Result<String, BoxError> {
        let codes = self.elements("Code");
        ensure(codes == [code], || format!("{} should be refused for {code}, not {codes:?}", self.asked))?;
        Ok(code.to_owned())
    }

    fn keys(&self) -> Vec<String> {
        self.elements("Key")
    }

    /// What stands in the XML elements of this name.
    fn elements(&self, name: &str) -> Vec<String> {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        self.text.split(&start).skip(1).filter_map(|rest| Some(rest.split_once(&end)?.0.to_owned())).collect()
    }
}

fn content_of(key: &str) -> String {
    format!("the content of {key}")
}

fn ensure(as_said: bool, otherwise: impl FnOnce() -> String) -> Result<(), BoxError> {
    if as_said { Ok(()) } else { Err(otherwise().into()) }
}

/// A server that keeps its buckets in this directory and knows one access key.
async fn start_s3_server(directory: &Path) -> Result<SocketAddr, BoxError> {
    let files = s3s_fs::FileSystem::new(directory).map_err(|error| format!("{error:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                if let Err(error) = server.serve_connection(TokioIo::new(socket), service).await {
                    eprintln!("a connection failed: {error}");
                }
            });
        }
    });
    Ok(address)
}
