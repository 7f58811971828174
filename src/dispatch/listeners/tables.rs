//! The tables of all listeners, and the routing of a push to those that want it.
//!
//! One lock protects the tables (see the [module above](super)). A routed push is in the queues before anything else is added
//! to them, so each queue is in the order of arrival.

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
use crate::rtm::{MessageRef, PushList, PushRef, Target};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub listeners: FxHashMap<ListenerId, Entry>,
    /// Who gets which push.
    pub routes: Routes,
    /// The messages that were seen, by all of them.
    pub duplicates: Duplicates,
    /// The rooms that some listener catches up.
    pub rooms: FxHashMap<i64, Room>,
    /// The rooms that the catch-up threads look at next, each once.
    pub ready_rooms: VecDeque<i64>,
    /// The number of the connection that was last heard of.
    pub connection: u64,
    /// It was lost, and there is no sign of the next one yet.
    pub is_lost: bool,
    /// Pushes that are not in the queues yet.
    pub arrivals: Arrivals,
    /// Those who were given something and not woken yet.
    pub touched: Vec<ListenerId>,
    /// The listeners of the push that was routed last. Kept for its memory.
    pub found: Vec<ListenerId>,
    /// The rooms whose history a thread is reading.
    pub rooms_being_read: Vec<i64>,
    /// How many catch-up threads run, those that are being started included.
    pub threads: usize,
    pub is_closed: bool,
}

/// A listener.
#[derive(Debug)]
pub(super) struct Entry {
    pub sink: Arc<Sink>,
    /// What it wants.
    pub listen: Arc<Listen>,
    /// Whether it catches up the rooms that it names.
    pub fills_gaps: bool,
    /// The number of the connection that the wish was first granted on.
    pub first_granted_on: Option<u64>,
    /// The number of the connection that the wish was last refused on, and why.
    pub last_refusal: Option<(u64, Error)>,
    /// Whether it is among those who are [to be woken](Tables::touched).
    pub is_touched: bool,
    /// Lists of pushes that are not in the queue yet.
    pub arrived: Vec<Arc<PushList>>,
}

impl Entry {
    /// Whether the listener was there before the connection of this number, and so misses what came in between.
    pub(super) fn was_there_before(&self, connection: u64) -> bool {
        self.first_granted_on.is_some_and(|first| first < connection)
    }

    /// Whether the listener came after the connection of this number was made, and what it missed before is none of its concern.
    pub(super) fn joined_since(&self, connection: u64) -> bool {
        self.first_granted_on.is_some_and(|first| first >= connection)
    }

    /// The listener is to be woken. Says whether that is news.
    fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_touched, true)
    }

    /// Whether the listener is told of missing messages in the room by the messages themselves.
    pub(super) fn fills(&self, rid: i64) -> bool {
        self.fills_gaps && self.listen.rooms.named.contains(&rid)
    }

    /// Whether everything that the listener wants is caught up from a history.
    pub(super) fn fills_everything(&self) -> bool {
        let Listen { users, groups, rooms, events } = &*self.listen;
        self.fills_gaps && !rooms.all && users.is_empty() && groups.is_empty() && events.is_empty()
    }
}

impl Tables {
    /// A push came, in a payload of so many bytes. Says whether it is more than the repetition of a message.
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

    /// A push has arrived for these listeners, in a payload of so many bytes.
    fn add_arrival(&mut self, listeners: &[ListenerId], push: &PushRef<'_>, payload_len: usize) {
        if !self.arrivals.takes(listeners) {
            self.end_list();
        }
        self.arrivals.add(listeners, push, payload_len);
    }

    /// The listeners that catch the room up.
    pub(super) fn listeners_of_room(&self, rid: i64) -> impl Iterator<Item = (ListenerId, &Entry)> {
        let ids = self.rooms.get(&rid).into_iter().flat_map(Room::listeners);
        ids.filter_map(|id| Some((id, self.listeners.get(&id)?)))
    }

    /// Adds to a listener's queue something else than a push, behind the pushes that have arrived.
    pub(super) fn give(&mut self, id: ListenerId, add: impl FnOnce(&Sink)) {
        self.deliver_arrivals();
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        add(&entry.sink);
        if entry.touch() {
            self.touched.push(id);
        }
    }

    /// Adds to the queues what has arrived.
    pub(super) fn deliver_arrivals(&mut self) {
        self.end_list();
        for id in &self.touched {
            let Some(entry) = self.listeners.get_mut(id) else { continue };
            entry.sink.queue.push_all(entry.arrived.drain(..));
        }
    }

    /// The pushes that came last are a list. It is in no queue yet.
    fn end_list(&mut self) {
        let Some((ids, pushes)) = self.arrivals.take_list() else { return };
        for &id in ids {
            let Some(entry) = self.listeners.get_mut(&id) else { continue };
            entry.arrived.push(Arc::clone(&pushes));
            if entry.touch() {
                self.touched.push(id);
            }
        }
    }

    /// Those who are to be woken.
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

    /// Takes note of a message, and takes those out of `found` who have it. Says whether anybody is left.
    fn admit(&mut self, message: &MessageRef<'_>, connection: u64, found: &mut Vec<ListenerId>, now: Instant) -> bool {
        let key = MessageKey { target: message.target, from: message.from, mid: message.mid };
        let verdict = self.duplicates.check_push(key, connection, now);
        if verdict == PushVerdict::Duplicate {
            found.clear();
            return false;
        }
        // Only rooms have a history that is read, and a place where the reading ends.
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
