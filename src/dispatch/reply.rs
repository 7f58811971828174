//! The channel through which one outcome reaches its receiver: a blocked caller, or a `Pending`.
//!
//! A blocking call uses its thread's own crossbeam channel, so it allocates nothing. A thread may hold tens of
//! thousands of `Pending`s, so each uses a `oneshot` channel, which takes a fraction of the memory.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::progress::{GaveUp, Progress};
use super::undelivered::ChargedOutcome;
use crate::engine::Outcome;

/// How long a caller that gives up waits for an outcome that is about to be delivered.
const IMMINENT: Duration = Duration::from_millis(50);

thread_local! {
    static SPARE: Cell<Option<CallReply>> = const { Cell::new(None) };
}

/// The receiving end of a blocking call.
pub(crate) struct CallReply {
    sender: Sender<ChargedOutcome>,
    receiver: Receiver<ChargedOutcome>,
    progress: Arc<Progress>,
}

/// The receiving end of a `Pending`.
pub(crate) struct PendingReply {
    receiver: oneshot::Receiver<ChargedOutcome>,
    progress: Arc<Progress>,
}

/// The sending end.
pub(crate) struct ReplySender {
    channel: Channel,
    progress: Arc<Progress>,
}

enum Channel {
    Call(Sender<ChargedOutcome>),
    Pending(oneshot::Sender<ChargedOutcome>),
}

impl CallReply {
    /// Takes this thread's channel, which is kept between blocking calls, or creates one.
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
    /// There is no outcome, and the call was given up.
    pub(crate) fn wait(self, deadline: Instant) -> Result<Outcome, GaveUp> {
        let receive = |deadline| self.receiver.recv_deadline(deadline).ok();
        let outcome = wait_or_give_up(deadline, &self.progress, receive)?;
        // A channel may be reused only after its outcome was taken. Into any other, the outcome may still arrive.
        self.progress.restart();
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        Ok(outcome.take())
    }
}

impl PendingReply {
    /// Creates a channel for one outcome.
    pub(crate) fn new() -> (ReplySender, PendingReply) {
        let (sender, receiver) = oneshot::channel();
        let progress = Arc::<Progress>::default();
        let sender = ReplySender { channel: Channel::Pending(sender), progress: Arc::clone(&progress) };
        (sender, PendingReply { receiver, progress })
    }

    /// Takes the outcome if it has arrived.
    pub(crate) fn try_take(&self) -> Option<Outcome> {
        self.receiver.try_recv().ok().map(ChargedOutcome::take)
    }

    /// Waits for the outcome until `deadline`.
    ///
    /// # Errors
    ///
    /// There is no outcome, and the call was given up.
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

    /// See [`Progress::begin_delivery`].
    pub(super) fn begin_delivery(&self) -> bool {
        self.progress.begin_delivery()
    }

    /// Delivers the outcome, and wakes the waiting thread. Never blocks.
    ///
    /// # Errors
    ///
    /// The receiver is gone. Returns the outcome.
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
    fn outcome_sent_before_the_wait_is_received() {
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
    fn unsent_call_is_reported_unsent_even_with_an_imminent_outcome() {
        for is_sent in [false, true] {
            let reply = CallReply::of_this_thread();
            let sender = reply.sender();
            assert!(!is_sent || sender.begin_sending());
            // The I/O thread is interrupted here, before it sends the outcome itself.
            assert!(sender.begin_delivery());
            let gave_up = reply.wait(Instant::now()).map(drop).unwrap_err();
            assert_eq!(gave_up, if is_sent { GaveUp::Sent } else { GaveUp::Unsent });
        }
    }

    #[test]
    fn late_outcome_does_not_reach_the_next_call_of_the_thread() {
        let late = CallReply::of_this_thread();
        let sender = late.sender();
        assert!(late.wait(Instant::now()).is_err());
        assert!(!sender.begin_delivery());
        assert!(sender.send(outcome()).is_err());
        assert!(CallReply::of_this_thread().wait(Instant::now()).is_err());
    }

    #[test]
    fn reused_channel_starts_unsent() {
        let first = CallReply::of_this_thread();
        let sender = first.sender();
        assert!(sender.begin_sending() && sender.begin_delivery());
        assert!(sender.send(outcome()).is_ok());
        assert!(first.wait(later()).is_ok());
        assert!(matches!(CallReply::of_this_thread().wait(Instant::now()), Err(GaveUp::Unsent)));
    }
}
