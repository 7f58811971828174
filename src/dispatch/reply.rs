//! The channel through which one outcome reaches its receiver: a blocked caller, or a `Pending`.
//!
//! A blocking call uses the crossbeam channel that its thread keeps, so that it allocates none. A `Pending` may be one of
//! tens of thousands that a thread holds: it gets a `oneshot` channel, which takes a fraction of the memory.

use std::cell::Cell;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::engine::Outcome;

thread_local! {
    static SPARE: Cell<Option<CallReply>> = const { Cell::new(None) };
}

/// Where a blocking call waits for its outcome.
pub struct CallReply {
    sender: Sender<Outcome>,
    receiver: Receiver<Outcome>,
}

/// Where a `Pending` waits for its outcome.
pub struct PendingReply(oneshot::Receiver<Outcome>);

/// The end at which an outcome is delivered.
pub struct ReplySender(Inner);

enum Inner {
    Call(Sender<Outcome>),
    Pending(oneshot::Sender<Outcome>),
}

impl CallReply {
    /// This thread's channel, which it keeps from one blocking call to the next, or a new one.
    pub fn of_this_thread() -> CallReply {
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            let (sender, receiver) = bounded(1);
            CallReply { sender, receiver }
        })
    }

    pub fn sender(&self) -> ReplySender {
        ReplySender(Inner::Call(self.sender.clone()))
    }

    /// Waits for the outcome; `None` if it has not come by `deadline`.
    pub fn wait(self, deadline: Instant) -> Option<Outcome> {
        let outcome = self.receiver.recv_deadline(deadline).ok()?;
        // Only a channel whose one outcome was taken is clean: into any other it may still come.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        Some(outcome)
    }
}

impl PendingReply {
    /// A channel for one outcome.
    pub fn new() -> (ReplySender, PendingReply) {
        let (sender, receiver) = oneshot::channel();
        (ReplySender(Inner::Pending(sender)), PendingReply(receiver))
    }

    /// Takes the outcome if it is there.
    pub fn try_take(&self) -> Option<Outcome> {
        self.0.try_recv().ok()
    }

    /// Waits for the outcome; `None` if it has not come by `deadline`.
    pub fn wait(self, deadline: Instant) -> Option<Outcome> {
        self.0.recv_deadline(deadline).ok()
    }
}

impl ReplySender {
    /// Delivers the outcome, and wakes the receiver. Never blocks: a receiver that is gone abandoned the outcome,
    /// as it may.
    pub fn send(self, outcome: Outcome) {
        match self.0 {
            Inner::Call(sender) => _ = sender.try_send(outcome),
            Inner::Pending(sender) => _ = sender.send(outcome),
        }
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
        let reply = CallReply::of_this_thread();
        let sender = reply.sender();
        let waiter = std::thread::spawn(move || reply.wait(later()));
        sender.send(Err(Error::QueueFull));
        assert!(matches!(waiter.join().unwrap(), Some(Err(Error::QueueFull))));
    }

    #[test]
    fn outcome_that_came_before_the_wait_is_there() {
        let (sender, reply) = PendingReply::new();
        assert!(reply.try_take().is_none());
        sender.send(Err(Error::QueueFull));
        assert!(reply.wait(Instant::now()).is_some());
    }

    #[test]
    fn wait_ends_at_its_deadline() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(CallReply::of_this_thread().wait(deadline).is_none());
        let (_sender, reply) = PendingReply::new();
        assert!(reply.wait(deadline).is_none());
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn late_outcome_does_not_reach_the_next_call_of_the_thread() {
        let late = CallReply::of_this_thread();
        let sender = late.sender();
        assert!(late.wait(Instant::now()).is_none());
        sender.send(Err(Error::QueueFull));
        assert!(CallReply::of_this_thread().wait(Instant::now()).is_none());
    }
}
