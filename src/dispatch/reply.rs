//! The channel through which one outcome reaches its receiver: a blocked caller, or a `Pending`.
//!
//! A blocking call uses its thread's own crossbeam channel, so it allocates nothing. A thread may hold tens of
//! thousands of `Pending`s, so each uses a `oneshot` channel, which takes a fraction of the memory.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::poll_record::PollRecord;
use super::progress::{GaveUp, Progress};
use super::undelivered::ChargedOutcome;
use crate::engine::Outcome;

/// How long a caller that gives up waits for an outcome that is about to be delivered.
const IMMINENT: Duration = Duration::from_millis(50);
/// The most short sleeps of a caller between two polls. A poll that fails next to other programs has cost one of their
/// time slices, which is as much as hundreds of sleeps.
const MOST_SKIPPED: u32 = 1023;

thread_local! {
    static SPARE: Cell<Option<CallReply>> = const { Cell::new(None) };
}

/// The receiving end of a blocking call.
pub(crate) struct CallReply {
    sender: Sender<ChargedOutcome>,
    receiver: Receiver<ChargedOutcome>,
    progress: Arc<Progress>,
    polls: PollRecord,
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
            CallReply { sender, receiver, progress: Arc::default(), polls: PollRecord::new(MOST_SKIPPED) }
        })
    }

    pub(crate) fn sender(&self) -> ReplySender {
        ReplySender { channel: Channel::Call(self.sender.clone()), progress: Arc::clone(&self.progress) }
    }

    /// Waits for the outcome until `deadline`.
    ///
    /// Polls for it for up to `busy_poll` before the thread sleeps, if that has paid off recently.
    ///
    /// # Errors
    ///
    /// There is no outcome, and the call was given up.
    pub(crate) fn wait(mut self, deadline: Instant, busy_poll: Duration) -> Result<Outcome, GaveUp> {
        let outcome = match busy_poll {
            Duration::ZERO => self.sleep(deadline),
            limit => self.poll_or_sleep(deadline, limit),
        }?;
        // A channel may be reused only after its outcome was taken. Into any other, the outcome may still arrive.
        self.progress.restart();
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        Ok(outcome.take())
    }

    fn poll_or_sleep(&mut self, deadline: Instant, limit: Duration) -> Result<ChargedOutcome, GaveUp> {
        let begun = Instant::now();
        if self.polls.is_due() {
            let found_outcome = self.poll(deadline.min(begun + limit));
            self.polls.record_poll(found_outcome);
            return self.sleep(deadline);
        }
        let outcome = self.sleep(deadline)?;
        self.polls.record_sleep(begun.elapsed(), limit);
        Ok(outcome)
    }

    fn sleep(&self, deadline: Instant) -> Result<ChargedOutcome, GaveUp> {
        wait_or_give_up(deadline, &self.progress, |deadline| self.receiver.recv_deadline(deadline).ok())
    }

    /// Lets other threads run until the outcome is there. Returns whether it was there by `until`.
    fn poll(&self, until: Instant) -> bool {
        loop {
            // An outcome that comes late was not worth the poll: other programs want the processor.
            let is_in_time = Instant::now() <= until;
            if !is_in_time || !self.receiver.is_empty() {
                return is_in_time;
            }
            thread::yield_now();
        }
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
        let waiter = std::thread::spawn(move || reply.wait(later(), Duration::ZERO));
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
    fn poll_finds_an_outcome_and_leaves_it_there() {
        let reply = CallReply::of_this_thread();
        assert!(reply.sender().send(outcome()).is_ok());
        assert!(reply.poll(later()));
        assert!(reply.wait(later(), Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn poll_that_finds_nothing_ends_in_time() {
        let until = Instant::now() + Duration::from_millis(1);
        assert!(!CallReply::of_this_thread().poll(until));
        assert!(Instant::now() >= until);
    }

    #[test]
    fn outcome_that_comes_late_was_not_worth_a_poll() {
        let reply = CallReply::of_this_thread();
        assert!(reply.sender().send(outcome()).is_ok());
        assert!(!reply.poll(Instant::now() - Duration::from_millis(1)));
    }

    #[test]
    fn thread_whose_poll_failed_does_not_poll_again_at_once() {
        let too_short = Duration::from_nanos(1);
        for is_due in [true, false, false] {
            let reply = CallReply::of_this_thread();
            assert_eq!(reply.polls.is_due(), is_due);
            assert!(reply.sender().send(outcome()).is_ok());
            assert!(reply.wait(later(), too_short).is_ok());
        }
    }

    #[test]
    fn wait_ends_at_its_deadline() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(matches!(CallReply::of_this_thread().wait(deadline, Duration::ZERO), Err(GaveUp::Unsent)));
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
            let gave_up = reply.wait(Instant::now(), Duration::ZERO).map(drop).unwrap_err();
            assert_eq!(gave_up, if is_sent { GaveUp::Sent } else { GaveUp::Unsent });
        }
    }

    #[test]
    fn late_outcome_does_not_reach_the_next_call_of_the_thread() {
        let late = CallReply::of_this_thread();
        let sender = late.sender();
        assert!(late.wait(Instant::now(), Duration::ZERO).is_err());
        assert!(!sender.begin_delivery());
        assert!(sender.send(outcome()).is_err());
        assert!(CallReply::of_this_thread().wait(Instant::now(), Duration::ZERO).is_err());
    }

    #[test]
    fn reused_channel_starts_unsent() {
        let first = CallReply::of_this_thread();
        let sender = first.sender();
        assert!(sender.begin_sending() && sender.begin_delivery());
        assert!(sender.send(outcome()).is_ok());
        assert!(first.wait(later(), Duration::ZERO).is_ok());
        assert!(matches!(CallReply::of_this_thread().wait(Instant::now(), Duration::ZERO), Err(GaveUp::Unsent)));
    }
}
