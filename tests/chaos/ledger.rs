//! What has happened so far, and what may happen next: every rule that the layer keeps is checked here.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use crate::service::Refusal;

/// The longest that the cache leaves a failing source alone while it serves the old credentials.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(600);
const SHORTEST_BACK_OFF: Duration = Duration::from_secs(300);
/// How long it leaves the source alone after a success.
const REST: Duration = Duration::from_secs(30);
/// A back-off that would outlast the credentials ends in their last minute.
const LAST_MINUTE: Duration = Duration::from_secs(60);
/// A clock that is set back by less than this does not end a pause.
const SLACK: Duration = Duration::from_secs(60);
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Time since the day began.
pub(crate) type At = Duration;

#[derive(Debug)]
struct Key {
    expiry: SystemTime,
    /// When an answer that rejects it came back to the layer.
    rejected: Option<At>,
}

/// One call of the source.
#[derive(Debug, Clone)]
struct Call {
    ended: Option<At>,
    /// The same by the machine's clock, which may come by twice.
    ended_machine: SystemTime,
    /// The key that it brought, where the cache can use it.
    key: Option<String>,
    /// The failures up to and with this call, since the last success.
    failures: u32,
    /// What the cache could serve meanwhile ends so long after the call.
    serving_for: Duration,
}

/// An attempt that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    at: At,
    host: usize,
    key: String,
}

/// How often things happened: a day on which nothing goes wrong shows nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(HashMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    keys: HashMap<String, Key>,
    /// The key that the cache has.
    held: Option<String>,
    calls: Vec<Call>,
    attempts: HashMap<u64, Sent>,
    clock_set: At,
    /// Hosts whose time the layer knows since the clock was last set, by answers to attempts that were sent after that.
    known_time: HashSet<usize>,
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<String>,
    digest: DefaultHasher,
}

impl Ledger {
    /// Two days of the same seed have the same digest.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    fn note(&mut self, at: At, what: impl Hash) {
        (at, what).hash(&mut self.digest);
    }

    fn violation(&mut self, at: At, what: &str) {
        self.violations.push(format!("{at:?}: {what}"));
    }

    pub(crate) fn clock_was_set(&mut self, at: At) {
        self.note(at, "clock");
        self.clock_set = at;
        self.known_time.clear();
    }

    pub(crate) fn is_calling(&self) -> bool {
        self.calls.last().is_some_and(|call| call.ended.is_none())
    }

    /// Whether the source has let the cache down, the last time that it was asked.
    pub(crate) fn source_failed(&self) -> bool {
        self.calls.last().is_some_and(|call| call.ended.is_some() && call.key.is_none())
    }

    /// The source is called: is it too early?
    pub(crate) fn call_begins(&mut self, at: At) {
        self.note(at, "call");
        self.tally.count("calls of the source");
        if let Some(last) = self.calls.last().cloned() {
            match last.ended {
                None => self.violation(at, "two calls of the source at once"),
                Some(ended) if ended <= self.clock_set => {}
                Some(ended) => self.check_pause(at, at.saturating_sub(ended), &last),
            }
        }
        let failures = self.calls.last().map_or(0, |call| call.failures);
        self.calls.push(Call {
            ended: None,
            ended_machine: SystemTime::UNIX_EPOCH,
            key: None,
            failures,
            serving_for: Duration::ZERO,
        });
    }

    fn check_pause(&mut self, at: At, pause: Duration, last: &Call) {
        let shortest = match &last.key {
            Some(key) if self.keys[key].rejected.is_some() => Duration::ZERO,
            Some(_) => REST,
            None if last.serving_for > LONGEST_BACK_OFF + LAST_MINUTE => SHORTEST_BACK_OFF,
            None if last.failures > 1 => LEAST_PAUSE,
            None => Duration::ZERO,
        };
        if pause < shortest {
            self.violation(at, &format!("the source was called {pause:?} after {last:?}, not {shortest:?}"));
        }
    }

    /// The source's call has ended. `machine` is the time as the cache sees it.
    pub(crate) fn call_ends(&mut self, at: At, machine: SystemTime, brought: Option<(&str, SystemTime)>) {
        self.note(at, brought);
        let mut usable = None;
        if let Some((id, expiry)) = brought {
            self.keys.insert(id.to_owned(), Key { expiry, rejected: None });
            usable = Some(id.to_owned()).filter(|_| expiry > machine);
        }
        // One that seems to have expired when it arrives is not kept.
        self.held = usable.clone().or(self.held.take());
        let held = self.held.as_ref().map(|key| self.keys[key].expiry);
        self.tally.count(if usable.is_some() { "keys" } else { "failures of the source" });
        let Some(call) = self.calls.last_mut() else { return };
        call.ended = Some(at);
        call.ended_machine = machine;
        call.failures = if usable.is_some() { 0 } else { call.failures + 1 };
        call.serving_for = held.and_then(|expiry| expiry.duration_since(machine).ok()).unwrap_or_default();
        call.key = usable;
    }

    /// An attempt arrives, signed at this very moment. `machine` is the time as the layer sees it.
    pub(crate) fn arrives(&mut self, at: At, id: u64, host: usize, key: &str, machine: SystemTime) {
        self.note(at, (host, key));
        self.tally.count("attempts");
        if self.attempts.insert(id, Sent { at, host, key: key.to_owned() }).is_some() {
            self.violation(at, "the layer has sent an attempt twice");
        }
        let Some(known) = self.keys.get(key) else { return self.violation(at, "a key that the source never gave") };
        if known.expiry <= machine {
            return self.violation(at, "a key that has expired by the machine's own clock");
        }
        if let Some(rejected) = known.rejected.filter(|rejected| *rejected < at) {
            self.tally.count("attempts with a key that is known to be bad");
            let replaced = |call: &&Call| call.key.is_some() && call.ended.is_some_and(|ended| ended > rejected);
            let last_failed = self.calls.iter().rev().find(|call| call.ended.is_some());
            let excused = last_failed.is_some_and(|call| {
                let pause = if call.key.is_some() { REST } else { LONGEST_BACK_OFF };
                let comes_by_again = machine + SLACK >= call.ended_machine && machine <= call.ended_machine + pause;
                at.saturating_sub(call.ended.unwrap_or_default()) <= pause || comes_by_again
            });
            if let Some(call) = self.calls.iter().find(replaced) {
                let better = format!("a key that was rejected, {rejected:?}, though there is a better one: {call:?}");
                self.violation(at, &better);
            } else if !excused {
                let idle = format!(
                    "a key that was rejected, {rejected:?}, though the source could have been asked: {:?}, clock set {:?}",
                    self.calls.last(),
                    self.clock_set
                );
                self.violation(at, &idle);
            }
        }
    }

    /// The server refuses an attempt that it has just received.
    pub(crate) fn refuses(&mut self, at: At, id: u64, refusal: Refusal) {
        self.note(at, refusal);
        match refusal {
            Refusal::RequestTimeTooSkewed => {
                self.tally.count("refused for the time");
                let host = self.attempts[&id].host;
                if self.known_time.contains(&host) {
                    self.violation(at, "signed at a time that was known to be wrong");
                }
            }
            Refusal::ExpiredToken => self.tally.count("refused for the key"),
            _ => self.violation(at, &format!("{refusal:?}")),
        }
    }

    /// An answer reaches the layer.
    pub(crate) fn answered(&mut self, at: At, id: u64, status: u16, rejects_key: bool) {
        self.note(at, status);
        if !(400..500).contains(&status) {
            return;
        }
        let Some(Sent { at: sent, host, key }) = self.attempts.get(&id).cloned() else { return };
        if sent > self.clock_set {
            self.known_time.insert(host);
        } else {
            // The clock was set while this one was under way: what it measured is wrong, and replaces what was right.
            self.known_time.remove(&host);
        }
        if rejects_key && let Some(key) = self.keys.get_mut(&key) {
            key.rejected.get_or_insert(at);
        }
    }

    /// A request has come to its end.
    pub(crate) fn ends(&mut self, at: At, how: &'static str) {
        self.note(at, how);
        self.tally.count(how);
    }

    /// An end that nothing explains.
    pub(crate) fn unexplained(&mut self, at: At, what: &str) {
        self.violation(at, what);
    }
}
