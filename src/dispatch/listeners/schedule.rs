//! Schedules catch-ups: which rooms need one, and which of them can be read now.
//!
//! Each new connection plans a catch-up for every room of which some listener missed messages. The pages of a room are
//! read one at a time, and only after the server has granted the room on the current connection. Until then, the room
//! occupies no thread.

use std::sync::Arc;

use super::catch_up::CatchUp;
use super::push::GapReason;
use super::tables::{Entry, Tables};
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::RoomId;
use crate::rtm::methods::history::History;

/// Something to read from a history.
#[derive(Debug)]
pub(crate) enum Work {
    /// Find the newest messages of a room, where a later catch-up will begin.
    FindNewest { rid: RoomId, connection: u64, query: History },
    /// Catch a room up.
    CatchUp(Box<CatchUp>),
}

impl Work {
    pub(crate) fn rid(&self) -> RoomId {
        match self {
            Work::FindNewest { rid, .. } => *rid,
            Work::CatchUp(catch_up) => catch_up.rid,
        }
    }

    /// The query for the page to read; `None` if the work needs no page.
    pub(crate) fn query(&self) -> Option<History> {
        match self {
            Work::FindNewest { query, .. } => Some(query.clone()),
            Work::CatchUp(catch_up) => catch_up.query(),
        }
    }
}

impl Tables {
    /// Handles the first sign of a new connection. Listeners that were there before, or were given pushes, missed what was
    /// sent in between.
    pub(super) fn enter_connection(&mut self, connection: u64) {
        if connection <= self.connection {
            return;
        }
        (self.connection, self.is_lost) = (connection, false);
        self.plan_catch_ups(connection);
        self.end_list();
        let misses_some = |entry: &Entry| entry.was_there_before(connection) || entry.has_early_pushes;
        let there: Vec<ListenerId> =
            self.listeners.iter().filter(|(_, entry)| misses_some(entry)).map(|(&id, _)| id).collect();
        for id in there {
            let Some(entry) = self.listeners.get_mut(&id) else { continue };
            entry.has_early_pushes = false;
            // Before its first grant, nothing is caught up for it.
            let is_caught_up = entry.was_there_before(connection) && entry.fills_gaps;
            let has_gap = !is_caught_up || !entry.fills_everything();
            let rooms = if is_caught_up { entry.listen.rooms.named.len() } else { 0 };
            self.give(id, |sink| {
                if has_gap {
                    sink.queue.push_gap(GapReason::Reconnected, None);
                }
                sink.queue.begin_catch_up(connection, rooms);
            });
        }
    }

    /// Takes the next work that can be done now.
    pub(super) fn take_work(&mut self) -> Option<Work> {
        while let Some(rid) = self.ready_rooms.pop_front() {
            let is_ready = !self.rooms_being_read.contains(&rid) && self.is_ready(rid);
            let connection = self.connection;
            let Some(room) = self.rooms.get_mut(&rid) else { continue };
            room.is_queued = false;
            if !is_ready {
                continue;
            }
            let work = match (room.plans.pop_front(), room.newest_query.clone()) {
                (Some(catch_up), _) => Work::CatchUp(Box::new(catch_up.begin_reading_on(connection))),
                (None, Some(query)) => Work::FindNewest { rid, connection, query },
                (None, None) => continue,
            };
            self.rooms_being_read.push(rid);
            return Some(work);
        }
        None
    }

    /// Handles a change of the room: its catch-ups may have ended, or there may be work for a thread.
    pub(super) fn reschedule_room(&mut self, rid: RoomId) {
        if self.rooms_being_read.contains(&rid) {
            return;
        }
        self.end_refused(rid);
        if !self.is_ready(rid) {
            return;
        }
        let Some(room) = self.rooms.get_mut(&rid).filter(|room| !room.is_queued) else { return };
        room.is_queued = true;
        // Held rows take memory. Rooms with held rows go first, so no more rooms hold rows than there are threads.
        if room.plans.front().is_some_and(CatchUp::holds_rows) {
            self.ready_rooms.push_front(rid);
        } else {
            self.ready_rooms.push_back(rid);
        }
    }

    /// Whether there is work for the room that can be done now. A history is read only after the server has granted the
    /// subscription. Otherwise, messages behind the last page could be missed.
    fn is_ready(&self, rid: RoomId) -> bool {
        let Some(room) = self.rooms.get(&rid).filter(|room| room.granted_on == self.connection) else { return false };
        if self.is_lost {
            return false;
        }
        match room.plans.front() {
            Some(catch_up) => self.connection > catch_up.after_connection,
            None => room.newest_query.is_some(),
        }
    }

    /// Whether the starting point of a catch-up is still unknown for any of the listener's rooms.
    pub(super) fn awaits_newest(&self, id: ListenerId) -> bool {
        let Some(entry) = self.listeners.get(&id) else { return false };
        let is_awaited = |rid: &RoomId| self.rooms.get(rid).is_some_and(|room| room.newest_query.is_some());
        entry.listen.rooms.named.iter().any(is_awaited)
    }

    /// Plans the catch-ups of all rooms of which some listener missed messages.
    fn plan_catch_ups(&mut self, connection: u64) {
        let missed: Vec<RoomId> = self.rooms.keys().copied().filter(|&rid| self.is_missed(rid, connection)).collect();
        let overtaken: Vec<Option<CatchUp>> = missed.iter().map(|&rid| self.take_overtaken(rid, connection)).collect();
        let being_read = &self.rooms_being_read;
        self.rooms.iter_mut().for_each(|(rid, room)| room.enter_connection(connection, being_read.contains(rid)));
        for (rid, overtaken) in missed.into_iter().zip(overtaken) {
            let Some(room) = self.rooms.get_mut(&rid) else { continue };
            let planned = match overtaken {
                Some(catch_up) => catch_up.for_connection(connection),
                None => CatchUp::new(rid, connection, room.catch_up_start(&self.duplicates)),
            };
            room.plans.push_back(planned);
        }
    }

    /// Whether some listener missed messages of the room before this connection.
    fn is_missed(&self, rid: RoomId, connection: u64) -> bool {
        self.listeners_of_room(rid).any(|(_, entry)| entry.was_there_before(connection))
    }

    /// Takes back the last catch-up of a room if it has not begun and the one for this connection covers it: nothing
    /// was pushed and nobody has joined since. Otherwise, catch-ups would pile up when a server comes and goes.
    fn take_overtaken(&mut self, rid: RoomId, connection: u64) -> Option<CatchUp> {
        let room = self.rooms.get(&rid)?;
        let catch_up = room.plans.back()?;
        let is_same = |entry: &Entry| entry.was_there_before(catch_up.connection) == entry.was_there_before(connection);
        let is_same_for_all = self.listeners_of_room(rid).all(|(_, entry)| is_same(entry));
        if catch_up.has_begun() || !room.is_quiet_since(catch_up.connection) || !is_same_for_all {
            return None;
        }
        let overtaken = self.rooms.get_mut(&rid)?.plans.pop_back()?;
        self.finish_catch_up(&overtaken);
        Some(overtaken)
    }

    /// Records that the server granted the listener's subscription. Its rooms are pushed on this connection and can be
    /// read.
    pub(super) fn record_granted(&mut self, connection: u64, id: ListenerId) {
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        entry.first_granted_on.get_or_insert(connection);
        if !entry.fills_gaps {
            return;
        }
        let listen = Arc::clone(&entry.listen);
        for &rid in &listen.rooms.named {
            let Some(room) = self.rooms.get_mut(&rid) else { continue };
            room.granted_on = connection;
            room.request_newest();
            self.reschedule_room(rid);
        }
    }

    /// Records that the server refused the listener's subscription. The catch-ups of its rooms may end.
    pub(super) fn record_refused(&mut self, connection: u64, id: ListenerId, error: &Error) {
        let Some(entry) = self.listeners.get_mut(&id).filter(|entry| entry.fills_gaps) else { return };
        entry.last_refusal = Some((connection, error.clone()));
        let listen = Arc::clone(&entry.listen);
        listen.rooms.named.iter().for_each(|&rid| self.reschedule_room(rid));
    }

    /// Ends the catch-ups of the room if the room was refused. The refusal itself is reported as a gap. That gap comes
    /// too late for a catch-up that something was pushed behind, or that belongs to an earlier connection; such a
    /// catch-up gets its own.
    fn end_refused(&mut self, rid: RoomId) {
        if self.rooms.get(&rid).is_none_or(|room| room.plans.is_empty()) {
            return;
        }
        let Some(error) = self.refusal(rid) else { return };
        let Some(room) = self.rooms.get_mut(&rid) else { return };
        for catch_up in std::mem::take(&mut room.plans) {
            let is_told = self.rooms.get(&rid).is_some_and(|room| room.is_quiet_since(catch_up.connection));
            if !is_told {
                self.tell_gap(&catch_up, Some(error.clone()));
            }
            self.finish_catch_up(&catch_up);
        }
    }

    /// Returns why the server refused all listeners that missed messages of the room on this connection. Returns `None`
    /// while the room may still be granted for one of them.
    fn refusal(&self, rid: RoomId) -> Option<Error> {
        let mut error = None;
        for (_, entry) in self.listeners_of_room(rid).filter(|(_, entry)| entry.was_there_before(self.connection)) {
            let (connection, refusal) = entry.last_refusal.as_ref()?;
            if *connection != self.connection {
                return None;
            }
            error = Some(refusal);
        }
        error.cloned()
    }
}
