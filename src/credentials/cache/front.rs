//! What a hit reads: the credentials, and until when they may be served without a further look.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use aws_credential_types::Credentials;

/// How many threads can take hits without touching each other's memory.
const LANES: usize = 8;

/// Until when a hit needs no more than a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    Until(SystemTime),
    Forever,
}

/// One copy for each of some threads, with a lock and a reference count of its own. Two threads that share both spend
/// ten times as long on a hit as one thread does, waiting for the cache line.
#[derive(Default)]
pub(super) struct Front([Lane; LANES]);

#[derive(Default)]
#[repr(align(128))]
struct Lane(RwLock<Option<(Arc<Credentials>, Quiet)>>);

thread_local! {
    static LANE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

impl Front {
    pub(super) fn hit(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        let lane = &self.0[LANE.with(|lane| *lane)];
        match lane.0.read().unwrap_or_else(PoisonError::into_inner).as_ref()? {
            (_, Quiet::Until(until)) if now >= *until => None,
            (credentials, _) => Some(Arc::clone(credentials)),
        }
    }

    pub(super) fn show(&self, shown: Option<(&Credentials, Quiet)>) {
        for lane in &self.0 {
            let copy = shown.map(|(credentials, quiet)| (Arc::new(credentials.clone()), quiet));
            *lane.0.write().unwrap_or_else(PoisonError::into_inner) = copy;
        }
    }
}
