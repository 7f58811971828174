//! The way back to whoever made a call. It is gone exactly once: dropping it on the way delivers an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Shared;
use super::admission::{Lane, Refusal};
use super::pool::Job;
use crate::engine::{Counters, Outcome};
use crate::error::{Error, Stage, TimeoutError};

/// A user's callback, still to be given the encoded outcome.
pub type Callback = Box<dyn FnOnce(Outcome) + Send>;

/// How the outcome gets back.
pub enum Route {
    /// To a thread that is blocked in `call`.
    Reply(Sender<Outcome>),
    /// To a `Pending`.
    Pending(oneshot::Sender<Outcome>),
    /// To a callback, on a callback thread.
    Callback(Callback),
}

/// Whether a call waits for room, and how long.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// As long as the call has.
    Until(Instant),
    /// Not at all.
    None,
}

/// The place of a call among those in flight, if it has one.
#[derive(Debug)]
pub(super) struct Place(Option<Lane>);

impl Place {
    pub(super) fn leave(&mut self, shared: &Shared) {
        if let Some(lane) = self.0.take() {
            shared.admission.leave(lane);
        }
    }
}

/// One call's way back.
pub struct Completion {
    open: Option<Open>,
}

struct Open {
    shared: Arc<Shared>,
    route: Route,
    place: Place,
    /// Connecting goes the same way as a call but is none.
    is_counted: bool,
}

impl Completion {
    /// The way back of a call.
    pub fn new(shared: Arc<Shared>, route: Route) -> Completion {
        shared.counters.calls.increment();
        Completion { open: Some(Open { shared, route, place: Place(None), is_counted: true }) }
    }

    /// The way back of something that does not count as a call.
    pub fn uncounted(shared: Arc<Shared>, route: Route) -> Completion {
        Completion { open: Some(Open { shared, route, place: Place(None), is_counted: false }) }
    }

    /// Takes a place among the calls in flight, for a frame of `bytes` bytes. It is given back when the outcome is
    /// delivered; that of a callback when the callback begins.
    ///
    /// # Errors
    ///
    /// There was no room, or the client was closed.
    pub fn enter(&mut self, bytes: usize, patience: Patience, timeout: Duration) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Err(Error::closed(false)) };
        let admission = &open.shared.admission;
        let lane = match open.route {
            Route::Reply(_) | Route::Pending(_) if super::is_inside_callback() => Lane::InsideCallback,
            _ => Lane::Ordinary,
        };
        let entered = match patience {
            Patience::Until(deadline) => admission.enter_by(lane, bytes, deadline),
            Patience::None => admission.try_enter(lane, bytes),
        };
        match (entered, patience) {
            (Ok(()), _) => {
                open.place = Place(Some(lane));
                Ok(())
            }
            (Err(Refusal::Closed), _) => Err(Error::closed(false)),
            (Err(Refusal::Full), Patience::None) => Err(Error::QueueFull),
            (Err(Refusal::Full), Patience::Until(_)) => {
                Err(Error::Timeout(TimeoutError::new(Stage::WaitingForRoom, timeout)))
            }
        }
    }

    /// Delivers the outcome. Never blocks, and never runs the user's code.
    pub fn complete(mut self, outcome: Outcome) {
        if let Some(open) = self.open.take() {
            open.deliver(outcome);
        }
    }
}

/// A completion that is dropped was on its way through a client that came to its end.
impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.deliver(Err(Error::closed(true)));
        }
    }
}

impl Open {
    fn deliver(mut self, outcome: Outcome) {
        if self.is_counted {
            count(&self.shared.counters, &outcome);
        }
        match self.route {
            // A receiver that is gone abandoned the answer, as it may.
            Route::Reply(sender) => {
                self.place.leave(&self.shared);
                let _ = sender.try_send(outcome);
            }
            Route::Pending(sender) => {
                self.place.leave(&self.shared);
                let _ = sender.send(outcome);
            }
            Route::Callback(callback) => {
                let job = Job::callback(callback, outcome, self.place, Arc::clone(&self.shared));
                self.shared.callbacks.submit(job);
            }
        }
    }
}

fn count(counters: &Counters, outcome: &Outcome) {
    let counter = match outcome {
        Ok(answer) if answer.status == 0 => &counters.answered,
        Ok(_) | Err(Error::Answer(_) | Error::Decode(_)) => &counters.refused,
        Err(Error::Timeout(_)) => &counters.failed_timeout,
        Err(Error::ConnectionClosed(_)) => &counters.failed_closed,
        Err(Error::Connect(_) | Error::NotConnected(_)) => &counters.failed_connect,
        Err(Error::QueueFull) => &counters.failed_queue_full,
        Err(Error::InvalidArgument(_)) => &counters.failed_argument,
        Err(Error::Closed(_) | Error::System(_)) => &counters.failed_cancelled,
    };
    counter.increment();
}
