//! Handles a `setlisten` that was not granted.

use std::time::{Duration, Instant};

use super::{Asking, Decision, ListenerId, Pause, Standing, Subscriptions};
use crate::engine::backoff::doubled;
use crate::error::{Error, Retry};

/// The shortest pause before a server that is busy or did not answer is asked again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The pause doubles each time in a row, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl<T> Subscriptions<T> {
    /// Handles a `setlisten` that was refused or not answered. The server keeps what it granted before.
    pub(super) fn handle_failure(
        &mut self,
        now: Instant,
        asking: &Asking,
        error: &Error,
        decisions: &mut Vec<Decision<T>>,
    ) {
        let asked = self.take_back_asked();
        let wait = match error.retry() {
            Retry::Never => None,
            Retry::Now => Some(self.pause()),
            Retry::After(wait) => Some(wait.max(self.pause())),
        };
        self.put_off = if wait.is_some() { self.put_off.saturating_add(1) } else { 0 };
        if wait.is_none() && asking.added == 0 {
            // No caller waits for this, and a server that refuses it will refuse it again. The next change requests the
            // current union.
            log::debug!("the server refused a smaller subscription: {error}");
            return;
        }
        // A subscription that was removed while requested was never pushed, unless the server did grant the request.
        self.must_shrink = asking.must_shrink_if_refused || error.may_have_executed();
        match wait {
            None => self.handle_refusal(&asked, asking.added, error, decisions),
            Some(wait) => {
                self.pause = Some(Pause { until: now + wait, error: error.clone() });
                self.refuse_new(&asked, decisions);
            }
        }
    }

    /// How long to pause if the server does not say when to ask again.
    fn pause(&self) -> Duration {
        doubled(SHORTEST_PAUSE, self.put_off, LONGEST_PAUSE)
    }

    /// Makes the requested subscriptions undecided again.
    fn take_back_asked(&mut self) -> Vec<ListenerId> {
        let mut asked = Vec::new();
        for (&id, subscription) in
            self.subscriptions.iter_mut().filter(|(_, subscription)| subscription.standing == Standing::Asked)
        {
            subscription.standing = Standing::Undecided;
            self.union.remove(&subscription.listen);
            asked.push(id);
        }
        asked
    }

    /// Handles a refusal of at least one of the `added` subscriptions, of which `asked` are left. They are requested in
    /// smaller parts, until one is requested alone.
    fn handle_refusal(&mut self, asked: &[ListenerId], added: usize, error: &Error, decisions: &mut Vec<Decision<T>>) {
        match *asked {
            [] => {}
            [id] if added == 1 => self.refuse(id, error, decisions),
            // If only one of several is left, the refusal need not be for that one.
            _ => self.batch = (asked.len() / 2).max(1),
        }
    }

    /// Returns the error with which new listeners fail in a pause. If the server did not answer at all there is none, and
    /// they keep waiting until their own timeouts.
    pub(super) fn refusal_of_new(&self) -> Option<&Error> {
        self.pause.as_ref().map(|pause| &pause.error).filter(|error| !matches!(error, Error::Timeout(_)))
    }

    /// Refuses new listeners, because the server neither granted nor refused.
    fn refuse_new(&mut self, asked: &[ListenerId], decisions: &mut Vec<Decision<T>>) {
        let Some(error) = self.refusal_of_new().cloned() else { return };
        for &id in asked {
            if self.subscriptions.get(&id).is_some_and(|subscription| subscription.waiter.is_some()) {
                self.refuse(id, &error, decisions);
            }
        }
    }

    /// Refuses a subscription that is not in the union, so only the subscription itself has to be removed.
    fn refuse(&mut self, id: ListenerId, error: &Error, decisions: &mut Vec<Decision<T>>) {
        match self.subscriptions.get_mut(&id) {
            Some(subscription) if subscription.waiter.is_some() => {
                decisions.extend(self.remove(id).map(|token| Decision::Failed(token, error.clone())));
            }
            Some(subscription) => {
                subscription.standing = Standing::Refused;
                decisions.push(Decision::Refused(id, error.clone()));
            }
            None => {}
        }
    }
}
