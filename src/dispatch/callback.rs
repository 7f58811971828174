//! The callback of a call, from the call to the job that runs it.

use std::sync::Arc;

use super::callback_threads::{Job, contained};
use super::permits::Permit;
use super::shared::ClientState;
use super::undelivered::ChargedOutcome;
use crate::engine::Outcome;

/// A user's callback.
pub(crate) struct Callback(Box<dyn AwaitsOutcome>);

/// Represents a callback that has not finished. A shutdown waits until this is dropped.
pub(super) struct CallbackRun {
    state: Arc<ClientState>,
}

impl Callback {
    /// Allocates the callback with space for the outcome, so the I/O thread allocates nothing to deliver it.
    pub(crate) fn new(code: impl FnOnce(Outcome, &ClientState) + Send + 'static) -> Callback {
        Callback(Box::new(CallbackJob { code, delivery: None }))
    }

    /// Returns the job that runs the callback.
    pub(super) fn into_job(self, delivery: Delivery) -> Box<dyn Job> {
        self.0.with_outcome(delivery)
    }
}

/// A callback that waits for its outcome.
trait AwaitsOutcome: Send {
    fn with_outcome(self: Box<Self>, delivery: Delivery) -> Box<dyn Job>;
}

/// An outcome on its way to a callback, with the permit that is released when the callback begins.
///
/// It must not hold the sender of the callback threads: it may stay in an event loop long after these threads have
/// nothing else to do.
pub(super) struct Delivery {
    pub outcome: ChargedOutcome,
    pub permit: Option<Permit>,
    pub run: CallbackRun,
}

/// The job of a callback: allocated with the call, and completed by the outcome.
struct CallbackJob<F> {
    code: F,
    delivery: Option<Delivery>,
}

impl<F: FnOnce(Outcome, &ClientState) + Send + 'static> AwaitsOutcome for CallbackJob<F> {
    fn with_outcome(mut self: Box<Self>, delivery: Delivery) -> Box<dyn Job> {
        self.delivery = Some(delivery);
        self
    }
}

impl<F: FnOnce(Outcome, &ClientState) + Send> Job for CallbackJob<F> {
    fn run(self: Box<Self>) {
        let CallbackJob { code, delivery } = *self;
        let Some(Delivery { outcome, permit, run }) = delivery else { return };
        // The callback may itself make calls with callbacks.
        permit.into_iter().for_each(|permit| run.state.permits.release(permit));
        contained("a callback", || code(outcome.take(), &run.state));
    }
}

impl CallbackRun {
    pub(super) fn new(state: &Arc<ClientState>) -> CallbackRun {
        state.unfinished_callbacks.add();
        CallbackRun { state: Arc::clone(state) }
    }
}

impl Drop for CallbackRun {
    fn drop(&mut self) {
        self.state.unfinished_callbacks.finish();
    }
}
