//! Catching rooms up from their history: what is to be read, and who gets it.
//!
//! The threads that read are the client's (`client/catch_up.rs`). Each row is entered into the memory of messages once, and
//! given to every listener that catches the room up.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::duplicates::{MessageKey, RowVerdict};
use super::rooms::{Base, OVERLAP_MS, RoomTrack};
use super::{Listeners, Tables};
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::Message;

/// A slow room must not hold up the others, nor must many rooms flood the server.
const MOST_THREADS: usize = 4;

/// Something to be read from a history.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Find out what the newest messages of a room are, so that a later catch-up knows where to begin.
    FindNewest { rid: i64, connection: u64 },
    /// Catch a room up.
    CatchUp(CatchUp),
}

/// What a room missed before a connection was made.
#[derive(Debug, Clone)]
pub(crate) struct CatchUp {
    pub rid: i64,
    /// The number of that connection.
    pub connection: u64,
    /// Where to begin; `None` if nothing is known of the room.
    pub base: Option<Base>,
    /// The time of the last row that was handed over. A row without a time stands where the one before it does.
    at: i64,
    /// The latest time that a row had, or the message before the first row.
    reached: Option<i64>,
}

impl Work {
    fn rid(&self) -> i64 {
        match self {
            Work::FindNewest { rid, .. } => *rid,
            Work::CatchUp(catch_up) => catch_up.rid,
        }
    }
}

impl CatchUp {
    fn new(rid: i64, connection: u64, base: Option<Base>) -> CatchUp {
        let reached = base.as_ref().filter(|base| !base.is_beginning()).map(|base| base.last.mtime);
        let mut catch_up = CatchUp { rid, connection, base, at: 0, reached };
        catch_up.at = catch_up.begin();
        catch_up
    }

    /// The time from which on the history is to be read.
    pub(crate) fn begin(&self) -> i64 {
        self.base.as_ref().map_or(0, |base| base.last.mtime.saturating_sub(OVERLAP_MS).max(0))
    }
}

/// How far a catch-up has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The history may have more.
    GoesOn,
    /// From here on everything was pushed.
    UpToDate,
}

/// What the catch-up threads ask and tell.
impl Listeners {
    /// Whether another thread must be started that does the work. The caller starts it.
    pub(crate) fn must_start_thread(&self) -> bool {
        let mut tables = self.tables.lock();
        let must_start = !tables.is_closed && tables.threads < MOST_THREADS.min(tables.rooms.len());
        tables.threads += usize::from(must_start);
        must_start
    }

    /// The thread could not be started.
    pub(crate) fn forget_thread(&self) {
        self.tables.lock().threads -= 1;
    }

    /// Waits for work; `None` once there can be none: the thread is to end. The histories of several rooms are read at once,
    /// that of one room by one thread after the other.
    pub(crate) fn next_work(&self) -> Option<Work> {
        let mut tables = self.tables.lock();
        loop {
            if tables.is_closed || tables.rooms.is_empty() {
                tables.threads -= 1;
                tables.work.clear();
                return None;
            }
            let Tables { work, busy_rooms, .. } = &mut *tables;
            match work.iter().position(|work| !busy_rooms.contains(&work.rid())).and_then(|at| work.remove(at)) {
                Some(work) => {
                    busy_rooms.push(work.rid());
                    return Some(work);
                }
                None => self.changed.wait(&mut tables),
            }
        }
    }

    /// The work that [`next_work`](Listeners::next_work) gave is done.
    pub(crate) fn end_work(&self, work: &Work) {
        self.tables.lock().busy_rooms.retain(|rid| *rid != work.rid());
        self.changed.notify_all();
    }

    /// Waits until the server listens to the room, on a connection with a number above `after`. `None` if it never will for
    /// this catch-up: the room was refused, or nobody wants it any more.
    ///
    /// # Errors
    ///
    /// The client was closed.
    pub(crate) fn wait_granted(&self, rid: i64, after: u64) -> Result<Option<u64>, Error> {
        let mut tables = self.tables.lock();
        loop {
            if tables.is_closed {
                return Err(Error::closed(false));
            }
            let connection = tables.connection;
            let Some(track) = tables.rooms.get(&rid) else { return Ok(None) };
            if track.granted == connection && connection > after {
                return Ok(Some(connection));
            }
            if connection > after && tables.is_refused(track) {
                return Ok(None);
            }
            self.changed.wait(&mut tables);
        }
    }

    /// Gives a page of the history to everybody who catches the room up.
    pub(crate) fn take_rows(&self, catch_up: &mut CatchUp, rows: Vec<Message>, now: Instant) -> Progress {
        let mut tables = self.tables.lock();
        let mut progress = Progress::GoesOn;
        for row in rows {
            catch_up.at = row.mtime.unwrap_or(catch_up.at);
            catch_up.reached = catch_up.reached.max(Some(catch_up.at));
            if tables.take_row(catch_up, row, now) == Progress::UpToDate {
                progress = Progress::UpToDate;
                break;
            }
        }
        let touched = tables.take_touched();
        drop(tables);
        touched.iter().for_each(super::Sink::wake);
        progress
    }

    /// Tells everybody who catches the room up that something may be missing in this place.
    pub(crate) fn tell_gap(&self, catch_up: &CatchUp, error: Option<&Error>) {
        let mut tables = self.tables.lock();
        if let Some(track) = tables.rooms.get_mut(&catch_up.rid) {
            track.settle();
        }
        for id in tables.participants(catch_up) {
            tables.give(id, |sink| sink.queue.push_catch_up_gap(catch_up.connection, catch_up.reached, error.cloned()));
        }
    }

    /// The catch-up is over.
    pub(crate) fn finish(&self, catch_up: &CatchUp) {
        let mut tables = self.tables.lock();
        for id in tables.participants(catch_up) {
            tables.give(id, |sink| sink.queue.finish_room(catch_up.connection));
        }
        // A room of which nothing is known yet must not begin its next catch-up like this one.
        if tables.rooms.get(&catch_up.rid).is_some_and(RoomTrack::is_unknown) {
            let connection = tables.connection;
            tables.work.push_back(Work::FindNewest { rid: catch_up.rid, connection });
        }
        let touched = tables.take_touched();
        drop(tables);
        touched.iter().for_each(super::Sink::wake);
    }

    /// The newest messages of the room were read, or could not be. They count only if the connection is still the same.
    pub(crate) fn handle_newest(&self, rid: i64, connection: u64, newest: Option<&[Message]>, now: Instant) {
        let mut tables = self.tables.lock();
        let is_same = tables.connection == connection;
        if let Some(track) = tables.rooms.get_mut(&rid) {
            track.awaits_newest = false;
            if let Some(newest) = newest.filter(|_| is_same) {
                track.record_newest(&in_time(newest), now);
            }
        }
        drop(tables);
        self.changed.notify_all();
    }

    /// Waits until it is known where the catch-ups of the listener's rooms will begin, or until `deadline`.
    pub(crate) fn wait_newest(&self, id: ListenerId, deadline: Instant) {
        let mut tables = self.tables.lock();
        while tables.awaits_newest(id) && !tables.is_closed {
            if self.changed.wait_until(&mut tables, deadline).timed_out() {
                return;
            }
        }
    }
}

impl Tables {
    /// Plans the catch-ups of all rooms that somebody misses messages of.
    pub(super) fn plan_catch_ups(&mut self, connection: u64) {
        let mut bases = self.take_overtaken(connection);
        for (&rid, track) in &mut self.rooms {
            track.enter_connection(connection);
            track.awaits_newest = false;
            let is_missed = |id| self.listeners.get(id).is_some_and(|entry| entry.was_there_before(connection));
            if track.listeners.iter().any(is_missed) {
                let base = bases.remove(&rid).unwrap_or_else(|| track.base(&self.duplicates));
                self.work.push_back(Work::CatchUp(CatchUp::new(rid, connection, base)));
            }
        }
    }

    /// Takes back the catch-ups that nobody has begun, and that the ones after the connection of this number can do as well:
    /// nothing has come since from their rooms, and nobody has joined. Gives where each was to begin. So a server that comes
    /// and goes does not pile them up.
    fn take_overtaken(&mut self, connection: u64) -> FxHashMap<i64, Option<Base>> {
        let Tables { work, rooms, listeners, .. } = self;
        let is_overtaken = |catch_up: &CatchUp| {
            let Some(track) = rooms.get(&catch_up.rid) else { return false };
            let mut missing = track.listeners.iter().filter_map(|id| listeners.get(id));
            track.is_quiet_since(catch_up.connection)
                && missing
                    .all(|entry| entry.was_there_before(catch_up.connection) || !entry.was_there_before(connection))
        };
        let mut overtaken = Vec::new();
        work.retain(|work| match work {
            Work::FindNewest { .. } => false,
            Work::CatchUp(catch_up) if is_overtaken(catch_up) => {
                overtaken.push(catch_up.clone());
                false
            }
            Work::CatchUp(_) => true,
        });
        for catch_up in &overtaken {
            for id in self.participants(catch_up) {
                self.give(id, |sink| sink.queue.finish_room(catch_up.connection));
            }
        }
        overtaken.into_iter().map(|catch_up| (catch_up.rid, catch_up.base)).collect()
    }

    pub(super) fn note_granted(&mut self, connection: u64, id: ListenerId) {
        let Some(entry) = self.listeners.get_mut(&id) else { return };
        entry.first_granted.get_or_insert(connection);
        if !entry.fills_gaps {
            return;
        }
        for &rid in &entry.listen.rooms.named {
            let Some(track) = self.rooms.get_mut(&rid) else { continue };
            track.granted = connection;
            // Only a room that nobody misses anything of begins at its newest message.
            if track.is_unknown() && entry.first_granted == Some(connection) && !track.awaits_newest {
                track.awaits_newest = true;
                self.work.push_front(Work::FindNewest { rid, connection });
            }
        }
    }

    pub(super) fn note_refused(&mut self, connection: u64, id: ListenerId) {
        let Some(entry) = self.listeners.get_mut(&id).filter(|entry| entry.fills_gaps) else { return };
        entry.refused = connection;
        for rid in &entry.listen.rooms.named {
            if let Some(track) = self.rooms.get_mut(rid).filter(|track| track.granted < connection) {
                // The refusal tells of what is missing until the room is granted again.
                track.settle();
            }
        }
    }

    fn take_row(&mut self, catch_up: &CatchUp, row: Message, now: Instant) -> Progress {
        let CatchUp { rid, connection, base, at, .. } = catch_up;
        let at = *at;
        if base.as_ref().is_some_and(|base| base.covers(at, row.from, row.mid)) {
            return Progress::GoesOn;
        }
        let key = MessageKey { target: row.target, from: row.from, mid: row.mid };
        let mut participants = self.participants(catch_up);
        match self.duplicates.check_row(key, *connection, now) {
            RowVerdict::Pushed => return Progress::UpToDate,
            RowVerdict::Seen => return Progress::GoesOn,
            RowVerdict::New => {}
            RowVerdict::CaughtUp(earlier) => {
                // What is older than the last message before the connection is older than the listening of those who joined.
                if base.as_ref().is_none_or(|base| base.is_reached_by(at)) {
                    return Progress::GoesOn;
                }
                let has_it =
                    |id: &ListenerId| self.listeners.get(id).is_none_or(|entry| entry.was_there_before(earlier));
                participants.retain(|id| !has_it(id));
                self.duplicates.note_caught_up(key, *connection);
            }
        }
        let misses_it = |id: &ListenerId| self.listeners.get(id).is_some_and(|entry| entry.joined_since(*connection));
        if let Some(track) = self.rooms.get_mut(rid) {
            // Those who joined since are not given it: if it is not pushed to them, the next catch-up has to begin before it.
            if !track.listeners.iter().any(misses_it) {
                track.record(at, row.from, row.mid, now);
            }
        }
        let row = Arc::new(row);
        for id in participants {
            self.give(id, |sink| sink.queue.push_row(*connection, &row));
        }
        Progress::GoesOn
    }

    /// Whether everybody was refused who misses messages of the room on this connection. While a wish is undecided, the
    /// room may still be granted.
    pub(super) fn is_refused(&self, track: &RoomTrack) -> bool {
        let mut missing = track.listeners.iter().filter_map(|id| self.listeners.get(id));
        missing.all(|entry| !entry.was_there_before(self.connection) || entry.refused == self.connection)
    }

    /// Everybody who misses what the catch-up brings.
    fn participants(&self, catch_up: &CatchUp) -> Vec<ListenerId> {
        let Some(track) = self.rooms.get(&catch_up.rid) else { return Vec::new() };
        let takes_part =
            |id: &&ListenerId| self.listeners.get(*id).is_some_and(|entry| entry.was_there_before(catch_up.connection));
        track.listeners.iter().filter(takes_part).copied().collect()
    }

    fn awaits_newest(&self, id: ListenerId) -> bool {
        let Some(entry) = self.listeners.get(&id) else { return false };
        let is_awaited = |rid: &i64| self.rooms.get(rid).is_some_and(|track| track.awaits_newest);
        entry.listen.rooms.named.iter().any(is_awaited)
    }
}

/// The time, sender and id of the newest messages of a room, which come newest first. One without a time stands where the one
/// before it does.
fn in_time(newest: &[Message]) -> Vec<(i64, i64, i64)> {
    let mut at = 0;
    let timed = newest.iter().rev().map(|row| {
        at = row.mtime.unwrap_or(at);
        (at, row.from, row.mid)
    });
    timed.collect()
}
