//! A listener's queue: bounded by count and by bytes, filled by the I/O thread, emptied by the listener.
//!
//! Pushes that do not fit are dropped and counted, and a gap marks their place. While rooms are being caught up, the
//! queue holds back whatever follows the catch-up. The listener gets everything else in the order in which it was
//! added.

mod inbox;
mod item;
mod outbox;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::push::{GapReason, Push};
use crate::engine::Counters;
use crate::error::Error;
use crate::rtm::{Message, PushList};
use crate::sync::{AtomicBool, Condvar, Mutex};
use inbox::{Inbox, TakeOver};
use item::{Batch, Item, Size, row_bytes};
pub(crate) use outbox::{Outbox, Ready};
use waiting::Waiting;

/// See the [module](self).
///
/// The listener takes over everything that has arrived at once, then takes the pushes one by one without the lock that
/// the I/O thread needs.
#[derive(Debug)]
pub(crate) struct Queue {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    /// What was taken over, unless the listener's thread keeps it.
    outbox: Mutex<Outbox>,
    is_abandoned: AtomicBool,
    waiting: Waiting,
    counters: Arc<Counters>,
    /// The counter stripe on which this queue counts what it delivers.
    stripe: usize,
}

/// What a queue returns.
#[derive(Debug)]
pub(crate) enum Taken<P = Push> {
    Push(P),
    /// Nothing is there yet.
    Nothing,
    /// The queue is empty, and has ended.
    Closed,
}

impl Taken<Ready<'_>> {
    /// Makes the push, if there is one.
    pub(crate) fn make(self) -> Taken {
        match self {
            Taken::Push(push) => Taken::Push(push.make()),
            Taken::Nothing => Taken::Nothing,
            Taken::Closed => Taken::Closed,
        }
    }
}

impl Queue {
    /// Creates a queue of at most `limit` pushes, which counts what it delivers on this counter stripe.
    pub(crate) fn new(limit: usize, counters: Arc<Counters>, stripe: usize) -> Queue {
        Queue {
            inbox: Mutex::default(),
            changed: Condvar::new(),
            outbox: Mutex::default(),
            is_abandoned: AtomicBool::new(false),
            waiting: Waiting::new(limit),
            counters,
            stripe,
        }
    }

    /// The number of waiting pushes and rows.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.waiting.size().count
    }

    /// Adds as many pushes as fit. The caller wakes the listener with [`wake`](Queue::wake).
    pub(super) fn push_all(&self, lists: impl IntoIterator<Item = Arc<PushList>>) {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return;
        }
        for pushes in lists {
            let count = self.waiting.count_in_what_fits(&pushes);
            let lost = pushes.pushes().len() - count;
            if count > 0 {
                inbox.tail().push_back(Item::Pushes(Batch::new(pushes, count)));
            }
            if lost > 0 {
                self.lose(inbox.tail(), lost);
            }
        }
    }

    /// Adds a gap.
    pub(crate) fn push_gap(&self, reason: GapReason, error: Option<Error>) {
        let mut inbox = self.inbox.lock();
        inbox.drop_spent_catch_ups();
        // In a full queue, a gap of the same reason may be followed only by more gaps and losses. They mark a single
        // place.
        let mut gaps_at_the_end =
            inbox.tail().iter().rev().take_while(|item| matches!(item, Item::Gap(..) | Item::Lost(_)));
        let repeats = gaps_at_the_end.any(|item| matches!(item, Item::Gap(last, _) if *last == reason));
        if !inbox.is_closed && !repeats {
            inbox.tail().push_back(Item::Gap(reason, error.map(Box::new)));
        }
    }

    /// Holds back what arrives from now on, until `rooms` rooms have been caught up after this connection.
    pub(crate) fn begin_catch_up(&self, connection: u64, rooms: usize) {
        let mut inbox = self.inbox.lock();
        inbox.drop_spent_catch_ups();
        if !inbox.is_closed && rooms > 0 {
            inbox.begin_catch_up(connection, rooms);
        }
    }

    /// Adds a message of the history to the catch-up for this connection.
    pub(crate) fn push_row(&self, connection: u64, message: &Arc<Message>) {
        let mut inbox = self.inbox.lock();
        let Some(held_back) = inbox.under_way(connection) else { return };
        if self.waiting.has_room(self.waiting.size()) {
            self.waiting.count_in(Size { count: 1, bytes: row_bytes(message) });
            held_back.caught_up.push_back(Item::Row(Arc::clone(message)));
        } else {
            self.lose(&mut held_back.caught_up, 1);
        }
    }

    /// Adds a gap to the catch-up for this connection. A room's messages may be missing from the time `since` on.
    pub(crate) fn push_catch_up_gap(&self, connection: u64, since: Option<i64>, error: Option<Error>) {
        if let Some(held_back) = self.inbox.lock().under_way(connection) {
            held_back.push_gap(since, error);
        }
    }

    /// Records that one room has been caught up after this connection.
    pub(crate) fn finish_room(&self, connection: u64) {
        if let Some(held_back) = self.inbox.lock().under_way(connection) {
            held_back.rooms_left -= 1;
        }
    }

    /// The number of items of any kind.
    #[cfg(test)]
    pub(crate) fn held_items(&self) -> usize {
        self.inbox.lock().len()
    }

    /// Wakes the listener if it waits.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Ends the queue. What it holds can still be taken; a gap ends each catch-up in progress.
    pub(crate) fn close(&self, error: &Error) {
        let mut inbox = self.inbox.lock();
        if !std::mem::replace(&mut inbox.is_closed, true) {
            for held_back in inbox.all_under_way() {
                held_back.rooms_left = 0;
                held_back.push_gap(None, Some(error.clone()));
            }
        }
        drop(inbox);
        self.changed.notify_all();
    }

    /// Drops what the queue holds, and ends it: the listener was dropped.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::SeqCst);
        let came = std::mem::replace(&mut *self.inbox.lock(), Inbox::closed());
        self.changed.notify_all();
        let taken = std::mem::take(&mut *self.outbox.lock());
        drop((came, taken));
    }

    /// Whether there is something to take, or the queue has ended.
    pub(crate) fn is_ready(&self) -> bool {
        !self.outbox.lock().is_empty() || self.inbox.lock().is_ready()
    }

    /// Takes the next item without waiting, and converts it with `make`.
    #[inline]
    pub(crate) fn try_take_as<T>(&self, make: impl FnOnce(Taken<Ready<'_>>) -> T) -> T {
        make(self.try_take_into(&mut self.outbox.lock()))
    }

    /// Waits for the next item, until `deadline` if there is one, and converts it with `make`.
    #[inline]
    pub(crate) fn take_as<T>(&self, deadline: Option<Instant>, make: impl FnOnce(Taken<Ready<'_>>) -> T) -> T {
        loop {
            match self.try_take_into(&mut self.outbox.lock()) {
                Taken::Nothing => {}
                taken => return make(taken),
            }
            if self.wait(deadline) {
                return self.try_take_as(make);
            }
        }
    }

    /// Waits for the next item on a thread that alone empties the queue. It keeps what it has taken over, so it needs
    /// no lock.
    #[inline]
    pub(crate) fn take_into<T>(&self, outbox: &mut Outbox, make: impl FnOnce(Taken<Ready<'_>>) -> T) -> T {
        loop {
            match self.try_take_into(outbox) {
                Taken::Nothing => _ = self.wait(None),
                taken => return make(taken),
            }
        }
    }

    /// As [`try_take_as`](Queue::try_take_as), and makes the push.
    pub(crate) fn try_take(&self) -> Taken {
        self.try_take_as(|next| next.make())
    }

    /// Waits until there may be something to take. Returns whether the deadline has passed.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut inbox = self.inbox.lock();
        match deadline {
            // An item added since the last look was added before this lock was taken, and its wake may be over.
            _ if inbox.is_ready() => false,
            Some(deadline) => self.changed.wait_until(&mut inbox, deadline).timed_out(),
            None => {
                self.changed.wait(&mut inbox);
                false
            }
        }
    }

    /// Takes the next item: first of what was taken over, then of what has arrived.
    #[inline]
    fn try_take_into<'a>(&self, outbox: &'a mut Outbox) -> Taken<Ready<'a>> {
        if self.is_abandoned.load(Ordering::SeqCst) {
            return Taken::Closed;
        }
        if outbox.is_empty() {
            match self.take_over(outbox) {
                TakeOver::Items => {}
                TakeOver::Nothing => return Taken::Nothing,
                TakeOver::Closed => return Taken::Closed,
            }
        }
        let Some(last) = outbox.advance() else { return Taken::Nothing };
        if outbox.is_empty() || outbox.uncounted.count >= self.waiting.most_uncounted() {
            self.waiting.count_out(std::mem::take(&mut outbox.uncounted));
        }
        let Some(ready) = outbox.ready(last) else { return Taken::Nothing };
        if ready.is_gap() {
            self.counters.gaps.increment();
        } else {
            self.counters.pushes_delivered.increment(self.stripe);
        }
        Taken::Push(ready)
    }

    /// Takes over what has arrived.
    fn take_over(&self, outbox: &mut Outbox) -> TakeOver {
        outbox.forget_batch();
        self.inbox.lock().take_over(&mut outbox.items)
    }

    /// Counts dropped pushes or rows, and records the loss at the end of `items`.
    fn lose(&self, items: &mut VecDeque<Item>, count: usize) {
        self.counters.pushes_overflowed.add(count as u64);
        match items.back_mut() {
            Some(Item::Lost(lost)) => *lost += count as u64,
            _ => items.push_back(Item::Lost(count as u64)),
        }
    }
}

#[cfg(all(loom, test))]
mod models;
