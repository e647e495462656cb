//! What a hit reads: the credentials, and until when they may be served without a further look.

use std::{sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;

use crate::lanes::Lanes;

/// When a hit needs no more than a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    /// From the first on, up to the second.
    Between(SystemTime, SystemTime),
    Forever,
}

/// A copy for each of some threads.
pub(super) struct Front(Lanes<(Arc<Credentials>, Quiet)>);

impl Default for Front {
    fn default() -> Self {
        Self(Lanes::new())
    }
}

impl Front {
    pub(super) fn hit(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        self.0.read(|(credentials, quiet)| match quiet {
            Quiet::Between(from, until) if now < *from || now >= *until => None,
            _ => Some(Arc::clone(credentials)),
        })
    }

    #[cfg(test)]
    pub(super) fn lock_all(&self) -> Vec<impl Sized> {
        self.0.lock_all()
    }

    pub(super) fn show(&self, shown: Option<(&Credentials, Quiet)>) {
        self.0.set_all(|| shown.map(|(credentials, quiet)| (Arc::new(credentials.clone()), quiet)));
    }
}
