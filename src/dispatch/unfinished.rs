//! Counts the callbacks that have not run to their end, for a shutdown that waits for them.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// The count of one client.
#[derive(Debug, Default)]
pub(crate) struct UnfinishedCallbacks {
    count: Mutex<usize>,
    none_left: Condvar,
}

/// One callback that has not run to its end; dropping this marks its end.
#[derive(Debug)]
pub(crate) struct Unfinished(Arc<UnfinishedCallbacks>);

impl UnfinishedCallbacks {
    pub(crate) fn add(self: &Arc<Self>) -> Unfinished {
        *self.count.lock() += 1;
        Unfinished(Arc::clone(self))
    }

    /// Waits until all have run. Says whether they had by `deadline`.
    pub(crate) fn wait_for_all(&self, deadline: Instant) -> bool {
        let mut count = self.count.lock();
        while *count > 0 {
            if self.none_left.wait_until(&mut count, deadline).timed_out() {
                break;
            }
        }
        *count == 0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut count = self.0.count.lock();
        *count -= 1;
        let is_last = *count == 0;
        drop(count);
        if is_last {
            self.0.none_left.notify_all();
        }
    }
}
