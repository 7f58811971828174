//! The slot through which one outcome reaches the thread that waits for it: a blocked caller, or a `Pending`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::engine::Outcome;

thread_local! {
    static SPARE: Cell<Option<Reply>> = const { Cell::new(None) };
}

#[derive(Default)]
struct Slot {
    outcome: Mutex<Option<Outcome>>,
    delivered: Condvar,
}

/// The end at which the outcome is waited for.
#[derive(Default)]
pub struct Reply(Arc<Slot>);

/// The end at which the outcome is delivered.
pub struct ReplySender(Arc<Slot>);

impl Reply {
    /// A slot for one outcome.
    pub fn new() -> Reply {
        Reply::default()
    }

    /// This thread's own slot, which it keeps from one blocking call to the next, or a new one.
    pub fn of_this_thread() -> Reply {
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps this slot for the thread's next blocking call. Only one whose outcome was taken is clean: into any other it
    /// may still come.
    pub fn keep_for_this_thread(self) {
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    pub fn sender(&self) -> ReplySender {
        ReplySender(Arc::clone(&self.0))
    }

    /// Takes the outcome if it is there.
    pub fn try_take(&self) -> Option<Outcome> {
        self.0.outcome.lock().take()
    }

    /// Waits for the outcome and takes it; `None` if it has not come by `deadline`.
    pub fn wait(&self, deadline: Instant) -> Option<Outcome> {
        let mut outcome = self.0.outcome.lock();
        while outcome.is_none() {
            if self.0.delivered.wait_until(&mut outcome, deadline).timed_out() {
                break;
            }
        }
        outcome.take()
    }
}

impl ReplySender {
    /// Delivers the outcome, and wakes whoever waits for it.
    pub fn send(self, outcome: Outcome) {
        *self.0.outcome.lock() = Some(outcome);
        self.0.delivered.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::time::Duration;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn waiting_thread_gets_the_outcome() {
        let reply = Reply::new();
        let sender = reply.sender();
        let waiter = std::thread::spawn(move || reply.wait(later()));
        sender.send(Err(Error::QueueFull));
        assert!(matches!(waiter.join().unwrap(), Some(Err(Error::QueueFull))));
    }

    #[test]
    fn outcome_that_came_before_the_wait_is_there() {
        let reply = Reply::new();
        assert!(reply.try_take().is_none());
        reply.sender().send(Err(Error::QueueFull));
        assert!(reply.wait(Instant::now()).is_some());
        assert!(reply.try_take().is_none());
    }

    #[test]
    fn wait_ends_at_its_deadline() {
        let reply = Reply::new();
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(reply.wait(deadline).is_none());
        assert!(Instant::now() >= deadline);
    }
}
