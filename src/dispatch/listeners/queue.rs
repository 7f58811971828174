//! One listener's queue: bounded by count and by bytes, filled by the I/O thread, emptied by whoever listens.
//!
//! What does not fit is dropped, counted, and told in its place. A place where a room is being caught up from the history
//! holds back what is behind it until the catch-up is done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::push::{Gap, GapReason, Push};
use crate::engine::Counters;
use crate::error::Error;
use crate::rtm::{Message, PushMethod, PushRef};
use crate::sync::{Condvar, Mutex};

/// Payloads in one queue may take this many bytes; one more is let in below that.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What a message of the history takes beside its texts.
const ROW_OVERHEAD: usize = 128;
/// The room of what was given out is counted free again for so many pushes at once: the I/O thread counts at the same place.
const MOST_UNCOUNTED: usize = 64;

/// See the [module](self).
///
/// Whoever listens takes what has come in one go, and then one item after the other from what it took, without the lock that
/// the I/O thread needs.
#[derive(Debug)]
pub(crate) struct Queue {
    inbox: Mutex<Inbox>,
    changed: Condvar,
    taken: Mutex<Outbox>,
    waiting: Waiting,
    counters: Arc<Counters>,
    /// Where this queue counts what it delivers.
    place: usize,
}

/// What has come and was not taken over.
#[derive(Debug, Default)]
struct Inbox {
    items: VecDeque<Item>,
    /// What the catch-ups stand for that were not passed yet, in their order.
    catch_ups: VecDeque<CatchUp>,
    is_closed: bool,
}

/// What was taken over, and is given out.
#[derive(Debug, Default)]
struct Outbox {
    items: VecDeque<Item>,
    /// The mtime of the last message that was given out.
    since: Option<i64>,
    /// What was given out, and still counts as waiting.
    uncounted: Size,
}

/// The pushes and rows that wait, on either side, and their bytes.
#[derive(Debug)]
struct Waiting {
    limit: usize,
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// A number of pushes and rows, and of their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    count: usize,
    bytes: usize,
}

/// A push as it came. All listeners share its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub method: PushMethod,
    pub payload: Arc<[u8]>,
    pub mtime: Option<i64>,
}

#[derive(Debug)]
enum Item {
    Push(Arrived),
    /// A message of the history.
    Row(Arc<Message>),
    /// So many did not fit in here.
    Lost(u64),
    Gap(GapReason, Option<Box<Error>>),
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
pub(crate) enum Taken {
    Push(Push),
    /// Nothing is there yet.
    Nothing,
    /// Nothing is there, and nothing more will come.
    Closed,
}

impl Queue {
    /// A queue of at most `limit` pushes, which counts what it delivers in this place.
    pub(crate) fn new(limit: usize, counters: Arc<Counters>, place: usize) -> Queue {
        Queue {
            inbox: Mutex::default(),
            changed: Condvar::new(),
            taken: Mutex::default(),
            waiting: Waiting { limit, count: AtomicUsize::new(0), bytes: AtomicUsize::new(0) },
            counters,
            place,
        }
    }

    /// How many pushes and rows wait.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.waiting.count.load(Ordering::Relaxed)
    }

    /// Adds pushes, as many as there is room for. Whoever waits is to be woken by [`wake`](Queue::wake).
    pub(crate) fn push_all(&self, arrived: impl Iterator<Item = Arrived>) {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return;
        }
        let (mut waiting, mut new) = (self.waiting.size(), Size::default());
        for push in arrived {
            if self.waiting.has_room(waiting) {
                waiting.add(push.payload.len());
                new.add(push.payload.len());
                inbox.items.push_back(Item::Push(push));
            } else {
                lose_one(&mut inbox.items, &self.counters);
            }
        }
        self.waiting.count_in(new);
    }

    /// Adds a gap.
    pub(crate) fn push_gap(&self, reason: GapReason, error: Option<Error>) {
        let mut inbox = self.inbox.lock();
        inbox.drop_spent_catch_ups();
        let repeats = matches!(inbox.items.back(), Some(Item::Gap(last, _)) if *last == reason);
        if !inbox.is_closed && !repeats {
            inbox.items.push_back(Item::Gap(reason, error.map(Box::new)));
        }
    }

    /// From here on, what comes waits until so many rooms are caught up after the connection of this number.
    pub(crate) fn begin_catch_up(&self, connection: u64, rooms: usize) {
        let mut inbox = self.inbox.lock();
        inbox.drop_spent_catch_ups();
        if !inbox.is_closed && rooms > 0 {
            inbox.items.push_back(Item::CatchUp);
            inbox.catch_ups.push_back(CatchUp { connection, rooms_left: rooms, items: VecDeque::new() });
        }
    }

    /// Adds a message of the history to the catch-up of the connection of this number.
    pub(crate) fn push_row(&self, connection: u64, message: &Arc<Message>) {
        let mut inbox = self.inbox.lock();
        let Some(catch_up) = inbox.catch_up(connection) else { return };
        if self.waiting.has_room(self.waiting.size()) {
            self.waiting.count_in(Size { count: 1, bytes: row_bytes(message) });
            catch_up.items.push_back(Item::Row(Arc::clone(message)));
        } else {
            lose_one(&mut catch_up.items, &self.counters);
        }
    }

    /// Adds a gap to the catch-up of the connection of this number.
    pub(crate) fn push_catch_up_gap(&self, connection: u64, error: Option<Error>) {
        if let Some(catch_up) = self.inbox.lock().catch_up(connection) {
            catch_up.push_gap(error);
        }
    }

    /// One room is caught up after the connection of this number.
    pub(crate) fn finish_room(&self, connection: u64) {
        if let Some(catch_up) = self.inbox.lock().catch_up(connection) {
            catch_up.rooms_left -= 1;
        }
    }

    /// How many items of any kind it holds.
    #[cfg(test)]
    pub(crate) fn held_items(&self) -> usize {
        let inbox = self.inbox.lock();
        inbox.items.len() + inbox.catch_ups.iter().map(|catch_up| catch_up.items.len()).sum::<usize>()
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Nothing more comes. What is there may still be taken; catch-ups end where they are, with a gap.
    pub(crate) fn close(&self, error: &Error) {
        let mut inbox = self.inbox.lock();
        if !std::mem::replace(&mut inbox.is_closed, true) {
            for catch_up in inbox.catch_ups.iter_mut().filter(|catch_up| catch_up.rooms_left > 0) {
                catch_up.rooms_left = 0;
                catch_up.push_gap(Some(error.clone()));
            }
        }
        drop(inbox);
        self.changed.notify_all();
    }

    /// Nobody listens any more: what is there is dropped.
    pub(crate) fn abandon(&self) {
        let came = std::mem::replace(&mut *self.inbox.lock(), Inbox { is_closed: true, ..Inbox::default() });
        self.changed.notify_all();
        let taken = std::mem::take(&mut self.taken.lock().items);
        drop((came, taken));
    }

    /// Whether there is something to take, or the queue has come to its end.
    pub(crate) fn is_ready(&self) -> bool {
        let taken = self.taken.lock();
        let inbox = self.inbox.lock();
        match taken.items.front().or(inbox.items.front()) {
            Some(Item::CatchUp) => inbox.catch_ups.front().is_none_or(CatchUp::is_ready),
            Some(_) => true,
            None => inbox.is_closed,
        }
    }

    /// Takes what is next, without waiting.
    pub(crate) fn try_take(&self) -> Taken {
        match self.look() {
            Look::Item(item, since) => self.give_out(item, since),
            Look::Nothing | Look::CatchingUp => Taken::Nothing,
            Look::Closed => Taken::Closed,
        }
    }

    /// Waits for what is next; until `deadline`, if there is one.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Taken {
        loop {
            let is_catching_up = match self.look() {
                Look::Item(item, since) => return self.give_out(item, since),
                Look::Closed => return Taken::Closed,
                Look::Nothing => false,
                Look::CatchingUp => true,
            };
            if self.wait(is_catching_up, deadline) {
                return self.try_take();
            }
        }
    }

    /// Waits until there may be something to take. Says whether the time is over.
    fn wait(&self, is_catching_up: bool, deadline: Option<Instant>) -> bool {
        let mut inbox = self.inbox.lock();
        // Whatever has come since the look came before this lock, and its wake with it.
        let has_nothing = match is_catching_up {
            true => inbox.catch_ups.front().is_some_and(|catch_up| !catch_up.is_ready()),
            false => inbox.items.is_empty() && !inbox.is_closed,
        };
        match deadline {
            _ if !has_nothing => false,
            Some(deadline) => self.changed.wait_until(&mut inbox, deadline).timed_out(),
            None => {
                self.changed.wait(&mut inbox);
                false
            }
        }
    }

    /// Looks for what is next: in what was taken over, then in what has come.
    fn look(&self) -> Look {
        let mut taken = self.taken.lock();
        let item = loop {
            match taken.items.pop_front() {
                Some(Item::CatchUp) => taken.items.push_front(Item::CatchUp),
                Some(item) => break item,
                None => {}
            }
            match self.inbox.lock().take_over(&mut taken.items) {
                TakeOver::Items => {}
                TakeOver::Item(item) => break item,
                TakeOver::Nothing if taken.items.is_empty() => return Look::Nothing,
                TakeOver::Nothing => return Look::CatchingUp,
                TakeOver::Closed => return Look::Closed,
            }
        };
        let since = taken.since;
        match &item {
            Item::Push(push) => {
                taken.uncounted.add(push.payload.len());
                taken.since = push.mtime.or(since);
            }
            Item::Row(message) => {
                taken.uncounted.add(row_bytes(message));
                taken.since = message.mtime.or(since);
            }
            Item::Lost(_) | Item::Gap(..) | Item::CatchUp => {}
        }
        if taken.items.is_empty() || taken.uncounted.count >= self.waiting.most_uncounted() {
            self.waiting.count_out(std::mem::take(&mut taken.uncounted));
        }
        Look::Item(item, since)
    }

    /// Makes of an item what the user is given. Without a lock: texts are copied here.
    fn give_out(&self, item: Item, since: Option<i64>) -> Taken {
        let push = match item {
            Item::Push(Arrived { method, payload, .. }) => match read(method, &payload) {
                Some(push) => push,
                // It was read once, when it came, so that this cannot be.
                None => return Taken::Nothing,
            },
            Item::Row(message) => Push::Message(Arc::unwrap_or_clone(message)),
            Item::Lost(missed) => Push::Gap(Gap::new(GapReason::Overflow, Some(missed), since, None)),
            Item::Gap(reason, error) => Push::Gap(Gap::new(reason, None, since, error.map(|error| *error))),
            Item::CatchUp => return Taken::Nothing,
        };
        match push {
            Push::Gap(_) => self.counters.gaps.increment(),
            Push::Message(_) | Push::Event(_) => self.counters.pushes_delivered.increment(self.place),
        }
        Taken::Push(push)
    }
}

impl Waiting {
    fn size(&self) -> Size {
        Size { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Whether one more fits beside so many. Only whoever adds to the queue asks, under its lock.
    fn has_room(&self, waiting: Size) -> bool {
        waiting.count < self.limit && waiting.bytes < MOST_BYTES
    }

    fn count_in(&self, size: Size) {
        self.count.fetch_add(size.count, Ordering::Relaxed);
        self.bytes.fetch_add(size.bytes, Ordering::Relaxed);
    }

    fn count_out(&self, size: Size) {
        self.count.fetch_sub(size.count, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }

    /// A short queue has each place free again at once.
    fn most_uncounted(&self) -> usize {
        MOST_UNCOUNTED.min(self.limit / MOST_UNCOUNTED)
    }
}

impl Size {
    /// Adds one of so many bytes.
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What is next.
enum Look {
    /// An item, and the mtime of the last message before it.
    Item(Item, Option<i64>),
    Nothing,
    /// Nothing, until a catch-up goes on.
    CatchingUp,
    Closed,
}

/// What a look into the inbox comes to.
enum TakeOver {
    /// What has come was taken over.
    Items,
    /// An item of the catch-up that is next.
    Item(Item),
    Nothing,
    Closed,
}

impl Inbox {
    /// Takes over what has come. If the next item is a catch-up, what it has comes first.
    fn take_over(&mut self, taken: &mut VecDeque<Item>) -> TakeOver {
        if matches!(taken.front(), Some(Item::CatchUp)) {
            if let Some(catch_up) = self.catch_ups.front_mut() {
                match catch_up.items.pop_front() {
                    Some(item) => return TakeOver::Item(item),
                    None if catch_up.rooms_left > 0 => return TakeOver::Nothing,
                    None => _ = self.catch_ups.pop_front(),
                }
            }
            taken.pop_front();
            return TakeOver::Items;
        }
        match (self.items.is_empty(), self.is_closed) {
            (true, true) => TakeOver::Closed,
            (true, false) => TakeOver::Nothing,
            (false, _) => {
                std::mem::swap(&mut self.items, taken);
                TakeOver::Items
            }
        }
    }

    /// Drops catch-ups from the end that are done and have brought nothing: a server that comes and goes must not fill the
    /// queue of a listener that does not look.
    fn drop_spent_catch_ups(&mut self) {
        while matches!(self.items.back(), Some(Item::CatchUp)) && self.catch_ups.back().is_some_and(CatchUp::is_spent) {
            self.items.pop_back();
            self.catch_ups.pop_back();
        }
    }

    /// The catch-up of the connection of this number, unless it is done.
    fn catch_up(&mut self, connection: u64) -> Option<&mut CatchUp> {
        self.catch_ups.iter_mut().find(|catch_up| catch_up.connection == connection && catch_up.rooms_left > 0)
    }
}

impl CatchUp {
    fn push_gap(&mut self, error: Option<Error>) {
        let repeats = matches!(self.items.back(), Some(Item::Gap(GapReason::Reconnected, _)));
        if !repeats {
            self.items.push_back(Item::Gap(GapReason::Reconnected, error.map(Box::new)));
        }
    }

    fn is_spent(&self) -> bool {
        self.rooms_left == 0 && self.items.is_empty()
    }

    /// Whether there is something to take, or nothing to wait for.
    fn is_ready(&self) -> bool {
        self.rooms_left == 0 || !self.items.is_empty()
    }
}

fn row_bytes(message: &Message) -> usize {
    message.body.as_bytes().len() + message.attrs.len() + ROW_OVERHEAD
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

#[cfg(all(loom, test))]
mod models;
