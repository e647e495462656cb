//! Copies of a value for threads that read it all the time.

use std::{
    cell::Cell,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many threads can read without touching each other's memory.
const LANES: usize = 8;

/// One place for each of some threads, with a lock of its own. Two threads that share a lock and a reference count spend
/// ten times as long on a read as one thread does, waiting for the cache line.
pub(crate) struct Lanes<T>([Lane<T>; LANES]);

#[repr(align(128))]
struct Lane<T>(RwLock<Option<T>>);

thread_local! {
    /// The lane of this thread, once it has one.
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

#[cold]
fn new_lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let lane = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
    LANE.set(Some(lane));
    lane
}

impl<T> Lanes<T> {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Lane(RwLock::new(None))))
    }

    /// Reads this thread's copy, where there is one.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        // A panic while a lock is held leaves a whole value behind, so a poisoned lock is as good as any.
        self.mine().0.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(read)
    }

    /// Replaces this thread's copy.
    pub(crate) fn set_mine(&self, value: T) {
        *self.mine().0.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Replaces every copy, each by a value of its own.
    pub(crate) fn set_all(&self, mut value: impl FnMut() -> Option<T>) {
        for lane in &self.0 {
            *lane.0.write().unwrap_or_else(PoisonError::into_inner) = value();
        }
    }

    /// Keeps every reader out, for as long as what comes back is kept.
    #[cfg(test)]
    pub(crate) fn lock_all(&self) -> Vec<impl Sized> {
        self.0.iter().map(|lane| lane.0.write()).collect()
    }

    fn mine(&self) -> &Lane<T> {
        &self.0[LANE.get().unwrap_or_else(new_lane)]
    }
}
