//! What all clones of a cache share, and the task that refreshes it.

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::ProvideCredentials};
use tokio::{runtime::Handle, time::Instant};

use super::{
    LoadError,
    builder::Settings,
    front::{Front, Stamp},
    observe, policy,
    state::{Answer, Decision, Joined, State},
};

/// How much longer than a refresh may take those wait for it who cannot tell whether its own timer runs.
pub(super) const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    /// Apart from the state, so that hits do not wait for each other. Written under the state's lock.
    front: Front,
    state: Mutex<State>,
    provider: Box<dyn ProvideCredentials>,
    settings: Settings,
    /// The number of the refresh that a thread is at this moment, which may take as long as the provider blocks it.
    at_work: AtomicU64,
}

impl Shared {
    pub(super) fn new(provider: Box<dyn ProvideCredentials>, settings: Settings) -> Self {
        Self { front: Front::default(), state: Mutex::default(), provider, settings, at_work: AtomicU64::new(0) }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn now(&self) -> SystemTime {
        self.settings.clock.now()
    }

    /// The credentials, where there is nothing to decide.
    pub(super) fn hit(&self, now: SystemTime) -> Option<(Arc<Credentials>, Stamp)> {
        self.front.hit(now)
    }

    pub(super) fn holds(&self, stamp: Stamp, now: SystemTime) -> bool {
        self.front.holds(stamp, now)
    }

    /// What is held and can still be served, with no thought of refreshing it.
    pub(super) fn held(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        self.lock().servable(now)
    }

    /// What can be answered without waiting.
    pub(super) fn answer(self: &Arc<Self>, now: SystemTime, min_validity: Duration) -> Option<Answer> {
        self.settle(self.lock(), now, min_validity).ok()
    }

    /// The refresh to wait for, or the answer itself where it is known by now.
    pub(super) fn ask(self: &Arc<Self>, now: SystemTime, min_validity: Duration) -> Result<Joined, Answer> {
        let mut state = match self.settle(self.lock(), now, min_validity) {
            Ok(answer) => return Err(answer),
            Err(state) => state,
        };
        if let Some(joined) = state.join() {
            return Ok(joined);
        }
        match Handle::try_current() {
            Ok(runtime) => Ok(self.refresh(&runtime, state, now)),
            Err(_) => Err(Err(LoadError::no_runtime())),
        }
    }

    /// An answer, and a refresh in the background where one is due; the lock again if the answer has to be waited for.
    fn settle<'a>(
        self: &Arc<Self>,
        state: MutexGuard<'a, State>,
        now: SystemTime,
        min_validity: Duration,
    ) -> Result<Answer, MutexGuard<'a, State>> {
        match state.decide(now, min_validity) {
            Decision::Answer(answer) => Ok(answer),
            Decision::AnswerAndRefresh(credentials) => {
                // Without a runtime the old ones are still good, and a later caller may have one.
                if !state.is_refreshing()
                    && let Ok(runtime) = Handle::try_current()
                {
                    drop(self.refresh(&runtime, state, now));
                }
                Ok(Ok(credentials))
            }
            Decision::Wait => Err(state),
        }
    }

    /// Starts the one refresh, and waits for it.
    fn refresh(self: &Arc<Self>, runtime: &Handle, mut state: MutexGuard<'_, State>, now: SystemTime) -> Joined {
        let limit = policy::time_limit(now, state.expiry(), self.settings.deadline);
        let joined = state.begin(Instant::now().checked_add(limit.saturating_add(GRACE)));
        let number = joined.number;
        self.publish(&state);
        // A runtime that is shutting down drops the task within `spawn`, and the slot's guard takes this lock.
        drop(state);
        let slot = Slot { cache: Arc::clone(self), number };
        runtime.spawn(async move {
            let result = slot.cache.load(number, limit).await;
            slot.finish(result);
        });
        joined
    }

    /// The refresh of this number has not ended in its time. Unless its provider blocks a thread, its runtime stands still,
    /// as one does whose `block_on` has returned: the slot is free, and those who wait look again.
    pub(super) fn abandon(&self, number: u64) -> bool {
        let is_abandoned = self.at_work.load(Relaxed) != number;
        if is_abandoned {
            self.interrupt(number);
        }
        is_abandoned
    }

    fn interrupt(&self, number: u64) {
        let mut state = self.lock();
        if let Some(waiting) = state.interrupted(number) {
            self.publish(&state);
            drop(state);
            observe::interrupted(self.settings.source);
            drop(waiting);
        }
    }

    async fn load(&self, number: u64, limit: Duration) -> Result<Credentials, LoadError> {
        let mut attempt = pin!(async {
            // Within the future that is watched for panics: the timer panics on a runtime without timers.
            tokio::time::timeout(limit, async { self.provider.provide_credentials().await }).await
        });
        let caught = poll_fn(|cx| {
            self.at_work.store(number, Relaxed);
            let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(cx)));
            self.at_work.store(0, Relaxed);
            match polled {
                Ok(poll) => poll.map(Some),
                Err(_) => std::task::Poll::Ready(None),
            }
        });
        match caught.await {
            Some(Ok(Ok(credentials))) => Ok(credentials),
            Some(Ok(Err(error))) => Err(LoadError::from_source(error)),
            Some(Err(_)) => {
                let fallback = self.provider.fallback_on_interrupt();
                fallback
                    .filter(|one| self.lock().outlasted_by(one, self.now()))
                    .ok_or_else(|| LoadError::deadline(limit))
            }
            None => Err(LoadError::panicked()),
        }
    }

    pub(super) fn invalidate(&self, rejected_access_key_id: &str) {
        let mut state = self.lock();
        if state.reject(rejected_access_key_id) {
            self.publish(&state);
            drop(state);
            observe::invalidated(self.settings.source, rejected_access_key_id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &State) {
        self.front.show(state.front());
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("CredentialsCache")
            .field("source", &self.settings.source)
            .field("expiry", &state.expiry())
            .field("refreshing", &state.is_refreshing())
            .finish_non_exhaustive()
    }
}

/// The right to refresh. Dropping it without a result, as a runtime does that shuts down, frees the slot.
struct Slot {
    cache: Arc<Shared>,
    number: u64,
}

impl Slot {
    fn finish(&self, result: Result<Credentials, LoadError>) {
        let cache = &self.cache;
        let now = cache.now();
        let mut state = cache.lock();
        let Some(ended) = state.finish(self.number, now, result, &cache.settings) else { return };
        cache.publish(&state);
        drop(state);
        observe::refreshed(cache.settings.source, &ended, now);
        for sender in ended.waiting {
            // One that is gone has given up: its answer is of no use to anybody.
            let _ = sender.send(ended.answer.clone());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.cache.interrupt(self.number);
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::CredentialsCache;

    use super::*;

    #[tokio::test]
    async fn a_poisoned_lock_is_used_on() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
        let cache = CredentialsCache::new(credentials);
        let Shared { state, front, .. } = &*cache.0;
        let poisoned = catch_unwind(AssertUnwindSafe(|| {
            let _locked = (state.lock(), front.lock_all());
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(poisoned.is_err() && state.is_poisoned());
        assert_eq!(cache.get().await.unwrap().access_key_id(), "AKIDEXAMPLE");
        cache.invalidate("AKIDEXAMPLE");
        assert!(cache.get().await.is_ok());
        assert!(format!("{cache:?}").contains("refreshing: false"));
    }
}
