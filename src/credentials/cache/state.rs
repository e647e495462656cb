//! What the cache knows, and what follows from it for a caller. Nothing here waits or reads a clock.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use tokio::{sync::oneshot, time::Instant};

use super::{LoadError, LoadErrorKind, ServeExpired, builder::Settings, front::Quiet, policy};

/// What a caller gets.
pub(super) type Answer = Result<Arc<Credentials>, LoadError>;

#[derive(Default)]
pub(super) struct State {
    current: Option<Held>,
    refresh: Option<Refresh>,
    pause: Option<Pause>,
    /// Failures since the last success.
    failures: u32,
    refreshes: u64,
}

struct Held {
    credentials: Arc<Credentials>,
    /// `None`: they never expire.
    windows: Option<policy::Windows>,
    outlives_expiry: bool,
    /// A service has rejected their key.
    rejected: bool,
    /// They came because a service had rejected the ones before.
    replaces_rejected: bool,
}

/// The refresh that is running, and those who wait for it.
struct Refresh {
    number: u64,
    until: Option<Instant>,
    waiting: Vec<oneshot::Sender<Answer>>,
}

/// A refresh, as one sees it who waits for it.
pub(super) struct Joined {
    pub(super) number: u64,
    /// When it has to have ended; `None` is never.
    pub(super) until: Option<Instant>,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Refresh {
    fn join(&mut self) -> Joined {
        let (sender, answer) = oneshot::channel();
        self.waiting.push(sender);
        Joined { number: self.number, until: self.until, answer }
    }
}

/// The source is not called before `until`.
struct Pause {
    since: SystemTime,
    until: SystemTime,
    /// `None` after a success.
    error: Option<LoadError>,
}

impl Pause {
    /// How much earlier than the pause a caller may have read the clock.
    const SLACK: Duration = Duration::from_secs(60);

    /// A clock that is set back ends the pause, which could last for any time otherwise.
    fn covers(&self, now: SystemTime) -> bool {
        self.begins() <= now && now < self.until
    }

    fn begins(&self) -> SystemTime {
        self.since.checked_sub(Self::SLACK).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// What a caller has to do.
pub(super) enum Decision {
    Answer(Answer),
    /// Take the answer, and see to it that a refresh runs.
    AnswerAndRefresh(Arc<Credentials>),
    Wait,
}

/// How a refresh ended, for those who wait and those who watch.
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "what nobody watches is not read"))]
pub(super) struct Ended {
    pub(super) answer: Answer,
    pub(super) error: Option<LoadError>,
    pub(super) next_try: Option<SystemTime>,
    pub(super) waiting: Vec<oneshot::Sender<Answer>>,
}

impl Held {
    fn new(credentials: Credentials, now: SystemTime, settings: &Settings) -> Self {
        Self {
            windows: credentials.expiry().map(|expiry| policy::windows(now, expiry, settings.advisory_window)),
            outlives_expiry: settings.serve_expired || credentials.get_property::<ServeExpired>().is_some(),
            credentials: Arc::new(credentials),
            rejected: false,
            replaces_rejected: false,
        }
    }

    fn expired(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_some_and(|expiry| expiry <= now)
    }

    fn servable(&self, now: SystemTime) -> bool {
        self.outlives_expiry || !self.expired(now)
    }

    fn answer(&self, now: SystemTime, min_validity: Duration) -> Answer {
        within(&self.credentials, now, min_validity)
    }
}

/// These credentials, if they are valid for long enough.
pub(super) fn within(credentials: &Arc<Credentials>, now: SystemTime, min_validity: Duration) -> Answer {
    match credentials.expiry().map(|expiry| expiry.duration_since(now).unwrap_or_default()) {
        Some(left) if left < min_validity => Err(LoadError::too_short(min_validity, left)),
        _ => Ok(Arc::clone(credentials)),
    }
}

impl State {
    pub(super) fn decide(&self, now: SystemTime, min_validity: Duration) -> Decision {
        let pause = self.pause.as_ref().filter(|pause| pause.covers(now));
        let held = self.current.as_ref().filter(|held| held.servable(now));
        match (held, pause) {
            (Some(held), Some(_)) => Decision::Answer(held.answer(now, min_validity)),
            (None, Some(Pause { error: Some(error), .. })) => Decision::Answer(Err(error.clone())),
            (Some(held), None) => match held.windows {
                _ if held.rejected => Decision::Wait,
                Some(windows) if now >= windows.mandatory => Decision::Wait,
                _ if held.answer(now, min_validity).is_err() => Decision::Wait,
                Some(windows) if now >= windows.advisory => Decision::AnswerAndRefresh(Arc::clone(&held.credentials)),
                _ => Decision::Answer(Ok(Arc::clone(&held.credentials))),
            },
            (None, _) => Decision::Wait,
        }
    }

    /// What is held, and when it can be served without looking at anything else.
    pub(super) fn front(&self) -> Option<(&Credentials, Quiet)> {
        let held = self.current.as_ref()?;
        let credentials = &*held.credentials;
        let mut until = match held.windows {
            _ if held.rejected => SystemTime::UNIX_EPOCH,
            None => return Some((credentials, Quiet::Forever)),
            Some(windows) if self.refresh.is_some() => windows.mandatory,
            Some(windows) => windows.advisory.min(windows.mandatory),
        };
        let mut from = SystemTime::UNIX_EPOCH;
        if let Some(pause) = self.pause.as_ref().filter(|pause| pause.until > until) {
            (from, until) = (pause.begins(), pause.until);
        }
        if let Some(expiry) = credentials.expiry().filter(|_| !held.outlives_expiry) {
            until = until.min(expiry);
        }
        Some((credentials, Quiet::Between(from, until)))
    }

    pub(super) fn expiry(&self) -> Option<SystemTime> {
        self.current.as_ref()?.credentials.expiry()
    }

    pub(super) fn servable(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        self.current.as_ref().filter(|held| held.servable(now)).map(|held| Arc::clone(&held.credentials))
    }

    /// Whether these credentials, which are good now, can be used for longer than those that are held.
    pub(super) fn outlasted_by(&self, others: &Credentials, now: SystemTime) -> bool {
        let ours = self.current.as_ref().map(|held| held.credentials.expiry());
        others
            .expiry()
            .is_none_or(|theirs| theirs > now && ours.is_none_or(|ours| ours.is_some_and(|ours| theirs > ours)))
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.refresh.is_some()
    }

    /// Takes the one slot for a refresh. The number identifies it when it ends.
    pub(super) fn begin(&mut self, until: Option<Instant>) -> Joined {
        self.refreshes += 1;
        self.refresh.insert(Refresh { number: self.refreshes, until, waiting: Vec::new() }).join()
    }

    /// Waits for the refresh that is running, if one is.
    pub(super) fn join(&mut self) -> Option<Joined> {
        let refresh = self.refresh.as_mut()?;
        if refresh.waiting.len() == refresh.waiting.capacity() {
            // Callers that gave up make room, so that a source that hangs under load does not pile up senders.
            refresh.waiting.retain(|sender| !sender.is_closed());
        }
        Some(refresh.join())
    }

    /// The refresh went away without a result. Those who wait are sent nothing, and look again.
    pub(super) fn interrupted(&mut self, number: u64) -> Option<Vec<oneshot::Sender<Answer>>> {
        self.end(number)
    }

    /// The refresh of this number has a result.
    pub(super) fn finish(
        &mut self,
        number: u64,
        now: SystemTime,
        result: Result<Credentials, LoadError>,
        settings: &Settings,
    ) -> Option<Ended> {
        let mut waiting = self.end(number)?;
        let arrived = result.and_then(|credentials| self.arrive(Held::new(credentials, now, settings), now));
        let (answer, error) = match arrived {
            Ok(credentials) => (Ok(credentials), None),
            Err(error) => (self.fail(now, &error), Some(error)),
        };
        if self.failures == 1 && matches!(&answer, Err(error) if error.kind() == LoadErrorKind::Panicked) {
            // Sent nothing, those who wait start one new refresh. They are told if it panics too.
            waiting.clear();
        }
        let next_try = match self.front() {
            Some((_, Quiet::Between(_, until))) => Some(until),
            Some((_, Quiet::Forever)) => None,
            None => self.pause.as_ref().map(|pause| pause.until),
        };
        Some(Ended { answer, error, next_try, waiting })
    }

    fn end(&mut self, number: u64) -> Option<Vec<oneshot::Sender<Answer>>> {
        self.refresh.take_if(|refresh| refresh.number == number).map(|refresh| refresh.waiting)
    }

    /// Keeps what has arrived if it is of use; an error if it does not count as a success.
    fn arrive(&mut self, mut held: Held, now: SystemTime) -> Answer {
        let credentials = Arc::clone(&held.credentials);
        let expired = held.expired(now);
        // What its source lets outlive its expiry is still better than nothing, or than what expired before it.
        if !expired || held.outlives_expiry && self.current.as_ref().is_none_or(|old| old.expired(now)) {
            held.replaces_rejected = self.current.as_ref().is_some_and(|old| old.rejected);
            self.current = Some(held);
        }
        if expired {
            return Err(LoadError::expired());
        }
        self.failures = 0;
        let until = policy::rest_after_success(now, credentials.expiry());
        self.pause = Some(Pause { since: now, until, error: None });
        Ok(credentials)
    }

    fn fail(&mut self, now: SystemTime, error: &LoadError) -> Answer {
        self.failures = self.failures.saturating_add(1);
        let lasting = !error.is_retryable();
        let held = self.current.as_ref().filter(|held| held.servable(now));
        let until = match held {
            Some(held) => Some(policy::rest_after_failure(now, held.credentials.expiry(), lasting, self.failures)),
            None => policy::remember_error(now, lasting, self.failures),
        };
        self.pause = until.map(|until| Pause { since: now, until, error: Some(error.clone()) });
        held.map(|held| Arc::clone(&held.credentials)).ok_or_else(|| error.clone())
    }

    /// A service has rejected this key. Whether it is the one that is held.
    pub(super) fn reject(&mut self, access_key_id: &str) -> bool {
        let Some(held) = self.current.as_mut().filter(|held| held.credentials.access_key_id() == access_key_id) else {
            return false;
        };
        held.rejected = true;
        // The rest after a success is cut short once. If what comes then is rejected as well, it holds: a source that
        // serves the same dead key again would be called for every request otherwise. A back-off always holds.
        if !held.replaces_rejected && self.pause.as_ref().is_some_and(|pause| pause.error.is_none()) {
            self.pause = None;
        }
        true
    }
}
