//! A clock that goes with tokio's: paused, it moves when all tasks wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower_sigv4::clock::TimeSource;

/// The time of a test, from 30 August 2015 on. A clone is another clock: it can be set wrong by itself.
#[derive(Debug)]
pub struct VirtualClock {
    start: tokio::time::Instant,
    off_by: Arc<AtomicI64>,
}

impl VirtualClock {
    pub const START: u64 = 1_440_938_160;

    /// A clock that is right, and begins now.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now(), off_by: Arc::default() }
    }

    /// The same clock, to be read elsewhere: when this one is set, so is that.
    pub fn shared(&self) -> Self {
        Self { start: self.start, off_by: Arc::clone(&self.off_by) }
    }

    /// Another clock that shows the same time, until it is set.
    pub fn another(&self) -> Self {
        Self { start: self.start, off_by: Arc::new(AtomicI64::new(self.off_by.load(SeqCst))) }
    }

    /// Sets the clock so many seconds ahead of the time.
    pub fn set_ahead(&self, seconds: i64) {
        self.off_by.store(seconds, SeqCst);
    }

    pub fn ahead(&self) -> i64 {
        self.off_by.load(SeqCst)
    }
}

impl TimeSource for VirtualClock {
    fn now(&self) -> SystemTime {
        let time = UNIX_EPOCH + Duration::from_secs(Self::START) + self.start.elapsed();
        let off_by = Duration::from_secs(self.ahead().unsigned_abs());
        if self.ahead() < 0 { time - off_by } else { time + off_by }
    }
}
