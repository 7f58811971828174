//! All listeners of a client: who gets which push, and what is caught up from the history after a reconnect.
//!
//! The I/O thread routes pushes and tells what the server granted; users come and go; the catch-up threads read histories.
//! One lock holds the tables together. No user code runs under it, and nothing of the user's is dropped under it.

mod arrivals;
mod catch_up;
mod duplicates;
#[cfg(feature = "unstable-internals")]
pub mod internals;
mod position;
mod push;
mod queue;
mod rooms;
mod routes;
mod rows;
mod settled;
mod sink;
mod work;

pub(crate) use catch_up::wait_after;
pub use push::{Gap, GapReason, Push};
pub(crate) use queue::{Queue, Ready, Taken};
pub(crate) use rows::Page;
pub(crate) use sink::{Handler, Sink};
pub(crate) use work::Work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use rustc_hash::FxHashMap;

use crate::engine::{Counters, ListenerId, RawPushes};
use crate::error::Error;
use crate::rtm::methods::listen::Listen;
use crate::rtm::{MessageRef, PushList, PushRef, Target};
use arrivals::Arrivals;
use duplicates::{Duplicates, MessageKey, PushVerdict};
use rooms::RoomTrack;
use routes::Routes;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Listeners {
    tables: Mutex<Tables>,
    /// Something has happened that a catch-up thread, or a listener that starts, may be waiting for.
    changed: Condvar,
    /// Held by whoever starts catch-up threads.
    starting_threads: Mutex<()>,
    counters: Arc<Counters>,
    last_id: AtomicU64,
    last_place: AtomicUsize,
}

#[derive(Debug, Default)]
struct Tables {
    listeners: FxHashMap<ListenerId, Entry>,
    routes: Routes,
    duplicates: Duplicates,
    /// The rooms that some listener catches up.
    rooms: FxHashMap<i64, RoomTrack>,
    /// The rooms that a catch-up thread will look at.
    ready: VecDeque<i64>,
    /// The number of the connection that was last heard of.
    connection: u64,
    /// It was lost, and there is no sign of the next one yet.
    is_lost: bool,
    /// Pushes that are not in the queues yet.
    arrivals: Arrivals,
    /// Those who were given something and not woken yet.
    touched: Vec<ListenerId>,
    /// Room for the listeners of one push.
    found: Vec<ListenerId>,
    /// The rooms whose history a thread is reading, and how many such threads there are.
    busy_rooms: Vec<i64>,
    threads: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    sink: Arc<Sink>,
    listen: Arc<Listen>,
    fills_gaps: bool,
    /// The number of the connection that the wish was first granted on.
    first_granted: Option<u64>,
    /// The number of the connection that the wish was last refused on, and why.
    refused: Option<(u64, Error)>,
    is_touched: bool,
    /// Lists of pushes that are not in the queue yet.
    arrived: Vec<Arc<PushList>>,
}

impl Entry {
    /// Whether the listener was there before the connection of this number, and so misses what came in between.
    fn was_there_before(&self, connection: u64) -> bool {
        self.first_granted.is_some_and(|first| first < connection)
    }

    /// Whether the listener came after the connection of this number was made, and what it missed before is none of its concern.
    fn joined_since(&self, connection: u64) -> bool {
        self.first_granted.is_some_and(|first| first >= connection)
    }

    /// Whether the listener is told of missing messages in the room by the messages themselves.
    fn fills(&self, rid: i64) -> bool {
        self.fills_gaps && self.listen.rooms.named.contains(&rid)
    }

    /// Whether everything that the listener wants has a history.
    fn fills_everything(&self) -> bool {
        let Listen { users, groups, rooms, events } = &*self.listen;
        let has_none = |all: bool, named: usize| !all && named == 0;
        self.fills_gaps
            && !rooms.all
            && has_none(users.all, users.named.len())
            && has_none(groups.all, groups.named.len())
            && has_none(events.all, events.named.len())
    }
}

impl Listeners {
    pub(crate) fn new(counters: Arc<Counters>) -> Listeners {
        Listeners {
            tables: Mutex::default(),
            changed: Condvar::new(),
            starting_threads: Mutex::default(),
            counters,
            last_id: AtomicU64::new(0),
            last_place: AtomicUsize::new(0),
        }
    }

    /// A queue for a listener, of at most `limit` pushes.
    pub(crate) fn new_queue(&self, limit: usize) -> Queue {
        Queue::new(limit, Arc::clone(&self.counters), self.last_place.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a listener in. It gets pushes from here on; the server is still to be asked for them.
    ///
    /// # Errors
    ///
    /// The client was closed.
    pub(crate) fn add(&self, listen: Arc<Listen>, fills_gaps: bool, sink: Arc<Sink>) -> Result<ListenerId, Error> {
        let mut tables = self.tables.lock();
        if tables.is_closed {
            return Err(Error::closed(false));
        }
        // Given out under the lock, so that the routes list numbers in their order.
        let id = ListenerId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        tables.routes.add(id, &listen);
        if fills_gaps {
            for &rid in &listen.rooms.named {
                tables.rooms.entry(rid).or_default().add(id);
            }
        }
        let entry = Entry {
            sink,
            listen,
            fills_gaps,
            first_granted: None,
            refused: None,
            is_touched: false,
            arrived: Vec::new(),
        };
        tables.listeners.insert(id, entry);
        Ok(id)
    }

    /// Takes a listener out.
    pub(crate) fn remove(&self, id: ListenerId) {
        let mut tables = self.tables.lock();
        let Some(entry) = tables.listeners.remove(&id) else { return };
        tables.routes.remove(id, &entry.listen);
        if entry.fills_gaps {
            for rid in &entry.listen.rooms.named {
                let Some(track) = tables.rooms.get_mut(rid) else { continue };
                track.remove(id);
                if track.is_empty() {
                    tables.rooms.remove(rid);
                }
                // Those who are left may all have been refused.
                tables.look_at_room(*rid);
            }
        }
        let touched = tables.take_touched();
        drop(tables);
        self.changed.notify_all();
        touched.iter().for_each(Sink::wake);
    }

    /// Pushes came on the connection of this number.
    pub(crate) fn route(&self, connection: u64, pushes: &RawPushes, now: Instant) {
        self.counters.pushes_received.add(pushes.count() as u64);
        let mut unreadable = Vec::new();
        let mut tables = self.tables.lock();
        for (method, payload) in pushes.iter() {
            match PushRef::read(method, payload) {
                Ok(None) => {}
                Ok(Some(push)) => {
                    tables.enter_connection(connection);
                    if !tables.route(connection, &push, payload.len(), now) {
                        self.counters.pushes_duplicate.increment();
                    }
                }
                Err(error) => unreadable.push(error),
            }
        }
        drop(tables);
        for error in unreadable {
            log::debug!("dropped a push that cannot be read: {error}");
        }
    }

    /// The server granted the listener's wish on the connection of this number.
    pub(crate) fn handle_granted(&self, connection: u64, id: ListenerId) {
        let mut tables = self.tables.lock();
        tables.enter_connection(connection);
        tables.note_granted(connection, id);
        drop(tables);
        self.changed.notify_all();
    }

    /// The server refused a wish that it had granted before.
    pub(crate) fn handle_refused(&self, connection: u64, id: ListenerId, error: &Error) {
        log::warn!("the server no longer lets a listener listen: {error}");
        let mut tables = self.tables.lock();
        tables.enter_connection(connection);
        tables.give(id, |sink| sink.queue.push_gap(GapReason::Refused, Some(error.clone())));
        tables.note_refused(connection, id, error);
        drop(tables);
        self.changed.notify_all();
    }

    /// There is no connection: what is read of a history from here on may have been written while nothing was pushed.
    pub(crate) fn handle_disconnected(&self) {
        self.tables.lock().is_lost = true;
    }

    /// How many listeners there are, and how many pushes wait in all of their queues.
    #[cfg(feature = "metrics")]
    pub(crate) fn queue_lengths(&self) -> (usize, usize) {
        let tables = self.tables.lock();
        let queued = tables.listeners.values().map(|entry| entry.sink.queue.len());
        (tables.listeners.len(), queued.sum())
    }

    /// Wakes everybody who was given something.
    pub(crate) fn wake_touched(&self) {
        let mut tables = self.tables.lock();
        tables.deliver_arrivals();
        if tables.touched.is_empty() {
            return;
        }
        let touched = tables.take_touched();
        drop(tables);
        touched.iter().for_each(Sink::wake);
    }

    /// The client is closed: nothing more comes.
    pub(crate) fn close(&self) {
        let mut tables = self.tables.lock();
        tables.is_closed = true;
        tables.deliver_arrivals();
        let sinks: Vec<Arc<Sink>> = tables.listeners.values().map(|entry| Arc::clone(&entry.sink)).collect();
        drop(tables);
        self.changed.notify_all();
        let error = Error::closed(false);
        sinks.iter().for_each(|sink| sink.close(&error));
    }
}

impl Tables {
    /// A push came, in a payload of so many bytes. Says whether it is more than the repetition of a message.
    fn route(&mut self, connection: u64, push: &PushRef<'_>, payload_len: usize, now: Instant) -> bool {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.routes.find(push, &mut found);
        let is_new = match push {
            PushRef::Message(message) if !found.is_empty() => self.admit(message, connection, &mut found, now),
            _ => true,
        };
        if !found.is_empty() {
            self.take_push(&found, push, payload_len);
        }
        self.found = found;
        is_new
    }

    /// Adds to a listener's queue something else than a push, behind the pushes that have arrived.
    fn give(&mut self, id: ListenerId, add: impl FnOnce(&Sink)) {
        self.deliver_arrivals();
        let Some(entry) = self.listeners.get(&id) else { return };
        add(&entry.sink);
        self.touch(id);
    }

    /// The listener is to be woken.
    fn touch(&mut self, id: ListenerId) {
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        if !std::mem::replace(&mut entry.is_touched, true) {
            self.touched.push(id);
        }
    }

    /// Those who are to be woken.
    fn take_touched(&mut self) -> Vec<Arc<Sink>> {
        self.deliver_arrivals();
        let listeners = &mut self.listeners;
        let wake = |id| {
            let entry: &mut Entry = listeners.get_mut(&id)?;
            entry.is_touched = false;
            Some(Arc::clone(&entry.sink))
        };
        self.touched.drain(..).filter_map(wake).collect()
    }

    /// Takes note of a message, and takes those out of `found` who have it. Says whether anybody is left.
    fn admit(&mut self, message: &MessageRef<'_>, connection: u64, found: &mut Vec<ListenerId>, now: Instant) -> bool {
        let key = MessageKey { target: message.target, from: message.from, mid: message.mid };
        match self.duplicates.check_push(key, connection, now) {
            PushVerdict::New => {}
            PushVerdict::Duplicate => {
                found.clear();
                return false;
            }
            PushVerdict::CaughtUp(caught_up) => {
                let Target::Room(rid) = message.target else { return false };
                found.retain(|id| {
                    let has_it = |entry: &Entry| entry.fills(rid) && entry.was_there_before(caught_up);
                    self.listeners.get(id).is_some_and(|entry| !has_it(entry))
                });
            }
        }
        if let Target::Room(rid) = message.target {
            self.rooms.get_mut(&rid).into_iter().for_each(|track| track.record_push(message, now));
        }
        !found.is_empty()
    }

    /// The first sign of a connection: whoever was there before misses what came in between.
    fn enter_connection(&mut self, connection: u64) {
        if connection <= self.connection {
            return;
        }
        (self.connection, self.is_lost) = (connection, false);
        self.plan_catch_ups(connection);
        let there: Vec<ListenerId> =
            self.listeners.iter().filter(|(_, entry)| entry.was_there_before(connection)).map(|(&id, _)| id).collect();
        for id in there {
            let Some(entry) = self.listeners.get(&id) else { continue };
            let (has_gap, rooms) = (!entry.fills_everything(), entry.listen.rooms.named.len());
            let rooms = if entry.fills_gaps { rooms } else { 0 };
            self.give(id, |sink| {
                if has_gap {
                    sink.queue.push_gap(GapReason::Reconnected, None);
                }
                sink.queue.begin_catch_up(connection, rooms);
            });
        }
    }
}

#[cfg(test)]
mod tests;
