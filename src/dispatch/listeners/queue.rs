//! One listener's queue: bounded by count and by bytes, filled by the I/O thread, emptied by whoever listens.
//!
//! What does not fit is dropped, counted, and told in its place. A place where a room is being caught up from the history
//! holds back what is behind it until the catch-up is done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::push::{Gap, GapReason, Push};
use crate::engine::Counters;
use crate::error::Error;
use crate::rtm::{Message, PushMethod, PushRef};

/// Payloads in one queue may take this many bytes; one more is let in below that.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What a message of the history takes beside its texts.
const ROW_OVERHEAD: usize = 128;

/// See the [module](self).
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// What the catch-ups among `items` stand for, in the same order.
    catch_ups: VecDeque<CatchUp>,
    /// Pushes and rows that wait, and their bytes.
    waiting: usize,
    waiting_bytes: usize,
    /// The mtime of the last message that was taken.
    since: Option<i64>,
    is_closed: bool,
}

#[derive(Debug)]
enum Item {
    /// A push as it came. All listeners share its bytes.
    Push {
        method: PushMethod,
        payload: Arc<[u8]>,
        mtime: Option<i64>,
    },
    /// A message of the history.
    Row(Arc<Message>),
    /// So many did not fit in here.
    Lost(u64),
    Gap(GapReason, Option<Error>),
    /// Here the oldest of the catch-ups comes in.
    CatchUp,
}

#[derive(Debug)]
struct CatchUp {
    /// The connection after which the rooms are caught up.
    connection: u64,
    /// Rooms that are not done.
    rooms_left: usize,
    items: VecDeque<Item>,
}

/// What a look into the queue comes to.
#[derive(Debug)]
pub enum Taken {
    Push(Push),
    /// Nothing is there yet.
    Nothing,
    /// Nothing is there, and nothing more will come.
    Closed,
}

impl Queue {
    pub fn new(limit: usize, counters: Arc<Counters>) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), limit, counters }
    }

    /// Adds a push, if there is room. Whoever waits is to be woken by [`wake`](Queue::wake).
    pub fn push(&self, method: PushMethod, payload: &Arc<[u8]>, mtime: Option<i64>) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        if state.take_room(self.limit, payload.len()) {
            let payload = Arc::clone(payload);
            state.items.push_back(Item::Push { method, payload, mtime });
        } else {
            lose_one(&mut state.items, &self.counters);
        }
    }

    /// Adds a gap.
    pub fn push_gap(&self, reason: GapReason, error: Option<Error>) {
        let mut state = self.state.lock();
        let repeats = matches!(state.items.back(), Some(Item::Gap(last, _)) if *last == reason);
        if !state.is_closed && !repeats {
            state.items.push_back(Item::Gap(reason, error));
        }
    }

    /// From here on, what comes waits until so many rooms are caught up after the connection of this number.
    pub fn begin_catch_up(&self, connection: u64, rooms: usize) {
        let mut state = self.state.lock();
        if !state.is_closed && rooms > 0 {
            state.items.push_back(Item::CatchUp);
            state.catch_ups.push_back(CatchUp { connection, rooms_left: rooms, items: VecDeque::new() });
        }
    }

    /// Adds a message of the history to the catch-up of the connection of this number.
    pub fn push_row(&self, connection: u64, message: &Arc<Message>) {
        let mut state = self.state.lock();
        let Some(at) = state.catch_up_at(connection) else { return };
        let bytes = message.body.as_bytes().len() + message.attrs.len() + ROW_OVERHEAD;
        let has_room = state.take_room(self.limit, bytes);
        let items = &mut state.catch_ups[at].items;
        if has_room {
            items.push_back(Item::Row(Arc::clone(message)));
        } else {
            lose_one(items, &self.counters);
        }
    }

    /// Adds a gap to the catch-up of the connection of this number.
    pub fn push_catch_up_gap(&self, connection: u64, error: Option<Error>) {
        let mut state = self.state.lock();
        if let Some(at) = state.catch_up_at(connection) {
            state.catch_ups[at].items.push_back(Item::Gap(GapReason::Reconnected, error));
        }
    }

    /// One room is caught up after the connection of this number.
    pub fn finish_room(&self, connection: u64) {
        let mut state = self.state.lock();
        if let Some(at) = state.catch_up_at(connection) {
            state.catch_ups[at].rooms_left = state.catch_ups[at].rooms_left.saturating_sub(1);
        }
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        self.changed.notify_all();
    }

    /// Nothing more comes. What is there may still be taken; catch-ups end where they are, with a gap.
    pub fn close(&self, error: &Error) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.is_closed, true) {
            for catch_up in state.catch_ups.iter_mut().filter(|catch_up| catch_up.rooms_left > 0) {
                catch_up.rooms_left = 0;
                catch_up.items.push_back(Item::Gap(GapReason::Reconnected, Some(error.clone())));
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody listens any more: what is there is dropped.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        let dropped = std::mem::replace(&mut *state, State { is_closed: true, ..State::default() });
        drop(state);
        drop(dropped);
        self.changed.notify_all();
    }

    /// Whether there is something to take, or the queue has come to its end.
    pub fn is_ready(&self) -> bool {
        let state = self.state.lock();
        match state.items.front() {
            Some(Item::CatchUp) => {
                state.catch_ups.front().is_none_or(|catch_up| catch_up.rooms_left == 0 || !catch_up.items.is_empty())
            }
            Some(_) => true,
            None => state.is_closed,
        }
    }

    /// Takes what is next, without waiting.
    pub fn try_take(&self) -> Taken {
        self.finish_taking(self.state.lock().next_item())
    }

    /// Waits for what is next; until `deadline`, if there is one.
    pub fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut state = self.state.lock();
        loop {
            match state.next_item() {
                Next::Nothing => {}
                next => {
                    drop(state);
                    return self.finish_taking(next);
                }
            }
            if self.wait(&mut state, deadline) {
                let next = state.next_item();
                drop(state);
                return self.finish_taking(next);
            }
        }
    }

    /// Says whether the time is over.
    fn wait(&self, state: &mut MutexGuard<'_, State>, deadline: Option<Instant>) -> bool {
        match deadline {
            Some(deadline) => self.changed.wait_until(state, deadline).timed_out(),
            None => {
                self.changed.wait(state);
                false
            }
        }
    }

    /// Makes of an item what the user is given. Without the lock: texts are copied here.
    fn finish_taking(&self, next: Next) -> Taken {
        let (item, since) = match next {
            Next::Item(item, since) => (item, since),
            Next::Nothing => return Taken::Nothing,
            Next::Closed => return Taken::Closed,
        };
        let push = match item {
            Item::Push { method, payload, .. } => match read(method, &payload) {
                Some(push) => push,
                // It was read once, when it came, so that this cannot be.
                None => return Taken::Nothing,
            },
            Item::Row(message) => Push::Message(Arc::unwrap_or_clone(message)),
            Item::Lost(missed) => Push::Gap(Gap::new(GapReason::Overflow, Some(missed), since, None)),
            Item::Gap(reason, error) => Push::Gap(Gap::new(reason, None, since, error)),
            Item::CatchUp => return Taken::Nothing,
        };
        let counter = if matches!(push, Push::Gap(_)) { &self.counters.gaps } else { &self.counters.pushes_delivered };
        counter.increment();
        Taken::Push(push)
    }
}

enum Next {
    /// An item, and the mtime of the last message before it.
    Item(Item, Option<i64>),
    Nothing,
    Closed,
}

impl State {
    /// Counts one more in, if it fits.
    fn take_room(&mut self, limit: usize, bytes: usize) -> bool {
        let has_room = self.waiting < limit && self.waiting_bytes < MOST_BYTES;
        if has_room {
            self.waiting += 1;
            self.waiting_bytes += bytes;
        }
        has_room
    }

    fn catch_up_at(&self, connection: u64) -> Option<usize> {
        self.catch_ups.iter().position(|catch_up| catch_up.connection == connection && catch_up.rooms_left > 0)
    }

    fn next_item(&mut self) -> Next {
        let item = loop {
            match self.items.front() {
                None if self.is_closed => return Next::Closed,
                None => return Next::Nothing,
                Some(Item::CatchUp) => match self.catch_ups.front_mut() {
                    Some(catch_up) => match catch_up.items.pop_front() {
                        Some(item) => break item,
                        None if catch_up.rooms_left > 0 => return Next::Nothing,
                        None => {
                            self.catch_ups.pop_front();
                            self.items.pop_front();
                        }
                    },
                    None => _ = self.items.pop_front(),
                },
                Some(_) => match self.items.pop_front() {
                    Some(item) => break item,
                    None => return Next::Nothing,
                },
            }
        };
        let since = self.since;
        match &item {
            Item::Push { payload, mtime, .. } => self.count_out(payload.len(), *mtime),
            Item::Row(message) => {
                let bytes = message.body.as_bytes().len() + message.attrs.len() + ROW_OVERHEAD;
                self.count_out(bytes, message.mtime);
            }
            Item::Lost(_) | Item::Gap(..) | Item::CatchUp => {}
        }
        Next::Item(item, since)
    }

    fn count_out(&mut self, bytes: usize, mtime: Option<i64>) {
        self.waiting -= 1;
        self.waiting_bytes -= bytes;
        self.since = mtime.or(self.since);
    }
}

fn lose_one(items: &mut VecDeque<Item>, counters: &Counters) {
    counters.pushes_overflowed.increment();
    match items.back_mut() {
        Some(Item::Lost(lost)) => *lost += 1,
        _ => items.push_back(Item::Lost(1)),
    }
}

fn read(method: PushMethod, payload: &[u8]) -> Option<Push> {
    match PushRef::read(method, payload) {
        Ok(Some(PushRef::Message(message))) => Some(Push::Message(message.to_message())),
        Ok(Some(PushRef::Event(event))) => Some(Push::Event(event.to_event())),
        Ok(None) | Err(_) => None,
    }
}
