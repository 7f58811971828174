//! Counts unfinished callbacks, for a shutdown that waits for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// The count of one client.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedCallbacks {
    count: AtomicUsize,
    /// Held while checking the count before a wait, and while ending the wait.
    waiting: Mutex<()>,
    none_left: Condvar,
}

impl UnfinishedCallbacks {
    /// Counts one callback that will run.
    pub(super) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that one callback has finished.
    pub(super) fn finish(&self) {
        // A shutdown that has waited for the callback sees what it did.
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(self.waiting.lock());
            self.none_left.notify_all();
        }
    }

    /// Waits until all callbacks have finished. Returns whether they had by `deadline`.
    pub(crate) fn wait_for_all(&self, deadline: Instant) -> bool {
        let is_none_left = || self.count.load(Ordering::Acquire) == 0;
        let mut waiting = self.waiting.lock();
        while !is_none_left() {
            if self.none_left.wait_until(&mut waiting, deadline).timed_out() {
                break;
            }
        }
        is_none_left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn wait_ends_with_the_last_callback() {
        let callbacks = Arc::new(UnfinishedCallbacks::default());
        assert!(callbacks.wait_for_all(Instant::now()));
        callbacks.add();
        callbacks.add();
        callbacks.finish();
        assert!(!callbacks.wait_for_all(Instant::now()));
        let waiter = {
            let callbacks = Arc::clone(&callbacks);
            std::thread::spawn(move || callbacks.wait_for_all(Instant::now() + Duration::from_secs(60)))
        };
        callbacks.finish();
        assert!(waiter.join().unwrap());
    }
}
