//! What a hit reads: the credentials, and until when they may be served without a further look.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::SystemTime,
};

use aws_credential_types::Credentials;

use crate::lanes::Lanes;

/// When a hit needs no more than a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    /// From the first on, up to the second.
    Between(SystemTime, SystemTime),
    Forever,
}

impl Quiet {
    fn covers(self, now: SystemTime) -> bool {
        match self {
            Self::Between(from, until) => from <= now && now < until,
            Self::Forever => true,
        }
    }
}

/// What was shown when credentials were given out: whoever made something of them can ask whether they still would be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    edition: u64,
    quiet: Quiet,
}

/// A copy for each of some threads.
pub(super) struct Front {
    lanes: Lanes<(Arc<Credentials>, Quiet)>,
    /// Counts what was shown.
    edition: AtomicU64,
}

impl Default for Front {
    fn default() -> Self {
        Self { lanes: Lanes::new(), edition: AtomicU64::new(0) }
    }
}

impl Front {
    pub(super) fn hit(&self, now: SystemTime) -> Option<(Arc<Credentials>, Stamp)> {
        // Before the credentials: if they are newer, the stamp does not hold, and no harm is done.
        let edition = self.edition.load(Acquire);
        self.lanes.read(|(credentials, quiet)| {
            quiet.covers(now).then(|| (Arc::clone(credentials), Stamp { edition, quiet: *quiet }))
        })
    }

    /// Whether a hit would give the credentials that this stamp came with.
    pub(super) fn holds(&self, stamp: Stamp, now: SystemTime) -> bool {
        stamp.edition == self.edition.load(Acquire) && stamp.quiet.covers(now)
    }

    #[cfg(test)]
    pub(super) fn lock_all(&self) -> Vec<impl Sized> {
        self.lanes.lock_all()
    }

    pub(super) fn show(&self, shown: Option<(&Credentials, Quiet)>) {
        self.lanes.set_all(|| shown.map(|(credentials, quiet)| (Arc::new(credentials.clone()), quiet)));
        // Behind them: no stamp of this edition comes with older credentials.
        self.edition.fetch_add(1, Release);
    }
}
