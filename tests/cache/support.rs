//! A clock that is turned by hand, and a source of credentials that answers by a script.

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::provider::future;
use tokio::sync::Semaphore;
use tower_sigv4::{
    clock::TimeSource,
    credentials::{
        Credentials, CredentialsCache, CredentialsCacheBuilder, CredentialsError, LoadError, ProvideCredentials,
        ProviderFailure, ServeExpired,
    },
};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }

    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    pub fn set(&self, to: SystemTime) {
        let since_1970 = to.duration_since(UNIX_EPOCH).unwrap();
        self.0.store(u64::try_from(since_1970.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// What the source answers to one call.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// New credentials that last so long from the call on.
    Fresh(Duration),
    /// New credentials that end at this time.
    Until(SystemTime),
    /// New credentials that may outlive their expiry, which comes at this time.
    MarkedUntil(SystemTime),
    /// New credentials that never expire.
    Static,
    /// New credentials that end at the time of the call.
    Stale,
    /// An error that may pass.
    Error,
    /// An error that will not pass.
    LastingError,
    Panic,
    Hang,
}

/// Keys are named `AKID-0`, `AKID-1`, … by the number of the call.
#[derive(Debug, Clone)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    replies: Mutex<(VecDeque<Reply>, Reply)>,
    calls: Mutex<Vec<SystemTime>>,
    gate: Option<Semaphore>,
    fallback: Mutex<Option<Credentials>>,
}

impl Source {
    /// Gives these replies in turn, the last one for ever.
    pub fn new(clock: &Clock, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::build(clock, replies, None)
    }

    /// The same, but every call waits until [`open`](Self::open) lets it through.
    pub fn gated(clock: &Clock, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::build(clock, replies, Some(Semaphore::new(0)))
    }

    fn build(clock: &Clock, replies: impl IntoIterator<Item = Reply>, gate: Option<Semaphore>) -> Self {
        let replies: VecDeque<_> = replies.into_iter().collect();
        let last = *replies.back().unwrap();
        Self(Arc::new(Inner {
            clock: clock.clone(),
            replies: Mutex::new((replies, last)),
            calls: Mutex::default(),
            gate,
            fallback: Mutex::default(),
        }))
    }

    /// From now on, this is the reply.
    pub fn answer(&self, reply: Reply) {
        *self.0.replies.lock().unwrap() = (VecDeque::new(), reply);
    }

    pub fn fall_back_to(&self, credentials: Credentials) {
        *self.0.fallback.lock().unwrap() = Some(credentials);
    }

    /// Lets so many calls through.
    pub fn open(&self, calls: usize) {
        self.0.gate.as_ref().unwrap().add_permits(calls);
    }

    pub fn calls(&self) -> usize {
        self.0.calls.lock().unwrap().len()
    }

    /// When each call was made.
    pub fn times(&self) -> Vec<SystemTime> {
        self.0.calls.lock().unwrap().clone()
    }

    pub fn cache(&self) -> CredentialsCache {
        self.builder().build()
    }

    pub fn builder(&self) -> CredentialsCacheBuilder {
        CredentialsCache::builder(self.clone()).time_source(self.0.clock.clone())
    }

    async fn load(&self) -> Result<Credentials, CredentialsError> {
        let now = self.0.clock.now();
        let number = {
            let mut calls = self.0.calls.lock().unwrap();
            calls.push(now);
            calls.len() - 1
        };
        let reply = {
            let mut replies = self.0.replies.lock().unwrap();
            replies.0.pop_front().unwrap_or(replies.1)
        };
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.unwrap().forget();
        }
        let credentials = |expiry| {
            Credentials::new(format!("AKID-{number}"), "the secret", Some("the token".into()), expiry, "scripted")
        };
        match reply {
            Reply::Fresh(lifetime) => Ok(credentials(Some(now + lifetime))),
            Reply::Until(expiry) => Ok(credentials(Some(expiry))),
            Reply::MarkedUntil(expiry) => {
                let mut marked = credentials(Some(expiry));
                marked.set_property(ServeExpired);
                Ok(marked)
            }
            Reply::Static => Ok(credentials(None)),
            Reply::Stale => Ok(credentials(Some(now))),
            Reply::Error => Err(ProviderFailure::new("scripted", "down").provider_error()),
            Reply::LastingError => Err(ProviderFailure::new("scripted", "no such role").lasting().provider_error()),
            // As `panic!` does, but without a report on stderr.
            Reply::Panic => std::panic::resume_unwind(Box::new("the scripted source panics")),
            Reply::Hang => std::future::pending().await,
        }
    }
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback.lock().unwrap().clone()
    }
}

/// Lets every task run that can.
pub async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// The key that the cache gives, once what it does in the background is done.
pub async fn settled_key(cache: &CredentialsCache) -> Result<String, LoadError> {
    cache.get().await?;
    settle().await;
    cache.get().await.map(|credentials| credentials.access_key_id().to_owned())
}

/// The key that the cache gives.
pub async fn key(cache: &CredentialsCache) -> Result<String, LoadError> {
    cache.get().await.map(|credentials| credentials.access_key_id().to_owned())
}

/// What a future gives when it is polled once.
pub fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
