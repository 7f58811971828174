//! Listening: the listeners' wishes, what the server has granted, and which `setlisten` is due. No I/O.
//!
//! The client requests the union of all wishes, with at most one `setlisten` in flight. The server forgets the union with the
//! connection, so each connection starts by requesting everything. A refused union is requested again in smaller parts, until
//! the wishes that cannot be granted are alone; the others are not affected. A server that is busy, limits calls or does not
//! answer is asked again a moment later, then less and less often.

mod failure;
mod requests;
mod union;
mod wish;

pub use wish::{ListenerId, NewWish};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::error::{ArgumentError, Error, Stage, TimeoutError};
use crate::rtm::methods::listen::{MOST_NAMED_BYTES, SetListen};
use union::Union;
use wish::{Decision, Standing, Waiter, Wish};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Wishes<T> {
    wishes: BTreeMap<ListenerId, Wish<T>>,
    /// When the first grants are late, of those who wait for one.
    deadlines: BTreeSet<(Instant, ListenerId)>,
    /// The number of the connection, or of the last one: connections that failed in their handshake count too.
    connection: u64,
    /// Of the wishes that are granted. The server pushes all of it, and every `setlisten` in flight names it: whatever
    /// becomes of that, the server goes on pushing it.
    granted: Union,
    /// Of the wishes that are granted or being asked for.
    union: Union,
    /// Of all wishes: what a later `setlisten` may have to name.
    wished: Union,
    is_connected: bool,
    /// The `setlisten` in flight.
    asking: Option<Asking>,
    /// The server may push more than the union: now, or once it grants the `setlisten` in flight.
    must_shrink: bool,
    /// How many undecided wishes are asked for at once.
    batch: usize,
    /// The server said "not now", or nothing: when it is asked again.
    paused_until: Option<Instant>,
    /// How often in a row it did.
    put_off: u32,
}

/// What is to be known of a `setlisten` in flight, should it not be granted.
#[derive(Debug)]
struct Asking {
    /// How many wishes it asks for in addition to what is granted. Some may have been taken away since.
    added: usize,
    /// The server may push more than what is granted then.
    must_shrink_if_refused: bool,
}

impl<T> Wishes<T> {
    pub(super) fn new() -> Wishes<T> {
        Wishes {
            wishes: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            connection: 0,
            granted: Union::default(),
            union: Union::default(),
            wished: Union::default(),
            is_connected: false,
            asking: None,
            must_shrink: false,
            batch: usize::MAX,
            paused_until: None,
            put_off: 0,
        }
    }

    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// The number of the connection that decisions and pushes belong to.
    pub(super) fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether a `setlisten` is in flight.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether the `setlisten` in flight asks for more than is granted, on behalf of listeners that are all gone.
    fn is_asking_for_nobody(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.added > 0)
            && !self.wishes.values().any(|wish| wish.standing == Standing::Asked)
    }

    /// Whether anybody who waits for a first grant is not asked for yet.
    fn has_new_behind(&self) -> bool {
        let is_behind = |wish: &Wish<T>| wish.standing == Standing::Undecided;
        self.deadlines.iter().any(|(_, id)| self.wishes.get(id).is_some_and(is_behind))
    }

    /// Takes in a listener's wish. It is granted at once if others that are granted cover it.
    ///
    /// # Errors
    ///
    /// Together with the others it would not fit a quest, and then no connection could ask for any of them.
    pub(super) fn add(&mut self, wish: NewWish<T>, decisions: &mut Vec<Decision<T>>) -> Result<(), (T, ArgumentError)> {
        let NewWish { id, listen, deadline, timeout, wait_for_ready, token } = wish;
        self.wished.add(&listen);
        if self.wished.encoded_len() > MOST_NAMED_BYTES {
            self.wished.remove(&listen);
            return Err((token, too_many_names()));
        }
        if self.granted.covers(&listen) {
            self.granted.add(&listen);
            self.union.add(&listen);
            self.wishes.insert(id, Wish { listen, standing: Standing::Granted, waiter: None });
            decisions.push(Decision::Granted(id, Some(token)));
            return Ok(());
        }
        let waiter = Some(Waiter { token, deadline, timeout, wait_for_ready });
        self.deadlines.insert((deadline, id));
        self.wishes.insert(id, Wish { listen, standing: Standing::Undecided, waiter });
        Ok(())
    }

    /// Takes a listener's wish away. Gives back who waits for its first grant.
    pub(super) fn remove(&mut self, id: ListenerId) -> Option<T> {
        let wish = self.wishes.remove(&id)?;
        self.wished.remove(&wish.listen);
        if matches!(wish.standing, Standing::Asked | Standing::Granted) {
            self.must_shrink |= self.union.remove(&wish.listen);
        }
        if wish.standing == Standing::Granted {
            self.granted.remove(&wish.listen);
        }
        if let (Standing::Granted, Some(asking)) = (wish.standing, &mut self.asking) {
            // Even if the union is the same without it: what is being asked for may cover it, and may be refused.
            asking.must_shrink_if_refused = true;
        }
        let waiter = wish.waiter?;
        self.deadlines.remove(&(waiter.deadline, id));
        Some(waiter.token)
    }

    /// There is a new connection, which listens to nothing yet.
    pub(super) fn handle_connected(&mut self) {
        self.handle_disconnected();
        self.connection += 1;
        self.is_connected = true;
    }

    /// The connection is gone, and what it listened to.
    pub(super) fn handle_disconnected(&mut self) {
        let wishes = std::mem::take(&mut self.wishes);
        let deadlines = std::mem::take(&mut self.deadlines);
        let wished = std::mem::take(&mut self.wished);
        *self = Wishes { wishes, deadlines, wished, connection: self.connection, ..Wishes::new() };
        self.wishes.values_mut().for_each(|wish| wish.standing = Standing::Undecided);
    }

    /// The next `setlisten`, if one is due. Wishes that the server grants already are decided at once.
    pub(super) fn next_request(&mut self, now: Instant, decisions: &mut Vec<Decision<T>>) -> Option<SetListen> {
        let is_paused = self.paused_until.is_some_and(|until| now < until);
        if !self.is_connected || self.is_asking() || is_paused {
            return None;
        }
        self.paused_until = None;
        while !self.include_undecided() && !self.must_shrink {
            if !self.grant_asked(decisions) {
                return None;
            }
        }
        Some(self.ask(self.must_shrink))
    }

    /// The `setlisten` in flight once more, if there is one: the server has not looked at it. Wishes that were taken away
    /// meanwhile are left out.
    pub(super) fn repeat_request(&mut self) -> Option<SetListen> {
        let Asking { must_shrink_if_refused, .. } = self.asking.take()?;
        Some(self.ask(must_shrink_if_refused))
    }

    /// Asks for the union.
    fn ask(&mut self, must_shrink_if_refused: bool) -> SetListen {
        let added = self.wishes.values().filter(|wish| wish.standing == Standing::Asked).count();
        self.asking = Some(Asking { added, must_shrink_if_refused });
        self.must_shrink = false;
        self.union.to_parameters()
    }

    /// The server answered the `setlisten` in flight, or never will.
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
        if !self.wishes.values().any(|wish| wish.standing == Standing::Undecided) {
            self.batch = usize::MAX;
        }
    }

    /// No connection came about: those who wait for their first grant wait no longer, unless they wait for the next one too.
    /// Gives back their tokens.
    pub(super) fn fail_new(&mut self) -> Vec<T> {
        self.remove_new(|waiter| !waiter.wait_for_ready)
    }

    /// The client is closed: nobody waits any more.
    pub(super) fn fail_all_new(&mut self) -> Vec<T> {
        self.remove_new(|_| true)
    }

    fn remove_new(&mut self, is_over: impl Fn(&Waiter<T>) -> bool) -> Vec<T> {
        let is_over = |id: &ListenerId| self.wishes.get(id).and_then(|wish| wish.waiter.as_ref()).is_some_and(&is_over);
        let over: Vec<ListenerId> = self.deadlines.iter().map(|&(_, id)| id).filter(is_over).collect();
        over.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Whether anybody waits for a first grant.
    pub(super) fn has_new(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// When there is something to do: a first grant is late, or a pause is over.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(deadline, _)| deadline);
        [deadline, self.paused_until].into_iter().flatten().min()
    }

    /// Whether a pause is over, so that [`next_request`](Wishes::next_request) has something to say.
    pub(super) fn ends_pause(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until <= now)
    }

    /// Ends the wishes whose first grant did not come in time. `stage` is what they were waiting for.
    pub(super) fn handle_timeout(&mut self, now: Instant, stage: Stage, decisions: &mut Vec<Decision<T>>) {
        while let Some(&(deadline, id)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            let timeout = self.wishes.get(&id).and_then(|wish| wish.waiter.as_ref()).map(|waiter| waiter.timeout);
            let error = Error::Timeout(TimeoutError::new(stage, timeout.unwrap_or_default()));
            self.deadlines.remove(&(deadline, id));
            decisions.extend(self.remove(id).map(|token| Decision::Failed(token, error)));
        }
    }

    /// Adds undecided wishes to the union, as many as are asked for at once. Says whether it is another one now.
    fn include_undecided(&mut self) -> bool {
        let mut has_grown = false;
        let undecided = self.wishes.values_mut().filter(|wish| wish.standing == Standing::Undecided);
        for wish in undecided.take(self.batch) {
            wish.standing = Standing::Asked;
            has_grown |= self.union.add(&wish.listen);
        }
        has_grown
    }

    /// Says whether there was anything to grant.
    fn grant_asked(&mut self, decisions: &mut Vec<Decision<T>>) -> bool {
        let before = decisions.len();
        for (&id, wish) in self.wishes.iter_mut().filter(|(_, wish)| wish.standing == Standing::Asked) {
            wish.standing = Standing::Granted;
            self.granted.add(&wish.listen);
            let waiter = wish.waiter.take();
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
