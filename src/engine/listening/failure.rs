//! Handles a `setlisten` that is not granted.

use std::time::{Duration, Instant};

use super::{Asking, Decision, ListenerId, Standing, Wishes};
use crate::engine::backoff::doubled;
use crate::error::{Error, Retry};

/// A server that says "not now", or nothing, is asked again after this long at the earliest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The pause doubles each time in a row, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl<T> Wishes<T> {
    /// The server did not agree. It keeps what it granted before.
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
            // There is nobody to tell, and a server that refuses this will refuse it again. With the next change it is
            // asked for what is wanted then.
            log::debug!("the server refused a smaller subscription: {error}");
            return;
        }
        // What was asked for in addition, and is gone, was never pushed; unless the server did what it was asked for.
        self.must_shrink = asking.must_shrink_if_refused || error.may_have_executed();
        match wait {
            None => self.handle_refusal(&asked, asking.added, error, decisions),
            Some(wait) => {
                self.paused_until = Some(now + wait);
                self.refuse_new(&asked, error, decisions);
            }
        }
    }

    /// How long a server is left alone that cannot say when it is to be asked again.
    fn pause(&self) -> Duration {
        doubled(SHORTEST_PAUSE, self.put_off, LONGEST_PAUSE)
    }

    /// Takes back what was asked for in addition to what the server grants.
    fn take_back_asked(&mut self) -> Vec<ListenerId> {
        let mut asked = Vec::new();
        for (&id, wish) in self.wishes.iter_mut().filter(|(_, wish)| wish.standing == Standing::Asked) {
            wish.standing = Standing::Undecided;
            self.union.remove(&wish.listen);
            asked.push(id);
        }
        asked
    }

    /// The server said no to one or more of those `added` wishes of which `asked` are left. They are asked for in smaller
    /// parts, until one stands alone.
    fn handle_refusal(&mut self, asked: &[ListenerId], added: usize, error: &Error, decisions: &mut Vec<Decision<T>>) {
        match *asked {
            [] => {}
            [id] if added == 1 => self.refuse(id, error, decisions),
            // A single one may be left of several: it need not be the one that the refusal is meant for.
            _ => self.batch = (asked.len() / 2).max(1),
        }
    }

    /// The server said neither yes nor no, and new listeners are told so. If it said nothing at all, they go on waiting, in
    /// their own time.
    fn refuse_new(&mut self, asked: &[ListenerId], error: &Error, decisions: &mut Vec<Decision<T>>) {
        if matches!(error, Error::Timeout(_)) {
            return;
        }
        for &id in asked {
            if self.wishes.get(&id).is_some_and(|wish| wish.waiter.is_some()) {
                self.refuse(id, error, decisions);
            }
        }
    }

    /// Refuses a wish that is not in the union, so that nothing but the wish itself has to go.
    fn refuse(&mut self, id: ListenerId, error: &Error, decisions: &mut Vec<Decision<T>>) {
        match self.wishes.get_mut(&id) {
            Some(wish) if wish.waiter.is_some() => {
                decisions.extend(self.remove(id).map(|token| Decision::Failed(token, error.clone())));
            }
            Some(wish) => {
                wish.standing = Standing::Refused;
                decisions.push(Decision::Refused(id, error.clone()));
            }
            None => {}
        }
    }
}
