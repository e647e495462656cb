//! What the layer leaves of the throughput of a hyper client: `cargo bench --bench stack`.
//!
//! Client and server talk over the loopback interface, with 32 requests in flight. The same requests go through the layer,
//! and with headers of equal size that were made beforehand; the two take turns. First client and server share tokio's
//! runtime as `#[tokio::main]` makes it, with a worker for each core; then one thread; then the server has another thread:
//! there the client does nothing but send, so that a signature weighs most. All begin anew some times, since which worker
//! gets which connection changes more than chance does from one turn to the next.
#![allow(missing_docs)]

mod support;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use support::{
    median,
    requests::{Case, now},
};
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_sigv4::SigV4Layer;

const IN_FLIGHT: u32 = 32;
/// Of each of the in flight, in one turn: some tens of milliseconds.
const REQUESTS: u32 = 40;
/// Each with a runtime and connections of its own.
const STARTS: usize = 10;

type Requests = Arc<dyn Fn() -> Request<Full<Bytes>> + Send + Sync>;

/// Reads each request to its end, and answers as shortly as `DynamoDB` does.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = service_fn(|request: Request<Incoming>| async {
            request.into_body().collect().await?;
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"{}"))))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface is there");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

fn a_worker_for_each_core() -> Runtime {
    Runtime::new().expect("a runtime starts")
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Requests a second, with as many at a time as are in flight.
async fn turn<S>(service: &S, request: &Requests) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: Into<BoxError>> + Clone + Send + 'static,
    S::Future: Send,
{
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        tasks.spawn(one_after_another(service.clone(), Arc::clone(request)));
    }
    tasks.join_all().await.into_iter().collect::<Result<(), _>>().expect("the server answers");
    f64::from(IN_FLIGHT * REQUESTS) / started.elapsed().as_secs_f64()
}

async fn one_after_another<S>(mut service: S, request: Requests) -> Result<(), BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: Into<BoxError>>,
{
    for _ in 0..REQUESTS {
        let service = service.ready().await.map_err(Into::into)?;
        let response = service.call(request()).await.map_err(Into::into)?;
        assert!(response.status().is_success());
        response.into_body().collect().await?;
    }
    Ok(())
}

/// What the signature puts into a request, as values that need no more than to be cloned.
fn headers(case: &Case) -> HeaderMap {
    let mut parts = case.parts();
    case.signer().sign(&mut parts, case.payload(), &case.credentials(), now()).expect("the case can be signed");
    parts.headers
}

/// Requests a second with the layer and by hand, and their ratio, of each round.
async fn compare(case: fn() -> Case, address: SocketAddr, rounds: usize) -> Vec<[f64; 3]> {
    let to_server = |uri: &Uri| -> Uri {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        format!("http://{address}{path}").parse().expect("the path was one of a URI")
    };
    let uris: Vec<Uri> = case().uris.iter().map(to_server).collect();
    let case = || Case { uris: uris.clone(), ..case() };
    let to_sign = case();
    let plain: Requests = Arc::new(move || to_sign.request());
    let (by_hand, made) = (case(), headers(&case()));
    let with_headers: Requests = Arc::new(move || {
        let mut request = by_hand.request();
        for (name, value) in &made {
            request.headers_mut().insert(name, value.clone());
        }
        request
    });

    let credentials = tower_sigv4::CredentialsCache::from(case().credentials());
    credentials.get().await.expect("these credentials are there");
    let layered = SigV4Layer::new(case().service, case().region, credentials).layer(client());
    let bare = client::<Full<Bytes>>();
    let mut figures = Vec::new();
    for round in 0..=rounds {
        // Whoever is second finds warmer caches, so they change places.
        let (with, without) = if round % 2 == 0 {
            let with = turn(&layered, &plain).await;
            (with, turn(&bare, &with_headers).await)
        } else {
            let without = turn(&bare, &with_headers).await;
            (turn(&layered, &plain).await, without)
        };
        // The first round opens the connections.
        if round > 0 {
            figures.push([with, without, with / without]);
        }
    }
    figures
}

/// Client and server share a runtime.
fn together(runtime: &Runtime, case: fn() -> Case, rounds: usize) -> Vec<[f64; 3]> {
    runtime.block_on(async {
        let (listener, address) = listen().await;
        tokio::spawn(serve(listener));
        compare(case, address, rounds).await
    })
}

/// The server has a thread of its own: all that the layer does is done by the client's.
fn apart(case: fn() -> Case, rounds: usize) -> Vec<[f64; 3]> {
    let (listening, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let work = async {
            let (listener, address) = listen().await;
            listening.send(address).expect("the client waits for it");
            serve(listener).await.expect("the server goes on");
        };
        allocation_counter::opt_out(|| one_thread().block_on(work));
    });
    let address = address.recv().expect("the server listens");
    one_thread().block_on(compare(case, address, rounds))
}

/// The medians of all rounds.
fn medians(start: impl Fn() -> Vec<[f64; 3]>) -> [f64; 3] {
    let figures: Vec<_> = (0..STARTS).flat_map(|_| start()).collect();
    [0, 1, 2].map(|index| median(figures.iter().map(|figures| figures[index]).collect()))
}

fn report(rounds: usize) {
    for case in [Case::post, Case::get] {
        let [signed, by_hand, ratio] = medians(|| together(&a_worker_for_each_core(), case, rounds));
        let [.., one_thread] = medians(|| together(&one_thread(), case, rounds));
        let [.., alone] = medians(|| apart(case, rounds));
        println!(
            "stack_{} signed_per_s={signed:.0} by_hand_per_s={by_hand:.0} ratio={ratio:.3} \
             one_thread_ratio={one_thread:.3} client_alone_ratio={alone:.3} in_flight={IN_FLIGHT}",
            case().name,
        );
    }
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 6 } else { 20 };
    allocation_counter::opt_out(|| report(rounds));
}
