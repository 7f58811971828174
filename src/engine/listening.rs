//! Listening: the subscriptions of all listeners, what the server has granted, and which `setlisten` is due. Does no
//! I/O.
//!
//! The client requests the union of all subscriptions, with at most one `setlisten` in flight. The server forgets the
//! union with the connection, so each connection starts by requesting everything. A refused union is requested again in
//! smaller parts, until each refused subscription has been requested alone; the others are not affected. If a server is
//! busy, limits calls or does not answer, the client repeats the request after a pause that grows.

mod failure;
mod requests;
mod subscription;
mod union;

pub use subscription::{ListenerId, NewSubscription};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::error::{ArgumentError, Error, Stage, TimeoutError};
use crate::rtm::methods::listen::{MOST_NAMED_BYTES, SetListen};
use subscription::{Decision, Standing, Subscription, Waiter};
use union::Union;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Subscriptions<T> {
    subscriptions: BTreeMap<ListenerId, Subscription<T>>,
    /// The deadlines of the first grants, for listeners that wait for one.
    deadlines: BTreeSet<(Instant, ListenerId)>,
    /// The number of the current or the last connection. Connections that failed in their handshake count too.
    connection: u64,
    /// The union of the granted subscriptions. The server pushes all of it. Every `setlisten` in flight includes it, so
    /// the server keeps pushing it whatever the outcome.
    granted: Union,
    /// The union of the subscriptions that are granted or requested.
    union: Union,
    /// The union of all subscriptions, which a later `setlisten` may have to contain.
    all: Union,
    is_connected: bool,
    /// The `setlisten` in flight.
    asking: Option<Asking>,
    /// Whether the server may push more than the union, now or after it grants the `setlisten` in flight.
    must_shrink: bool,
    /// How many undecided subscriptions one `setlisten` adds.
    batch: usize,
    /// Set while the client waits before it asks again.
    pause: Option<Pause>,
    /// How often in a row the server was busy or did not answer.
    put_off: u32,
}

/// A wait after a server was busy or did not answer.
#[derive(Debug)]
struct Pause {
    /// When to ask again.
    until: Instant,
    /// What the server answered, or that it did not.
    error: Error,
}

/// What to know about the `setlisten` in flight if it fails.
#[derive(Debug)]
struct Asking {
    /// How many subscriptions it adds to the granted ones. Some may have been removed since.
    added: usize,
    /// Whether the server may push more than what is granted if it refuses.
    must_shrink_if_refused: bool,
}

impl<T> Subscriptions<T> {
    pub(super) fn new() -> Subscriptions<T> {
        Subscriptions {
            subscriptions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            connection: 0,
            granted: Union::default(),
            union: Union::default(),
            all: Union::default(),
            is_connected: false,
            asking: None,
            must_shrink: false,
            batch: usize::MAX,
            pause: None,
            put_off: 0,
        }
    }

    /// Whether there are no subscriptions.
    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// The number of the connection that decisions and pushes belong to.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether a `setlisten` is in flight.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether the `setlisten` in flight adds subscriptions that have all been removed.
    fn is_asking_for_nobody(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.added > 0)
            && !self.subscriptions.values().any(|subscription| subscription.standing == Standing::Asked)
    }

    /// Whether the `setlisten` in flight leaves out any subscription that waits for its first grant.
    fn has_new_behind(&self) -> bool {
        let is_behind = |subscription: &Subscription<T>| subscription.standing == Standing::Undecided;
        self.deadlines.iter().any(|(_, id)| self.subscriptions.get(id).is_some_and(is_behind))
    }

    /// Adds a subscription. If the granted subscriptions cover it, grants it at once.
    ///
    /// # Errors
    ///
    /// All subscriptions together would not fit one quest, so no connection could request them all.
    pub(super) fn add(
        &mut self,
        subscription: NewSubscription<T>,
        decisions: &mut Vec<Decision<T>>,
    ) -> Result<(), (T, ArgumentError)> {
        let NewSubscription { id, listen, deadline, timeout, wait_for_ready, token } = subscription;
        self.all.add(&listen);
        if self.all.encoded_len() > MOST_NAMED_BYTES {
            self.all.remove(&listen);
            return Err((token, too_many_names()));
        }
        if self.granted.covers(&listen) {
            self.granted.add(&listen);
            self.union.add(&listen);
            self.subscriptions.insert(id, Subscription { listen, standing: Standing::Granted, waiter: None });
            decisions.push(Decision::Granted(id, Some(token)));
            return Ok(());
        }
        let waiter = Some(Waiter { token, deadline, timeout, wait_for_ready });
        self.deadlines.insert((deadline, id));
        self.subscriptions.insert(id, Subscription { listen, standing: Standing::Undecided, waiter });
        Ok(())
    }

    /// Removes a subscription. Returns the token of the caller that waits for its first grant.
    pub(super) fn remove(&mut self, id: ListenerId) -> Option<T> {
        let subscription = self.subscriptions.remove(&id)?;
        self.all.remove(&subscription.listen);
        if matches!(subscription.standing, Standing::Asked | Standing::Granted) {
            self.must_shrink |= self.union.remove(&subscription.listen);
        }
        if subscription.standing == Standing::Granted {
            self.granted.remove(&subscription.listen);
            if let Some(asking) = &mut self.asking {
                // Even if the union stays the same: the subscription that covers this one may be refused.
                asking.must_shrink_if_refused = true;
            }
        }
        let waiter = subscription.waiter?;
        self.deadlines.remove(&(waiter.deadline, id));
        Some(waiter.token)
    }

    /// Begins a new connection, on which nothing is granted yet.
    pub(super) fn handle_connected(&mut self) {
        self.handle_disconnected();
        self.connection += 1;
        self.is_connected = true;
    }

    /// Handles the loss of the connection and of all grants.
    pub(super) fn handle_disconnected(&mut self) {
        let subscriptions = std::mem::take(&mut self.subscriptions);
        let deadlines = std::mem::take(&mut self.deadlines);
        let all = std::mem::take(&mut self.all);
        *self = Subscriptions { subscriptions, deadlines, all, connection: self.connection, ..Subscriptions::new() };
        self.subscriptions.values_mut().for_each(|subscription| subscription.standing = Standing::Undecided);
    }

    /// Returns the next `setlisten`, if one is due. Grants subscriptions that the server covers already.
    pub(super) fn next_request(&mut self, now: Instant, decisions: &mut Vec<Decision<T>>) -> Option<SetListen> {
        let is_paused = self.pause.as_ref().is_some_and(|pause| now < pause.until);
        if !self.is_connected || self.is_asking() || is_paused {
            return None;
        }
        self.pause = None;
        while !self.include_undecided() && !self.must_shrink {
            if !self.grant_asked(decisions) {
                return None;
            }
        }
        Some(self.ask(self.must_shrink))
    }

    /// Returns the `setlisten` in flight again, if there is one, because the server has not processed it. Leaves out
    /// subscriptions that have been removed since.
    pub(super) fn repeat_request(&mut self) -> Option<SetListen> {
        let Asking { must_shrink_if_refused, .. } = self.asking.take()?;
        Some(self.ask(must_shrink_if_refused))
    }

    /// Requests the union.
    fn ask(&mut self, must_shrink_if_refused: bool) -> SetListen {
        let added = self.subscriptions.values().filter(|subscription| subscription.standing == Standing::Asked).count();
        self.asking = Some(Asking { added, must_shrink_if_refused });
        self.must_shrink = false;
        self.union.to_parameters()
    }

    /// Handles the answer to the `setlisten` in flight, or its failure.
    pub(super) fn handle_answer(&mut self, now: Instant, outcome: Result<(), Error>, decisions: &mut Vec<Decision<T>>) {
        let Some(asking) = self.asking.take() else { return };
        match outcome {
            Ok(()) => {
                self.put_off = 0;
                self.batch = self.batch.saturating_mul(2);
                self.grant_asked(decisions);
            }
            Err(error) => self.handle_failure(now, &asking, &error, decisions),
        }
        if !self.subscriptions.values().any(|subscription| subscription.standing == Standing::Undecided) {
            self.batch = usize::MAX;
        }
    }

    /// Handles a failed attempt to connect. Removes the subscriptions that wait for their first grant but not for the
    /// next connection. Returns their tokens.
    pub(super) fn fail_new(&mut self) -> Vec<T> {
        self.remove_new(|waiter| !waiter.wait_for_ready)
    }

    /// Removes all subscriptions that wait for their first grant, because the client was closed.
    pub(super) fn fail_all_new(&mut self) -> Vec<T> {
        self.remove_new(|_| true)
    }

    fn remove_new(&mut self, is_over: impl Fn(&Waiter<T>) -> bool) -> Vec<T> {
        let is_over = |id: &ListenerId| {
            self.subscriptions.get(id).and_then(|subscription| subscription.waiter.as_ref()).is_some_and(&is_over)
        };
        let over: Vec<ListenerId> = self.deadlines.iter().map(|&(_, id)| id).filter(is_over).collect();
        over.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Whether any subscription waits for its first grant.
    pub(super) fn has_new(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// When there is something to do next: a first grant times out, or a pause ends.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(deadline, _)| deadline);
        [deadline, self.pause.as_ref().map(|pause| pause.until)].into_iter().flatten().min()
    }

    /// Whether a pause has ended, so [`next_request`](Subscriptions::next_request) may have a result.
    pub(super) fn ends_pause(&self, now: Instant) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.until <= now)
    }

    /// Removes the subscriptions whose first grant is late. `stage` is what they were waiting for. In a pause, they fail
    /// with the error that led to it.
    pub(super) fn handle_timeout(&mut self, now: Instant, stage: Stage, decisions: &mut Vec<Decision<T>>) {
        while let Some(&(deadline, id)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            let timeout = self
                .subscriptions
                .get(&id)
                .and_then(|subscription| subscription.waiter.as_ref())
                .map(|waiter| waiter.timeout);
            let timed_out = || Error::Timeout(TimeoutError::new(stage, timeout.unwrap_or_default()));
            let error = self.refusal_of_new().cloned().unwrap_or_else(timed_out);
            self.deadlines.remove(&(deadline, id));
            decisions.extend(self.remove(id).map(|token| Decision::Failed(token, error)));
        }
    }

    /// Adds a batch of undecided subscriptions to the union. Returns whether that changed the union.
    fn include_undecided(&mut self) -> bool {
        let mut has_grown = false;
        let undecided =
            self.subscriptions.values_mut().filter(|subscription| subscription.standing == Standing::Undecided);
        for subscription in undecided.take(self.batch) {
            subscription.standing = Standing::Asked;
            has_grown |= self.union.add(&subscription.listen);
        }
        has_grown
    }

    /// Grants the requested subscriptions. Returns whether there were any.
    fn grant_asked(&mut self, decisions: &mut Vec<Decision<T>>) -> bool {
        let before = decisions.len();
        for (&id, subscription) in
            self.subscriptions.iter_mut().filter(|(_, subscription)| subscription.standing == Standing::Asked)
        {
            subscription.standing = Standing::Granted;
            self.granted.add(&subscription.listen);
            let waiter = subscription.waiter.take();
            waiter.iter().for_each(|waiter| _ = self.deadlines.remove(&(waiter.deadline, id)));
            decisions.push(Decision::Granted(id, waiter.map(|waiter| waiter.token)));
        }
        decisions.len() > before
    }
}

fn too_many_names() -> ArgumentError {
    let most = MOST_NAMED_BYTES / 9;
    ArgumentError::new(format!(
        "all listeners of a client together can name {most} ids, or fewer with long events, and this listener exceeds that: \
         subscribe to all of the kind, or use another client"
    ))
}

#[cfg(test)]
mod tests;
