//! How the layer scales: `cargo bench --bench scale`.
//!
//! With threads that share one layer, beside threads that hash and share nothing; with requests in flight; and with
//! services and regions that take turns.
#![allow(missing_docs)]
#![allow(clippy::cast_precision_loss, reason = "figures are rounded")]

mod support;

use std::{
    convert::Infallible,
    fmt::Write,
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use support::{
    Contender, compare, median,
    requests::Case,
    service::{Nothing, at_once},
};
use tower::{Layer, Service};
use tower_sigv4::{SigV4, SigV4Layer, SigningOverrides};

/// How many requests a thread signs in its turn, and how often it hashes as much: half a millisecond each, so that most
/// turns are over before the system gives the core to something else.
const SIGNED: u32 = 300;
const HASHED: u32 = 600;
const IN_FLIGHT: [usize; 4] = [1, 100, 10_000, 100_000];
const SCOPES: [usize; 4] = [1, 10, 100, 1_000];
const REGIONS: usize = 25;
/// Which addresses the keys of a thousand regions have changes more than chance does from one turn to the next.
const STARTS: usize = 5;

fn layer(case: &Case) -> SigV4Layer {
    SigV4Layer::new(case.service, case.region, case.cached_credentials())
}

fn send(service: &mut SigV4<Nothing>, request: Request<Full<Bytes>>) -> Response<()> {
    at_once(pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()))).unwrap()
}

/// Calls a second.
fn rate(calls: u32, mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..calls).for_each(|_| call());
    f64::from(calls) / started.elapsed().as_secs_f64()
}

/// One of two threads that share a layer: calls a second, in each round, of the layer and of hashing as many bytes, each
/// by the first thread alone and then by both.
fn worker(shared: &SigV4Layer, is_first: bool, rounds: usize, barrier: &Barrier) -> Vec<[f64; 4]> {
    // Its requests are its own.
    let case = Case::post();
    let mut service = shared.layer(Nothing);
    let mut signing = || _ = send(&mut service, case.request());
    let text = [7; 24 * 64 - 9];
    let mut hashing = || _ = black_box(Sha256::digest(black_box(&text)));
    let mut of_rounds = vec![[0.0; 4]; rounds];
    allocation_counter::opt_out(|| {
        for of_round in &mut of_rounds {
            for (turn, of_turn) in of_round.iter_mut().enumerate() {
                barrier.wait();
                let is_idle = turn % 2 == 0 && !is_first;
                *of_turn = match turn / 2 {
                    _ if is_idle => 0.0,
                    0 => rate(SIGNED, &mut signing),
                    _ => rate(HASHED, &mut hashing),
                };
            }
        }
    });
    of_rounds
}

/// What a second thread gains, for the layer and for hashing.
fn threads(rounds: usize) -> String {
    let shared = layer(&Case::post());
    let barrier = Barrier::new(2);
    let [first, second] = std::thread::scope(|scope| {
        let (shared, barrier) = (&shared, &barrier);
        let start = |is_first| scope.spawn(move || worker(shared, is_first, rounds, barrier));
        [true, false].map(start).map(|thread| thread.join().expect("no call panics"))
    });
    let (mut layer, mut sha256, mut share) = (Vec::new(), Vec::new(), Vec::new());
    for (first, second) in first.iter().zip(second) {
        let gain = |alone: usize| (first[alone + 1] + second[alone + 1]) / first[alone];
        layer.push(gain(0));
        sha256.push(gain(2));
        share.push(gain(0) / gain(2));
    }
    let [layer, sha256, share] = [layer, sha256, share].map(median);
    format!("scale_threads layer_gain={layer:.2} sha256_gain={sha256:.2} share={share:.2}")
}

/// Takes the request, and answers when it is told to.
#[derive(Clone, Default)]
struct Waiting(Arc<AtomicBool>);

/// The answer of a service that waits.
struct Answer(Arc<AtomicBool>);

impl<B> Service<Request<B>> for Waiting {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        drop(black_box(request));
        Answer(Arc::clone(&self.0))
    }
}

impl Future for Answer {
    type Output = Result<Response<()>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0.load(Ordering::Relaxed) { Poll::Ready(Ok(Response::new(()))) } else { Poll::Pending }
    }
}

/// Nanoseconds of a request, from its call to its answer, while so many wait for theirs.
fn in_flight(service: &mut SigV4<Waiting>, answered: &AtomicBool, case: &Case, requests: usize) -> f64 {
    let mut cx = Context::from_waker(Waker::noop());
    let started = Instant::now();
    for _ in 0..IN_FLIGHT[IN_FLIGHT.len() - 1] / requests {
        answered.store(false, Ordering::Relaxed);
        let mut futures: Vec<_> = (0..requests).map(|_| Box::pin(service.call(case.request()))).collect();
        assert!(futures.iter_mut().all(|future| future.as_mut().poll(&mut cx).is_pending()));
        answered.store(true, Ordering::Relaxed);
        assert!(futures.iter_mut().all(|future| matches!(future.as_mut().poll(&mut cx), Poll::Ready(Ok(_)))));
    }
    started.elapsed().as_secs_f64() * 1e9 / IN_FLIGHT[IN_FLIGHT.len() - 1] as f64
}

fn requests_in_flight(rounds: usize) -> String {
    let case = Case::post();
    let waiting = Waiting::default();
    let mut service = layer(&case).layer(waiting.clone());
    let mut line = String::from("scale_in_flight");
    let mut of_one = f64::NAN;
    let mut costs = IN_FLIGHT.map(|_| Vec::new());
    for _ in 0..rounds {
        for (requests, costs) in IN_FLIGHT.into_iter().zip(&mut costs) {
            costs.push(in_flight(&mut service, &waiting.0, &case, requests));
        }
    }
    for (requests, costs) in IN_FLIGHT.into_iter().zip(costs) {
        let cost = median(costs);
        if of_one.is_nan() {
            of_one = cost;
        }
        let _ = write!(line, " n{requests}_ns={cost:.0} n{requests}_ratio={:.2}", cost / of_one);
    }
    let future = service.call(case.request());
    let _ = write!(line, " bytes_of_future={}", size_of_val(&future));
    line
}

/// So many services and regions; their names are as few as in a program that holds them as constants.
fn overrides(case: &Case, scopes: usize) -> Vec<SigningOverrides> {
    let names = |name: &str, number: usize| -> Vec<&'static str> {
        (0..number).map(|at| &*format!("{name}-{at}").leak()).collect()
    };
    let (services, regions) = (names(case.service, scopes.div_ceil(REGIONS)), names(case.region, REGIONS));
    let scope = |at| SigningOverrides::new().service(services[at / REGIONS]).region(regions[at % REGIONS]);
    (0..scopes).map(scope).collect()
}

/// Requests for these services and regions in turn.
fn in_turn<'a>(case: &'a Case, overrides: &'a [SigningOverrides]) -> impl FnMut() -> Request<Full<Bytes>> {
    let mut next = 0;
    move || {
        let mut request = case.request();
        request.extensions_mut().insert(overrides[next].clone());
        next = (next + 1) % overrides.len();
        request
    }
}

/// Nanoseconds of a request for each number of scopes, with a layer and keys in memory of their own.
fn scopes_of_start(case: &Case) -> [f64; SCOPES.len()] {
    let shared = layer(case);
    let overrides = SCOPES.map(|scopes| &*overrides(case, scopes).leak());
    let mut contenders = Vec::new();
    for overrides in overrides {
        let (mut service, mut request) = (shared.layer(Nothing), in_turn(case, overrides));
        contenders.push(Contender::new("layer", move || send(&mut service, request())));
        contenders.push(Contender::new("request", in_turn(case, overrides)));
    }
    let costs = compare(contenders);
    // The next start is not to find the same memory.
    std::mem::forget(shared);
    std::array::from_fn(|at| costs[2 * at].nanoseconds - costs[2 * at + 1].nanoseconds)
}

fn scopes(case: &Case) -> String {
    let starts: Vec<_> = (0..STARTS).map(|_| scopes_of_start(case)).collect();
    let mut line = format!("scale_scopes_{}", case.name);
    for (at, scopes) in SCOPES.into_iter().enumerate() {
        let of_starts = |figure: fn(&[f64], usize) -> f64| median(starts.iter().map(|net| figure(net, at)).collect());
        let (ns, ratio) = (of_starts(|net, at| net[at]), of_starts(|net, at| net[at] / net[0]));
        let _ = write!(line, " n{scopes}_ns={ns:.0} n{scopes}_ratio={ratio:.2}");
    }
    line
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    println!("{}", threads(if quick { 300 } else { 1_000 }));
    println!("{}", requests_in_flight(if quick { 3 } else { 11 }));
    [Case::post(), Case::get()].iter().map(scopes).for_each(|line| println!("{line}"));
}
