//! The way back to whoever made a call. It is gone exactly once: dropping it on the way delivers an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::callbacks::{Job, contained, is_inside_callback};
use super::permits::{AcquireError, Permit, PermitClass};
use super::reply::ReplySender;
use super::shared::Shared;
use crate::engine::{Counters, Outcome};
use crate::error::{Error, Stage, TimeoutError};

/// How the outcome gets back.
pub enum Route {
    /// To a thread that is blocked in `call`, or to a `Pending`.
    Reply(ReplySender),
    /// To a callback, on a callback thread.
    Callback(Callback),
}

/// A user's callback.
pub struct Callback(Box<dyn Deliver>);

/// Whether a call waits for a permit, and how long.
#[derive(Debug, Clone, Copy)]
pub enum WaitPolicy {
    /// As long as the call has.
    Until(Instant),
    /// Not at all.
    Never,
}

/// One call's way back.
pub struct Completion {
    open: Option<Open>,
}

struct Open {
    shared: Arc<Shared>,
    route: Route,
    permit: Option<Permit>,
    /// Connecting goes the same way as a call but is none.
    is_counted: bool,
}

impl Completion {
    /// The way back of a call.
    pub fn new(shared: Arc<Shared>, route: Route) -> Completion {
        shared.counters.calls.increment();
        Completion { open: Some(Open { shared, route, permit: None, is_counted: true }) }
    }

    /// The way back of something that does not count as a call.
    pub fn uncounted(shared: Arc<Shared>, route: Route) -> Completion {
        Completion { open: Some(Open { shared, route, permit: None, is_counted: false }) }
    }

    /// Takes a permit to be in flight, for a frame of `bytes` bytes. It goes back when the outcome is delivered; that of
    /// a callback when the callback begins.
    ///
    /// # Errors
    ///
    /// There was no room, or the client was closed.
    pub fn acquire_permit(&mut self, bytes: usize, policy: WaitPolicy, timeout: Duration) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Err(Error::closed(false)) };
        let permits = &open.shared.permits;
        let class = match open.route {
            Route::Reply(_) if is_inside_callback() => PermitClass::InsideCallback,
            _ => PermitClass::Ordinary,
        };
        let acquired = match policy {
            WaitPolicy::Until(deadline) => permits.acquire_by(class, bytes, deadline),
            WaitPolicy::Never => permits.try_acquire(class, bytes),
        };
        match (acquired, policy) {
            (Ok(permit), _) => {
                open.permit = Some(permit);
                Ok(())
            }
            (Err(AcquireError::Closed), _) => Err(Error::closed(false)),
            (Err(AcquireError::Full), WaitPolicy::Never) => Err(Error::QueueFull),
            (Err(AcquireError::Full), WaitPolicy::Until(_)) => {
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
    fn deliver(self, outcome: Outcome) {
        let Open { shared, route, permit, is_counted } = self;
        if is_counted {
            count(&shared.counters, &outcome);
        }
        match route {
            Route::Reply(sender) => {
                permit.into_iter().for_each(|permit| shared.permits.release(permit));
                sender.send(outcome);
            }
            Route::Callback(Callback(callback)) => {
                let job = callback.with_outcome(Delivery { outcome, permit, shared: Arc::clone(&shared) });
                shared.callbacks.submit(job);
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

impl Callback {
    /// The one allocation has room for the outcome, so that the I/O thread allocates nothing to deliver it.
    pub fn new(code: impl FnOnce(Outcome) + Send + 'static) -> Callback {
        Callback(Box::new(WithRoom { code, delivery: None }))
    }
}

/// A callback that waits for its outcome.
trait Deliver: Send {
    fn with_outcome(self: Box<Self>, delivery: Delivery) -> Box<dyn Job>;
}

/// What a callback is given, and what is given back when it begins.
struct Delivery {
    outcome: Outcome,
    permit: Option<Permit>,
    shared: Arc<Shared>,
}

struct WithRoom<F> {
    code: F,
    delivery: Option<Delivery>,
}

impl<F: FnOnce(Outcome) + Send + 'static> Deliver for WithRoom<F> {
    fn with_outcome(mut self: Box<Self>, delivery: Delivery) -> Box<dyn Job> {
        self.delivery = Some(delivery);
        self
    }
}

impl<F: FnOnce(Outcome) + Send> Job for WithRoom<F> {
    fn run(self: Box<Self>) {
        let WithRoom { code, delivery } = *self;
        let Some(Delivery { outcome, permit, shared }) = delivery else { return };
        // The callback may wait for the permit that it holds.
        permit.into_iter().for_each(|permit| shared.permits.release(permit));
        contained("a callback", || code(outcome));
    }
}
