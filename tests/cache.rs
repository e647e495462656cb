//! The cache of credentials, under a clock that the tests turn.
#![allow(missing_docs, missing_debug_implementations)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use tower_sigv4::{
    clock::TimeSource,
    credentials::{Credentials, CredentialsCache},
};

#[derive(Debug, Clone)]
struct Clock(Arc<Mutex<SystemTime>>);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

#[derive(Debug, Clone)]
struct Source(Clock, Arc<AtomicUsize>);

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let n = self.1.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let expiry = self.0.now() + Duration::from_secs(3600);
            Ok::<_, CredentialsError>(Credentials::new(format!("AKID-{n}"), "s", None, Some(expiry), "test"))
        })
    }
}

#[tokio::test]
async fn ten_thousand_wait_for_one_call() {
    let clock = Clock(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000))));
    let source = Source(clock.clone(), Arc::default());
    let cache = CredentialsCache::builder(source.clone()).time_source(clock).build();
    let tasks: Vec<_> = (0..10_000).map(|_| tokio::spawn(cache.get())).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().access_key_id(), "AKID-0");
    }
    assert_eq!(source.1.load(Ordering::SeqCst), 1);
}
