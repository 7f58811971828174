//! The channel through which one outcome reaches its receiver: a blocked caller, or a `Pending`.
//!
//! A blocking call uses the crossbeam channel that its thread keeps, so it allocates none. A `Pending` may be one of
//! tens of thousands that a thread holds, so it gets a `oneshot` channel, which takes a fraction of the memory.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::progress::{GaveUp, Progress};
use super::undelivered::ChargedOutcome;
use crate::engine::Outcome;

/// An outcome that is about to be delivered when its caller gives up is waited for a little longer.
const IMMINENT: Duration = Duration::from_millis(50);

thread_local! {
    static SPARE: Cell<Option<CallReply>> = const { Cell::new(None) };
}

/// Where a blocking call waits for its outcome.
pub(crate) struct CallReply {
    sender: Sender<ChargedOutcome>,
    receiver: Receiver<ChargedOutcome>,
    progress: Arc<Progress>,
}

/// Where a `Pending` waits for its outcome.
pub(crate) struct PendingReply {
    receiver: oneshot::Receiver<ChargedOutcome>,
    progress: Arc<Progress>,
}

/// The end through which an outcome is delivered.
pub(crate) struct ReplySender {
    channel: Channel,
    progress: Arc<Progress>,
}

enum Channel {
    Call(Sender<ChargedOutcome>),
    Pending(oneshot::Sender<ChargedOutcome>),
}

impl CallReply {
    /// This thread's channel, which it keeps from one blocking call to the next, or a new one.
    pub(crate) fn of_this_thread() -> CallReply {
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            let (sender, receiver) = bounded(1);
            CallReply { sender, receiver, progress: Arc::default() }
        })
    }

    pub(crate) fn sender(&self) -> ReplySender {
        ReplySender { channel: Channel::Call(self.sender.clone()), progress: Arc::clone(&self.progress) }
    }

    /// Waits for the outcome until `deadline`.
    ///
    /// # Errors
    ///
    /// It has not come, and the call was given up.
    pub(crate) fn wait(self, deadline: Instant) -> Result<Outcome, GaveUp> {
        let receive = |deadline| self.receiver.recv_deadline(deadline).ok();
        let outcome = wait_or_give_up(deadline, &self.progress, receive)?;
        // Only a channel whose one outcome was taken is clean: into any other it may still come.
        self.progress.restart();
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        Ok(outcome.take())
    }
}

impl PendingReply {
    /// A channel for one outcome.
    pub(crate) fn new() -> (ReplySender, PendingReply) {
        let (sender, receiver) = oneshot::channel();
        let progress = Arc::<Progress>::default();
        let sender = ReplySender { channel: Channel::Pending(sender), progress: Arc::clone(&progress) };
        (sender, PendingReply { receiver, progress })
    }

    /// Takes the outcome if it is there.
    pub(crate) fn try_take(&self) -> Option<Outcome> {
        self.receiver.try_recv().ok().map(ChargedOutcome::take)
    }

    /// Waits for the outcome until `deadline`.
    ///
    /// # Errors
    ///
    /// It has not come, and the call was given up.
    pub(crate) fn wait(self, deadline: Instant) -> Result<Outcome, GaveUp> {
        let receive = |deadline| self.receiver.recv_deadline(deadline).ok();
        wait_or_give_up(deadline, &self.progress, receive).map(ChargedOutcome::take)
    }
}

fn wait_or_give_up(
    deadline: Instant,
    progress: &Progress,
    receive: impl Fn(Instant) -> Option<ChargedOutcome>,
) -> Result<ChargedOutcome, GaveUp> {
    if let Some(outcome) = receive(deadline) {
        return Ok(outcome);
    }
    match progress.give_up() {
        (gave_up, true) => receive(Instant::now() + IMMINENT).ok_or(gave_up),
        (gave_up, false) => Err(gave_up),
    }
}

impl ReplySender {
    /// See [`Progress::begin_sending`].
    pub(super) fn begin_sending(&self) -> bool {
        self.progress.begin_sending()
    }

    /// See [`Progress::deliver`].
    pub(super) fn is_awaited(&self) -> bool {
        self.progress.deliver()
    }

    /// Delivers the outcome, and wakes whoever waits for it. Never blocks.
    ///
    /// # Errors
    ///
    /// The receiver is gone. The outcome comes back.
    pub(super) fn send(self, outcome: ChargedOutcome) -> Result<(), ChargedOutcome> {
        match self.channel {
            Channel::Call(sender) => sender.try_send(outcome).map_err(crossbeam_channel::TrySendError::into_inner),
            Channel::Pending(sender) => sender.send(outcome).map_err(oneshot::SendError::into_inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::undelivered::Undelivered;
    use crate::error::Error;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn outcome() -> ChargedOutcome {
        Arc::new(Undelivered::new(1)).charge(Err(Error::QueueFull))
    }

    #[test]
    fn waiting_thread_gets_the_outcome() {
        let reply = CallReply::of_this_thread();
        let sender = reply.sender();
        let waiter = std::thread::spawn(move || reply.wait(later()));
        assert!(sender.send(outcome()).is_ok());
        assert!(matches!(waiter.join().unwrap(), Ok(Err(Error::QueueFull))));
    }

    #[test]
    fn outcome_that_came_before_the_wait_is_there() {
        let (sender, reply) = PendingReply::new();
        assert!(reply.try_take().is_none());
        assert!(sender.send(outcome()).is_ok());
        assert!(reply.wait(Instant::now()).is_ok());
    }

    #[test]
    fn wait_ends_at_its_deadline() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(matches!(CallReply::of_this_thread().wait(deadline), Err(GaveUp::Unsent)));
        let (_sender, reply) = PendingReply::new();
        assert!(matches!(reply.wait(deadline), Err(GaveUp::Unsent)));
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn call_that_was_not_sent_is_not_said_to_have_been_though_its_outcome_is_on_the_way() {
        for is_sent in [false, true] {
            let reply = CallReply::of_this_thread();
            let sender = reply.sender();
            assert!(!is_sent || sender.begin_sending());
            // Held up between this and the outcome itself.
            assert!(sender.is_awaited());
            let gave_up = reply.wait(Instant::now()).map(drop).unwrap_err();
            assert_eq!(gave_up, if is_sent { GaveUp::Sent } else { GaveUp::Unsent });
        }
    }

    #[test]
    fn late_outcome_does_not_reach_the_next_call_of_the_thread() {
        let late = CallReply::of_this_thread();
        let sender = late.sender();
        assert!(late.wait(Instant::now()).is_err());
        assert!(!sender.is_awaited());
        assert!(sender.send(outcome()).is_err());
        assert!(CallReply::of_this_thread().wait(Instant::now()).is_err());
    }

    #[test]
    fn channel_that_is_used_again_begins_unsent() {
        let first = CallReply::of_this_thread();
        let sender = first.sender();
        assert!(sender.begin_sending() && sender.is_awaited());
        assert!(sender.send(outcome()).is_ok());
        assert!(first.wait(later()).is_ok());
        assert!(matches!(CallReply::of_this_thread().wait(Instant::now()), Err(GaveUp::Unsent)));
    }
}
