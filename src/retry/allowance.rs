use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tower::retry::budget::Budget;

const CAPACITY: u32 = 500;
const RETRY_COST: u32 = 5;
const TIMEOUT_COST: u32 = 10;
/// What a request that succeeds at once pays in.
const REFILL: u32 = 1;

/// What all requests together may spend on retries, so that a service in trouble is not drowned in them.
#[derive(Clone)]
pub(super) enum Allowance {
    Tokens(Arc<Tokens>),
    Budget(Arc<dyn Budget + Send + Sync>),
}

impl Allowance {
    /// AWS's bucket: it starts full.
    pub(super) fn tokens() -> Self {
        Self::Tokens(Arc::new(Tokens(AtomicU32::new(CAPACITY))))
    }

    /// Pays for a retry. `None`: there is not enough left.
    pub(super) fn spend(&self, after_timeout: bool) -> Option<Spent> {
        match self {
            Self::Tokens(tokens) => tokens.spend(if after_timeout { TIMEOUT_COST } else { RETRY_COST }).map(Spent),
            Self::Budget(budget) => budget.withdraw().then_some(Spent(0)),
        }
    }

    /// A request has succeeded: what its last retry cost comes back, or a little is paid in where there was none.
    pub(super) fn succeeded(&self, last: Option<Spent>) {
        match self {
            Self::Tokens(tokens) => tokens.refill(last.map_or(REFILL, |Spent(cost)| cost)),
            Self::Budget(budget) => budget.deposit(),
        }
    }
}

impl fmt::Debug for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(tokens) => f.debug_tuple("Tokens").field(&tokens.0).finish(),
            Self::Budget(_) => f.write_str("Budget"),
        }
    }
}

/// What a retry has cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent(u32);

pub(super) struct Tokens(AtomicU32);

impl Tokens {
    fn spend(&self, cost: u32) -> Option<u32> {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(cost)).ok().map(|_| cost)
    }

    fn refill(&self, by: u32) {
        // Mostly the bucket is full, and then it is not written to: requests share no cache line that changes.
        if self.0.load(Relaxed) < CAPACITY {
            let _ = self.0.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_add(by).min(CAPACITY)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_retries_or_fifty_after_timeouts_empty_the_bucket() {
        for (after_timeout, retries) in [(false, 100), (true, 50)] {
            let allowance = Allowance::tokens();
            assert_eq!(std::iter::from_fn(|| allowance.spend(after_timeout)).take(1_000).count(), retries);
        }
    }

    #[test]
    fn what_is_left_is_not_spent_on_what_costs_more() {
        let allowance = Allowance::tokens();
        for _ in 0..99 {
            allowance.spend(false).unwrap();
        }
        assert!(allowance.spend(true).is_none() && allowance.spend(false).is_some());
    }

    #[test]
    fn success_pays_back_and_never_above_the_capacity() {
        let allowance = Allowance::tokens();
        let spent: Vec<_> = std::iter::from_fn(|| allowance.spend(true)).collect();
        allowance.succeeded(spent.last().copied());
        assert!(allowance.clone().spend(true).is_some(), "a clone shares the bucket");
        for _ in 0..4 {
            allowance.succeeded(None);
        }
        assert!(allowance.spend(false).is_none());
        allowance.succeeded(None);
        assert!(allowance.spend(false).is_some());
        for _ in 0..1_000 {
            allowance.succeeded(None);
        }
        assert_eq!(std::iter::from_fn(|| allowance.spend(false)).count(), 100);
    }
}
