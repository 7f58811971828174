//! Returns outcomes to callers. A completion delivers exactly one outcome: if it is dropped, it delivers an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call_outcome::CallOutcome;
use super::callback::{Callback, CallbackRun, Delivery};
use super::callback_threads::{Callbacks, Job};
use super::metrics::CallTimer;
use super::permits::{AcquireError, Permit};
use super::reply::ReplySender;
use super::shared::Shared;
use crate::engine::{Outcome, Token};
use crate::error::{Error, Stage, TimeoutError};

/// The I/O thread checks an abandoned answer of up to this many bytes itself; a callback thread checks a larger one.
const CHECKED_BY_IO_THREAD: usize = 64 * 1024;

/// Where the outcome goes.
pub(crate) enum Route {
    /// To a thread that is blocked in `call`, or to a `Pending`.
    Reply(ReplySender),
    /// To a callback, on a callback thread.
    Callback(Callback),
}

/// Delivers the outcome of one call.
pub(crate) struct Completion {
    open: Option<Open>,
}

struct Open {
    shared: Arc<Shared>,
    route: OpenRoute,
    /// The in-flight permit, once the call has it.
    permit: Option<Permit>,
    /// Whether this is a call. Connecting uses the same path, but does not count as one.
    is_counted: bool,
    timer: CallTimer,
}

enum OpenRoute {
    Reply(ReplySender),
    Callback { callback: Callback, permit: Option<Permit>, run: CallbackRun },
}

impl Completion {
    /// Creates a completion for a call.
    pub(crate) fn new(shared: Arc<Shared>, route: Route, timer: CallTimer) -> Completion {
        shared.state.counters.calls.increment();
        Completion::open(shared, route, true, timer)
    }

    /// Creates a completion for something that does not count as a call.
    pub(crate) fn uncounted(shared: Arc<Shared>, route: Route) -> Completion {
        Completion::open(shared, route, false, CallTimer::NONE)
    }

    fn open(shared: Arc<Shared>, route: Route, is_counted: bool, timer: CallTimer) -> Completion {
        let route = match route {
            Route::Reply(sender) => OpenRoute::Reply(sender),
            Route::Callback(callback) => {
                OpenRoute::Callback { callback, permit: None, run: CallbackRun::new(&shared.state) }
            }
        };
        Completion { open: Some(Open { shared, route, permit: None, is_counted, timer }) }
    }

    /// Acquires the permits for a call with a frame of `bytes` bytes. A call with a callback never waits for them; any
    /// other waits until `deadline`. The in-flight permit is released when the outcome is delivered, that of a callback
    /// when the callback begins.
    ///
    /// # Errors
    ///
    /// There was no room, or the client was closed.
    pub(crate) fn acquire_permits(&mut self, bytes: usize, deadline: Instant, timeout: Duration) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Err(Error::closed(false)) };
        let permits = &open.shared.state.permits;
        let in_flight = match &mut open.route {
            OpenRoute::Reply(_) => permits.acquire_by(bytes, deadline).map_err(|error| match error {
                AcquireError::NoPermit => TimeoutError::new(Stage::WaitingForRoom, timeout).into(),
                AcquireError::SendBufferFull => TimeoutError::new(Stage::WaitingForSendBuffer, timeout).into(),
                AcquireError::Closed => Error::closed(false),
            })?,
            OpenRoute::Callback { permit, .. } => {
                let acquired = permits.try_acquire_with_callback(bytes).map_err(|error| match error {
                    AcquireError::NoPermit | AcquireError::SendBufferFull => Error::QueueFull,
                    AcquireError::Closed => Error::closed(false),
                })?;
                *permit = Some(acquired.callback);
                acquired.in_flight
            }
        };
        open.permit = Some(in_flight);
        Ok(())
    }

    /// Whether a thread waits for the outcome, or will. Callbacks run in the order of their outcomes; for threads, the
    /// order does not matter.
    pub(crate) fn goes_to_a_thread(&self) -> bool {
        matches!(&self.open, Some(Open { route: OpenRoute::Reply(_), .. }))
    }

    /// Delivers the outcome. Never blocks, and never runs the user's code.
    pub(crate) fn complete(mut self, outcome: Outcome) {
        if let Some(open) = self.open.take() {
            open.deliver(outcome, Callbacks::submit);
        }
    }

    /// Like [`complete`](Completion::complete), but adds a callback to those that are submitted together.
    pub(crate) fn complete_with(mut self, outcome: Outcome, due_callbacks: &mut Vec<Box<dyn Job>>) {
        if let Some(open) = self.open.take() {
            open.deliver(outcome, |_, callback| due_callbacks.push(callback));
        }
    }
}

/// Happens when the client ends with the call in flight.
impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.deliver(Err(Error::closed(true)), Callbacks::submit);
        }
    }
}

impl Token for Completion {
    fn begin_sending(&self) -> bool {
        match &self.open {
            Some(Open { route: OpenRoute::Reply(sender), .. }) => sender.begin_sending(),
            // No caller gives up on a callback.
            _ => true,
        }
    }
}

impl Open {
    fn deliver(self, outcome: Outcome, hand_in: impl FnOnce(&Callbacks, Box<dyn Job>)) {
        let Open { shared, route, permit, is_counted, timer } = self;
        let is_awaited = match &route {
            OpenRoute::Reply(sender) => sender.begin_delivery(),
            OpenRoute::Callback { .. } => true,
        };
        if is_counted {
            count(&shared, timer, &outcome, is_awaited);
        }
        permit.into_iter().for_each(|permit| shared.state.permits.release(permit));
        if !is_awaited {
            return;
        }
        let outcome = shared.undelivered.charge(outcome);
        match route {
            OpenRoute::Reply(sender) => {
                if let Err(abandoned) = sender.send(outcome) {
                    check_abandoned(abandoned.take(), &shared);
                }
            }
            OpenRoute::Callback { callback, permit, run } => {
                hand_in(&shared.callbacks, callback.into_job(Delivery { outcome, permit, run }));
            }
        }
    }
}

/// Checks an abandoned answer, which nobody reads, so that undecodable ones are counted.
fn check_abandoned(outcome: Outcome, shared: &Shared) {
    let Ok(answer) = outcome else { return };
    if answer.payload.len() <= CHECKED_BY_IO_THREAD {
        return shared.state.counters.record_abandoned(&answer);
    }
    let counters = Arc::clone(&shared.state.counters);
    shared.callbacks.submit(Box::new(move || counters.record_abandoned(&answer)));
}

/// Counts a call that has ended.
fn count(shared: &Shared, timer: CallTimer, outcome: &Outcome, is_awaited: bool) {
    let call_outcome = CallOutcome::of(outcome, is_awaited);
    call_outcome.counter(&shared.state.counters).increment();
    if outcome.is_ok() && !is_awaited {
        shared.state.counters.late_answers.increment();
    }
    shared.call_metrics.record(timer, call_outcome);
}
