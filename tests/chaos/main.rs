//! A day of everything that goes wrong, simulated from a seed in virtual time.
//!
//! Keys live for an hour. The source has outages and is slow; the service throttles, fails, answers late; connections break;
//! callers give up; keys are revoked; the machine's clock jumps by up to an hour. Requests come at random and in bursts. What
//! must hold all the while:
//!
//! - No attempt has a key that is known to be bad while a good one can be had, or a time that is known to be wrong.
//! - The layer sends no attempt twice, and every signature that is sent is a good one.
//! - Whatever fails has its cause in what went wrong just then.
//! - The source is called one call at a time, and no sooner than the cache documents.
//! - When all is well again, so is every request.
//!
//! `SIGV4_CHAOS_SEEDS` is the number of seeds, 10 where it is unset, and `SIGV4_CHAOS_FIRST` the first of them.
//! `SIGV4_CHAOS_PACE` is the mean time between two requests, in milliseconds; where it is unset it is a second in an
//! optimised build, and longer in one that is not.

#[path = "../support/service.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod service;
#[path = "../support/virtual_time.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
mod virtual_time;

mod ledger;
mod weather;
mod world;

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{task::JoinSet, time::Instant};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    layer::layer_fn,
    retry::{RetryLayer, budget::Budget},
    timeout::{TimeoutLayer, error::Elapsed},
};
use tower_sigv4::{
    CredentialsCache, Environment, ErrorKind, SigV4Layer,
    retry::{AwsRetry, ErrorCodeLayer},
};

use ledger::{Ledger, Tally};
use service::Refusal;
use weather::{DAY, RECOVERED};
use world::{Attempts, Aws, Fate, HOSTS, Source, Watch, World};

const ATTEMPTS: usize = 3;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// Whether the budget has refused a retry since this was last asked.
    static DENIED: Cell<bool> = const { Cell::new(false) };
}

/// The bucket of the standard mode, which tells when it is empty.
struct Bucket(Mutex<u32>);

impl Budget for Bucket {
    fn deposit(&self) {
        let mut tokens = self.0.lock().unwrap();
        *tokens = (*tokens + 1).min(500);
    }

    fn withdraw(&self) -> bool {
        let mut tokens = self.0.lock().unwrap();
        let enough = *tokens >= 5;
        *tokens -= if enough { 5 } else { 0 };
        DENIED.set(!enough);
        enough
    }
}

fn client(
    world: &Arc<World>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<impl Sized + use<>>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ use<> {
    let cache = CredentialsCache::builder(Source(Arc::clone(world))).time_source(world.machine.shared()).build();
    let signer = SigV4Layer::builder(cache).environment(Environment::fixed::<String, String>([])).build();
    let watched = Arc::clone(world);
    ServiceBuilder::new()
        .layer(RetryLayer::new(AwsRetry::standard().budget(Bucket(Mutex::new(500)))))
        .layer(TimeoutLayer::new(ATTEMPT_TIMEOUT))
        .layer(layer_fn(move |inner| Watch { inner, world: Arc::clone(&watched) }))
        .layer(signer)
        .layer(ErrorCodeLayer::new())
        .service(Aws(Arc::clone(world)))
}

/// The day of one seed.
async fn day(seed: u64, pace: Duration) -> Arc<World> {
    fastrand::seed(seed);
    let world = World::new(Rng::with_seed(seed), if cfg!(debug_assertions) { 32 } else { 8 });
    let client = client(&world);
    let start = Instant::now();
    let of_the_world = Arc::clone(&world);
    let events = tokio::spawn(async move {
        for (at, event) in of_the_world.weather.events.clone() {
            tokio::time::sleep_until(start + at).await;
            of_the_world.happen(event);
        }
    });
    let mut requests = JoinSet::new();
    while world.at() < DAY {
        // One moment in fifty is a burst of thirty, so the moments lie further apart than the requests.
        let (wait, burst) = world.rng(|rng| (rng.f64() * 2.0 * 1.58, if rng.u8(..50) == 0 { 30 } else { 1 }));
        tokio::time::sleep(pace.mul_f64(wait)).await;
        for _ in 0..burst {
            requests.spawn(one(Arc::clone(&world), client.clone()));
        }
        while requests.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    while let Some(ended) = requests.join_next().await {
        ended.unwrap();
    }
    events.await.unwrap();
    world
}

/// One request, and what becomes of it.
async fn one<S, R>(world: Arc<World>, client: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError>,
{
    let attempts = Attempts::default();
    let host = world.rng(|rng| HOSTS[rng.usize(..HOSTS.len())]);
    let request = Request::post(format!("https://{host}/")).extension(attempts.clone()).body(Full::from("{}"));
    let sent = client.oneshot(request.unwrap());
    let patience = world.rng(|rng| if rng.u8(..50) == 0 { rng.u64(..5_000) } else { 1_000_000 });
    let ended = tokio::time::timeout(Duration::from_millis(patience), async {
        let result = sent.await;
        // Nothing else has run between the policy's last word and this.
        (result, DENIED.take())
    });
    let at_ease = world.at() > RECOVERED;
    let ended = ended.await;
    let at = world.at();
    let mut ledger = world.ledger.lock().unwrap();
    let Ok((result, denied)) = ended else { return ledger.ends(at, "dropped") };
    let attempts = attempts.0.lock().unwrap();
    match explain(&result.map(|response| response.status().as_u16()), &attempts, denied, &ledger) {
        Ok("succeeded") => ledger.ends(at, "succeeded"),
        Ok(cause) if !at_ease => ledger.ends(at, cause),
        Ok(cause) => ledger.unexplained(at, &format!("all is well, and yet: {cause}")),
        Err(what) => ledger.unexplained(at, &format!("{what}; {attempts:?}, denied: {denied}")),
    }
}

/// What has caused this end.
fn explain(
    result: &Result<u16, BoxError>,
    attempts: &[Fate],
    denied: bool,
    ledger: &Ledger,
) -> Result<&'static str, String> {
    let (last, before) = attempts.split_last().ok_or("no attempt")?;
    let is_over = denied || attempts.len() == ATTEMPTS;
    let over = |cause| if is_over { Ok(cause) } else { Err(format!("given up too early: {cause}")) };
    match (result, last) {
        (Ok(200), Fate::Done) => Ok("succeeded"),
        (Ok(403), Fate::Refused(refusal)) if before.contains(last) => Ok(match refusal {
            Refusal::RequestTimeTooSkewed => "failed: refused twice for the time",
            _ => "failed: refused twice for the key",
        }),
        (Ok(403), Fate::Refused(_)) => over("failed: refused at the last attempt"),
        (Ok(status), Fate::Later(later)) if status == later => over("failed: the service was in trouble"),
        (Err(error), Fate::Broken) if error.is::<std::io::Error>() => over("failed: the connection broke"),
        (Err(error), Fate::NotSent) if error.is::<Elapsed>() && ledger.is_calling() => {
            over("failed: the source took too long")
        }
        (Err(error), sent) if error.is::<Elapsed>() && *sent != Fate::NotSent => over("failed: no answer in time"),
        (Err(error), Fate::NotSent) => match error.downcast_ref::<tower_sigv4::Error>() {
            Some(error) if error.kind() == ErrorKind::Credentials && ledger.source_failed() => {
                over("failed: no credentials")
            }
            _ => Err(format!("{error:?}")),
        },
        _ => Err(format!("{result:?}")),
    }
}

/// Simulates the day of one seed; what was counted, and the digest of all that happened.
fn simulate(seed: u64, pace: Duration) -> (Tally, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = runtime.block_on(day(seed, pace));
    let ledger = world.ledger.lock().unwrap();
    let violations = &ledger.violations[..ledger.violations.len().min(5)];
    assert!(violations.is_empty(), "seed {seed}, {} violations: {violations:#?}", ledger.violations.len());
    (ledger.tally.clone(), ledger.digest())
}

fn setting(name: &str) -> Option<u64> {
    let value = Environment::process().var(name).unwrap()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

#[test]
fn days_of_chaos() {
    let seeds = setting("SIGV4_CHAOS_SEEDS").unwrap_or(10);
    let pace = setting("SIGV4_CHAOS_PACE").unwrap_or(if cfg!(debug_assertions) { 8_000 } else { 1_000 });
    let first = setting("SIGV4_CHAOS_FIRST").unwrap_or(0);
    let (next, total) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, SeqCst)).filter(|seed| *seed < first + seeds) {
                    let (tally, _) = simulate(seed, Duration::from_millis(pace));
                    total.lock().unwrap().add(&tally);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{total:#?}");
    if seeds < 10 {
        // So few days need not have it all.
        return;
    }
    for what in [
        "succeeded",
        "dropped",
        "keys",
        "failures of the source",
        "refused for the time",
        "refused for the key",
        "attempts with a key that is known to be bad",
        "failed: the service was in trouble",
        "failed: the connection broke",
        "failed: no answer in time",
        "failed: no credentials",
    ] {
        assert!(total.of(what) > 0, "in {seeds} days it never came to this: {what}");
    }
}

#[test]
fn a_seed_decides_everything() {
    let pace = Duration::from_secs(60);
    let [first, again, another] = [7, 7, 8].map(|seed| simulate(seed, pace).1);
    assert_eq!(first, again);
    assert_ne!(first, another);
}
