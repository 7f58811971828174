//! The tables of all listeners, and the routing of each push to the listeners that want it.
//!
//! One lock protects the tables (see the [parent module](super)). Routed pushes enter the queues before anything else
//! is added there, so each queue keeps the order of arrival.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::arrivals::Arrivals;
use super::duplicates::{Duplicates, MessageKey, PushVerdict};
use super::rooms::Room;
use super::routes::Routes;
use super::sink::Sink;
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::methods::listen::Listen;
use crate::rtm::{MessageRef, PushList, PushRef, RoomId, Target};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub listeners: FxHashMap<ListenerId, Entry>,
    /// Which listeners receive which push.
    pub routes: Routes,
    /// The messages seen, for all listeners.
    pub duplicates: Duplicates,
    /// The rooms that at least one listener catches up.
    pub rooms: FxHashMap<RoomId, Room>,
    /// The rooms that the catch-up threads take next, each listed once.
    pub ready_rooms: VecDeque<RoomId>,
    /// The number of the newest connection known here.
    pub connection: u64,
    /// Whether it was lost, with no sign of a new one yet.
    pub is_lost: bool,
    /// Pushes that are not in the queues yet.
    pub arrivals: Arrivals,
    /// Listeners that received something and have not been woken yet.
    pub touched: Vec<ListenerId>,
    /// The listeners of the last routed push. Kept to reuse its memory.
    pub found: Vec<ListenerId>,
    /// The rooms whose history a thread is reading.
    pub rooms_being_read: Vec<RoomId>,
    /// The number of catch-up threads, including those being started.
    pub threads: usize,
    pub is_closed: bool,
}

/// A listener.
#[derive(Debug)]
pub(super) struct Entry {
    pub sink: Arc<Sink>,
    /// What it subscribes to.
    pub listen: Arc<Listen>,
    /// Whether it catches up the rooms that it names.
    pub fills_gaps: bool,
    /// The number of the connection on which the server first granted the subscription.
    pub first_granted_on: Option<u64>,
    /// The number of the connection on which the server last refused the subscription, and the reason.
    pub last_refusal: Option<(u64, Error)>,
    /// Whether it is in [`Tables::touched`].
    pub is_touched: bool,
    /// Lists of pushes that are not in the queue yet.
    pub arrived: Vec<Arc<PushList>>,
    /// Whether it was given pushes on this connection before the server first granted its subscription.
    pub has_early_pushes: bool,
}

impl Entry {
    /// Whether the subscription began before this connection, so that the listener missed what was sent in between.
    pub(super) fn was_there_before(&self, connection: u64) -> bool {
        self.first_granted_on.is_some_and(|first| first < connection)
    }

    /// Whether the subscription began on this connection or later, so that the listener missed nothing before it.
    pub(super) fn joined_since(&self, connection: u64) -> bool {
        self.first_granted_on.is_some_and(|first| first >= connection)
    }

    /// Marks the listener as one to wake. Returns whether it was unmarked before.
    fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_touched, true)
    }

    /// Whether missing messages of this room are delivered to the listener, rather than reported as a gap.
    pub(super) fn fills(&self, rid: RoomId) -> bool {
        self.fills_gaps && self.listen.rooms.named.contains(&rid)
    }

    /// Whether histories cover everything that the listener subscribes to.
    pub(super) fn fills_everything(&self) -> bool {
        let Listen { users, groups, rooms, events } = &*self.listen;
        self.fills_gaps && !rooms.all && users.is_empty() && groups.is_empty() && events.is_empty()
    }
}

impl Tables {
    /// Routes a push that arrived in a payload of `payload_len` bytes. Returns false if it is a duplicate.
    pub(super) fn route(&mut self, connection: u64, push: &PushRef<'_>, payload_len: usize, now: Instant) -> bool {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.routes.find(push, &mut found);
        let is_new = match push {
            PushRef::Message(message) if !found.is_empty() => self.admit(message, connection, &mut found, now),
            _ => true,
        };
        if !found.is_empty() {
            self.add_arrival(&found, push, payload_len);
        }
        self.found = found;
        is_new
    }

    /// Stores a push for these listeners. It arrived in a payload of `payload_len` bytes.
    fn add_arrival(&mut self, listeners: &[ListenerId], push: &PushRef<'_>, payload_len: usize) {
        if !self.arrivals.takes(listeners) {
            self.end_list();
        }
        self.arrivals.add(listeners, push, payload_len);
    }

    /// Returns the listeners that catch the room up.
    pub(super) fn listeners_of_room(&self, rid: RoomId) -> impl Iterator<Item = (ListenerId, &Entry)> {
        let ids = self.rooms.get(&rid).into_iter().flat_map(Room::listeners);
        ids.filter_map(|id| Some((id, self.listeners.get(&id)?)))
    }

    /// Adds something other than a push to a listener's queue, behind the pushes that have arrived.
    pub(super) fn give(&mut self, id: ListenerId, add: impl FnOnce(&Sink)) {
        self.deliver_arrivals();
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        add(&entry.sink);
        if entry.touch() {
            self.touched.push(id);
        }
    }

    /// Moves the pushes that have arrived to the queues.
    pub(super) fn deliver_arrivals(&mut self) {
        self.end_list();
        for id in &self.touched {
            let Some(entry) = self.listeners.get_mut(id) else { continue };
            entry.sink.queue.push_all(entry.arrived.drain(..));
        }
    }

    /// Ends the current list of pushes. It is not in the queues yet.
    pub(super) fn end_list(&mut self) {
        let Some((ids, pushes)) = self.arrivals.take_list() else { return };
        for &id in ids {
            let Some(entry) = self.listeners.get_mut(&id) else { continue };
            entry.arrived.push(Arc::clone(&pushes));
            entry.has_early_pushes |= entry.first_granted_on.is_none();
            if entry.touch() {
                self.touched.push(id);
            }
        }
    }

    /// Delivers what has arrived, and returns the listeners to wake.
    pub(super) fn take_touched(&mut self) -> Vec<Arc<Sink>> {
        self.deliver_arrivals();
        let listeners = &mut self.listeners;
        let wake = |id| {
            let entry: &mut Entry = listeners.get_mut(&id)?;
            entry.is_touched = false;
            Some(Arc::clone(&entry.sink))
        };
        self.touched.drain(..).filter_map(wake).collect()
    }

    /// Records a message, and removes the listeners from `found` that already have it. Returns whether any are left.
    fn admit(&mut self, message: &MessageRef<'_>, connection: u64, found: &mut Vec<ListenerId>, now: Instant) -> bool {
        let key = MessageKey { target: message.target, from: message.from, mid: message.mid };
        let verdict = self.duplicates.check_push(key, connection, now);
        if verdict == PushVerdict::Duplicate {
            found.clear();
            return false;
        }
        // Only rooms have a history that is caught up.
        let Target::Room(rid) = message.target else { return true };
        if let PushVerdict::CaughtUp(caught_up) = verdict {
            let has_it = |entry: &Entry| entry.fills(rid) && entry.was_there_before(caught_up);
            found.retain(|id| self.listeners.get(id).is_some_and(|entry| !has_it(entry)));
        }
        if let Some(room) = self.rooms.get_mut(&rid) {
            room.record_push(message, now);
        }
        !found.is_empty()
    }
}
