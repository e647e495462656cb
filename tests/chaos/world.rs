//! The source, the service and the network, in the weather of one day.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::future};
use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{BoxError, Service};
use tower_sigv4::{
    clock::TimeSource,
    credentials::{CredentialsError, ProvideCredentials, ProviderFailure},
};

use crate::{
    ledger::{At, Ledger},
    service::{Authority, Refusal, answer},
    virtual_time::VirtualClock,
    weather::{CALM, Event, Spell, Weather},
};

pub(crate) const HOSTS: [&str; 3] =
    ["dynamodb.eu-central-1.amazonaws.com", "sqs.us-east-1.amazonaws.com", "dynamodb.us-west-2.amazonaws.com"];

pub(crate) struct World {
    start: Instant,
    /// The time as it is.
    clock: VirtualClock,
    /// The time as the machine has it.
    pub(crate) machine: VirtualClock,
    pub(crate) weather: Weather,
    rng: Mutex<Rng>,
    authority: Authority,
    keys: Mutex<Vec<String>>,
    pub(crate) ledger: Mutex<Ledger>,
    attempts: AtomicU64,
    /// One in so many signatures is computed anew.
    checked: u64,
}

impl World {
    pub(crate) fn new(mut rng: Rng, checked: u64) -> Arc<Self> {
        let clock = VirtualClock::new();
        Arc::new(Self {
            start: Instant::now(),
            machine: clock.another(),
            clock,
            weather: Weather::forecast(&mut rng),
            rng: Mutex::new(rng),
            authority: Authority::default(),
            keys: Mutex::default(),
            ledger: Mutex::default(),
            attempts: AtomicU64::new(0),
            checked,
        })
    }

    pub(crate) fn at(&self) -> At {
        self.start.elapsed()
    }

    pub(crate) fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    pub(crate) fn is(&self, spell: Spell) -> bool {
        self.weather.is(spell, self.at())
    }

    /// Whether a thing happens that goes wrong now and then, and with this chance in such a spell.
    fn strikes(&self, spell: Spell, chance: f64) -> bool {
        let chance = if self.is(spell) { chance } else { 0.001 };
        self.at() < CALM && self.rng(Rng::f64) < chance
    }

    pub(crate) fn happen(&self, event: Event) {
        match event {
            Event::ClockSet(ahead) => {
                self.machine.set_ahead(ahead);
                self.ledger.lock().unwrap().clock_was_set(self.at());
            }
            Event::Revoked => self.keys.lock().unwrap().last().into_iter().for_each(|key| self.authority.revoke(key)),
            Event::AllRevoked => self.keys.lock().unwrap().iter().for_each(|key| self.authority.revoke(key)),
        }
    }
}

/// Keys that live for an hour.
pub(crate) struct Source(pub(crate) Arc<World>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let world = &self.0;
            world.ledger.lock().unwrap().call_begins(world.at());
            let mut call = CallOfSource { world, brought: None };
            let longest = if world.is(Spell::SourceSlow) { 60_000 } else { 50 };
            tokio::time::sleep(Duration::from_millis(world.rng(|rng| rng.u64(5..longest)))).await;
            if world.is(Spell::SourceDown) {
                return Err::<_, CredentialsError>(ProviderFailure::new("chaos", "it is down").provider_error());
            }
            let mut keys = world.keys.lock().unwrap();
            let id = format!("AKID{:04}", keys.len());
            let expiry = world.clock.now() + Duration::from_secs(3600);
            let secret = format!("secret of {id}");
            let credentials = Credentials::new(&id, secret, Some("token".to_owned()), Some(expiry), "chaos");
            world.authority.add(credentials.clone());
            keys.push(id.clone());
            call.brought = Some((id, expiry));
            Ok(credentials)
        })
    }
}

/// Notes the end of a call, also of one that the cache gives up.
struct CallOfSource<'a> {
    world: &'a World,
    brought: Option<(String, SystemTime)>,
}

impl Drop for CallOfSource<'_> {
    fn drop(&mut self) {
        let brought = self.brought.as_ref().map(|(id, expiry)| (id.as_str(), *expiry));
        self.world.ledger.lock().unwrap().call_ends(self.world.at(), self.world.machine.now(), brought);
    }
}

/// What became of the attempts of one request, in order; they are its extension.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts(pub(crate) Arc<Mutex<Vec<Fate>>>);

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// It has not got to the service.
    NotSent,
    Refused(Refusal),
    /// The service wants it later: a status and perhaps a code.
    Later(u16),
    Broken,
    Done,
}

/// The number of an attempt.
#[derive(Debug, Clone, Copy)]
struct Number(u64);

/// Stands just outside the signer: it numbers the attempts, and sees what the signer sees.
#[derive(Clone)]
pub(crate) struct Watch<S> {
    pub(crate) inner: S,
    pub(crate) world: Arc<World>,
}

impl<S, B, R> Service<Request<B>> for Watch<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError, Future: Send + 'static>,
    R: 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = self.world.attempts.fetch_add(1, SeqCst);
        request.extensions().get::<Attempts>().unwrap().0.lock().unwrap().push(Fate::NotSent);
        request.extensions_mut().insert(Number(id));
        let (world, response) = (Arc::clone(&self.world), self.inner.call(request));
        Box::pin(async move {
            let response = response.await?;
            let rejects = tower_sigv4::retry::error_code(&response) == Some("ExpiredToken");
            world.ledger.lock().unwrap().answered(world.at(), id, response.status().as_u16(), rejects);
            Ok(response)
        })
    }
}

/// The service, and the network before it.
#[derive(Clone)]
pub(crate) struct Aws(pub(crate) Arc<World>);

impl<B: 'static> Service<Request<B>> for Aws {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let world = Arc::clone(&self.0);
        let (parts, _) = request.into_parts();
        let Some(Number(id)) = parts.extensions.get().copied() else { panic!("an attempt without a number") };
        let judged = world.authority.judge(&parts, b"{}", world.clock.now(), id % world.checked == 0);
        let key = parts.headers["authorization"].to_str().unwrap().split(['=', '/']).nth(1).unwrap();
        let host = HOSTS.iter().position(|host| parts.uri.host() == Some(host)).unwrap();
        let mut ledger = world.ledger.lock().unwrap();
        ledger.arrives(world.at(), id, host, key, world.machine.now());
        if let Err(refusal) = judged {
            ledger.refuses(world.at(), id, refusal);
        }
        drop(ledger);

        let fate = match judged {
            _ if world.strikes(Spell::BrokenConnections, 0.5) => Fate::Broken,
            Err(refusal) => Fate::Refused(refusal),
            Ok(_) if world.strikes(Spell::Throttling, 0.7) => {
                Fate::Later(world.rng(|rng| *rng.choice(&[400, 429, 503]).unwrap()))
            }
            Ok(_) if world.strikes(Spell::Errors, 0.5) => {
                Fate::Later(world.rng(|rng| *rng.choice(&[500, 502, 503, 504]).unwrap()))
            }
            Ok(_) => Fate::Done,
        };
        let attempts = parts.extensions.get::<Attempts>().unwrap();
        *attempts.0.lock().unwrap().last_mut().unwrap() = fate;

        let longest = if world.strikes(Spell::SlowAnswers, 0.3) { 30_000 } else { 80 };
        let (takes, in_header) = world.rng(|rng| (rng.u64(5..longest), rng.bool()));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            let now = world.clock.now();
            match fate {
                Fate::Broken => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
                Fate::Refused(refusal) => Ok(answer(403, Some(&format!("{refusal:?}")), in_header, now)),
                Fate::Later(400) => Ok(answer(400, Some("ThrottlingException"), in_header, now)),
                Fate::Later(status) => Ok(answer(status, None, in_header, now)),
                Fate::Done | Fate::NotSent => Ok(answer(200, None, in_header, now)),
            }
        })
    }
}
