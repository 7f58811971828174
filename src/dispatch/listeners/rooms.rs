//! The rooms that are caught up after a reconnect: who catches each up, how far it was seen, and what is to be read of it.

use std::collections::VecDeque;
use std::time::Instant;

use super::catch_up::{Base, CatchUp, Losses};
use super::duplicates::Duplicates;
use super::position::{Mark, OVERLAP_MS, Position};
use super::settled::Settlement;
use crate::engine::ListenerId;
use crate::rtm::MessageRef;
use crate::rtm::methods::history::History;

/// A room that somebody catches up.
#[derive(Debug, Default)]
pub(super) struct RoomTrack {
    /// By their numbers, which count up.
    members: Vec<Member>,
    /// The number of the connection that the room was last granted on.
    pub granted: u64,
    /// Its newest messages are to be found out, by this query.
    pub newest: Option<History>,
    /// Connections that were lost meanwhile.
    pub newest_losses: Losses,
    /// The catch-ups that are to be done, one after the other.
    pub plans: VecDeque<CatchUp>,
    /// A thread will look at it.
    pub is_queued: bool,
    /// The number of the last connection.
    connection: u64,
    /// A message has come since that connection was made.
    has_news: bool,
    /// The first message that was pushed on each connection, for as long as a catch-up may have to end there.
    first_pushes: Vec<FirstPush>,
    /// The last message; `None` while nothing is known of the room.
    last: Option<Position>,
}

/// Where a connection came in.
#[derive(Debug, Clone, Copy)]
struct FirstPush {
    connection: u64,
    from: i64,
    mid: i64,
}

/// A listener that catches the room up.
#[derive(Debug)]
struct Member {
    id: ListenerId,
    /// Up to this message the history is none of its concern: it is older than the listening, or was delivered or told as
    /// a gap.
    settled_to: Option<Mark>,
    /// The next push takes that place: what came before it on this connection was pushed, and what came before the connection
    /// is what its catch-up is for.
    awaits_first: bool,
}

impl RoomTrack {
    pub(super) fn add(&mut self, id: ListenerId) {
        let settled_to = self.last.as_ref().and_then(Position::mark);
        self.members.push(Member { id, settled_to, awaits_first: true });
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        if let Ok(place) = self.members.binary_search_by_key(&id, |member| member.id) {
            self.members.remove(place);
        }
    }

    /// Whether nobody catches the room up.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Who catches the room up.
    pub(super) fn listeners(&self) -> impl Iterator<Item = ListenerId> {
        self.members.iter().map(|member| member.id)
    }

    /// A new connection begins. `is_busy` says whether a catch-up is being read.
    pub(super) fn enter_connection(&mut self, connection: u64, is_busy: bool) {
        if !is_busy {
            let oldest = self.plans.front().map_or(connection, |catch_up| catch_up.connection);
            self.first_pushes.retain(|first| first.connection >= oldest);
        }
        self.connection = connection;
        self.has_news = false;
        self.newest = None;
        self.members.iter_mut().for_each(|member| member.awaits_first = true);
    }

    /// Whether the connection of this number is the last, and no message has come since it was made.
    pub(super) fn is_quiet_since(&self, connection: u64) -> bool {
        self.connection == connection && !self.has_news
    }

    /// If nothing is known of the room, its newest messages are to be found out.
    pub(super) fn await_newest(&mut self) {
        if self.last.is_none() && !self.newest_losses.are_too_many() {
            self.newest.get_or_insert_with(History::latest);
        }
    }

    /// A message was pushed. One without a time stands where the one before it does.
    pub(super) fn record_push(&mut self, message: &MessageRef<'_>, now: Instant) {
        let MessageRef { from, mid, .. } = *message;
        if !std::mem::replace(&mut self.has_news, true) {
            self.first_pushes.push(FirstPush { connection: self.connection, from, mid });
        }
        let Some(mtime) = message.mtime.or(self.last.as_ref().map(|last| last.mtime)) else { return };
        let mark = Mark { mtime, from, mid };
        for member in self.members.iter_mut().filter(|member| member.awaits_first) {
            member.awaits_first = false;
            member.settled_to = Some(mark);
        }
        // Without a time it is no place to begin in a room that was empty.
        if message.mtime.is_some() || self.last.as_ref().is_some_and(|last| !last.is_beginning()) {
            self.record_row(mark, now);
        }
    }

    /// Whether this message was the first that was pushed on the connection of this number, or on a later one: from there on
    /// everything was pushed. The memory of messages does not tell it for ever.
    pub(super) fn was_pushed_first(&self, mark: Mark, connection: u64) -> bool {
        let is_it =
            |first: &FirstPush| first.connection >= connection && (first.from, first.mid) == (mark.from, mark.mid);
        self.first_pushes.iter().any(is_it)
    }

    /// How many of the connections' first pushes it holds.
    #[cfg(test)]
    pub(super) fn first_pushes(&self) -> usize {
        self.first_pushes.len()
    }

    /// A message came out of the history.
    pub(super) fn record_row(&mut self, mark: Mark, now: Instant) {
        match &mut self.last {
            Some(last) => last.record(mark, now),
            None => self.last = Some(Position::of(mark, now)),
        }
    }

    /// The newest messages that the history had when the listening began, oldest first; none for an empty room.
    pub(super) fn record_newest(&mut self, newest: &[Mark], now: Instant) {
        if self.last.is_some() {
            return;
        }
        let mtime = newest.iter().map(|mark| mark.mtime).max().unwrap_or(0);
        if mtime == 0 && !newest.is_empty() {
            // None of them has a time: where the room stands cannot be told.
            return;
        }
        let keys = newest.iter().filter(|mark| mark.mtime == mtime).map(|mark| (mark.from, mark.mid)).collect();
        self.last = Some(Position::of_keys(mtime, keys, now));
        let newest = newest.last().copied();
        self.members.iter_mut().for_each(|member| member.settled_to = member.settled_to.or(newest));
    }

    /// Where a catch-up begins; `None` while nothing is known of the room.
    pub(super) fn base(&self, duplicates: &Duplicates) -> Option<Base> {
        let last = self.last.clone()?;
        let remembers = duplicates.reaches_back_to(last.overlap_came_at());
        // What stands before a mark may bear a time that is later by as much as the overlap.
        let near_from = last.mtime.saturating_sub(2 * OVERLAP_MS);
        let near = |member: &Member| Some((member.id, member.settled_to.filter(|mark| mark.mtime >= near_from)?));
        let settled = Settlement::new(self.members.iter().filter_map(near));
        Some(Base { last, remembers, settled })
    }
}
