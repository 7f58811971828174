//! A room that is caught up after a reconnect: its listeners, its last known message, and its pending catch-ups.
//!
//! A catch-up begins at the last known message and ends at the first one pushed on its connection. Both are kept here
//! as long as a catch-up may need them, because [`Duplicates`] forgets.

use std::collections::VecDeque;
use std::time::Instant;

use super::catch_up::{CatchUp, Start};
use super::duplicates::Duplicates;
use super::position::{LastMessage, OVERLAP_MS, Position};
use super::retry::Losses;
use super::settled::Settlement;
use crate::engine::ListenerId;
use crate::rtm::methods::history::History;
use crate::rtm::{MessageId, MessageRef, UserId};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The listeners that catch it up, sorted by id; ids are assigned in ascending order.
    members: Vec<Member>,
    /// The number of the connection on which the server last granted the room.
    pub granted_on: u64,
    /// The query for the room's newest messages, while they are unknown.
    pub newest_query: Option<History>,
    /// The connections lost while the newest messages were requested.
    pub newest_losses: Losses,
    /// The catch-ups to do, one after the other.
    pub plans: VecDeque<CatchUp>,
    /// Whether it is queued for the catch-up threads.
    pub is_queued: bool,
    /// The number of the last connection.
    connection: u64,
    /// Whether a message has been pushed since that connection was made.
    has_pushes: bool,
    /// The first message pushed on each connection, kept as long as a catch-up may have to end there.
    first_pushes: Vec<FirstPush>,
    /// The last message, or `None` while nothing is known of the room.
    last: Option<LastMessage>,
}

/// The first message pushed on a connection.
#[derive(Debug, Clone, Copy)]
struct FirstPush {
    connection: u64,
    from: UserId,
    mid: MessageId,
}

/// A listener that catches the room up.
#[derive(Debug)]
struct Member {
    id: ListenerId,
    /// The last message that must not be delivered again: everything up to it is older than the subscription, was
    /// delivered, or was reported as a gap.
    settled_to: Option<Position>,
    /// Whether the next push becomes that message. Anything earlier on this connection was pushed, and anything before
    /// the connection belongs to the catch-up.
    awaits_first_push: bool,
}

impl Room {
    pub(super) fn add(&mut self, id: ListenerId) {
        let settled_to = self.last.as_ref().and_then(LastMessage::position);
        self.members.push(Member { id, settled_to, awaits_first_push: true });
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        if let Ok(index) = self.members.binary_search_by_key(&id, |member| member.id) {
            self.members.remove(index);
        }
    }

    /// Whether no listener catches the room up.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the listeners that catch the room up.
    pub(super) fn listeners(&self) -> impl Iterator<Item = ListenerId> {
        self.members.iter().map(|member| member.id)
    }

    /// Begins a new connection. `is_being_read` tells whether a thread is reading a page of the room.
    pub(super) fn enter_connection(&mut self, connection: u64, is_being_read: bool) {
        if !is_being_read {
            let oldest = self.plans.front().map_or(connection, |catch_up| catch_up.connection);
            self.first_pushes.retain(|first| first.connection >= oldest);
        }
        self.connection = connection;
        self.has_pushes = false;
        self.newest_query = None;
        self.members.iter_mut().for_each(|member| member.awaits_first_push = true);
    }

    /// Whether this connection is the last and no message has been pushed on it.
    pub(super) fn is_quiet_since(&self, connection: u64) -> bool {
        self.connection == connection && !self.has_pushes
    }

    /// Schedules the query for the newest messages, if nothing is known of the room.
    pub(super) fn request_newest(&mut self) {
        if self.last.is_none() && !self.newest_losses.are_too_many() {
            self.newest_query.get_or_insert_with(History::latest);
        }
    }

    /// Records a pushed message. A message without a time gets the time of the one before it.
    pub(super) fn record_push(&mut self, message: &MessageRef<'_>, now: Instant) {
        let MessageRef { from, mid, .. } = *message;
        if !std::mem::replace(&mut self.has_pushes, true) {
            self.first_pushes.push(FirstPush { connection: self.connection, from, mid });
        }
        let Some(mtime) = message.mtime.or(self.last.as_ref().map(|last| last.mtime)) else { return };
        let position = Position { mtime, from, mid };
        for member in self.members.iter_mut().filter(|member| member.awaits_first_push) {
            member.awaits_first_push = false;
            member.settled_to = Some(position);
        }
        // In a room that was empty, a message without a time cannot be the starting point of a catch-up.
        if message.mtime.is_some() || self.last.as_ref().is_some_and(|last| !last.was_room_empty()) {
            self.record_row(position, now);
        }
    }

    /// Whether this message was the first push on this connection or on a later one. Everything after it was pushed.
    /// [`Duplicates`] does not remember that forever.
    pub(super) fn was_pushed_first(&self, position: Position, connection: u64) -> bool {
        let is_it = |first: &FirstPush| {
            first.connection >= connection && (first.from, first.mid) == (position.from, position.mid)
        };
        self.first_pushes.iter().any(is_it)
    }

    /// The number of first pushes that are kept.
    #[cfg(test)]
    pub(super) fn first_pushes(&self) -> usize {
        self.first_pushes.len()
    }

    /// Records a message of the history.
    pub(super) fn record_row(&mut self, position: Position, now: Instant) {
        match &mut self.last {
            Some(last) => last.record(position, now),
            None => self.last = Some(LastMessage::of(position, now)),
        }
    }

    /// Records the newest messages of the history when the subscription began, oldest first. An empty room has none.
    pub(super) fn record_newest(&mut self, newest: &[Position], now: Instant) {
        if self.last.is_some() {
            return;
        }
        let mtime = newest.iter().map(|position| position.mtime).max().unwrap_or(0);
        if mtime == 0 && !newest.is_empty() {
            // None of them has a time, so there is no starting point.
            return;
        }
        let keys = newest
            .iter()
            .filter(|position| position.mtime == mtime)
            .map(|position| (position.from, position.mid))
            .collect();
        self.last = Some(LastMessage::of_keys(mtime, keys, now));
        let newest = newest.last().copied();
        self.members.iter_mut().for_each(|member| member.settled_to = member.settled_to.or(newest));
    }

    /// Returns where a catch-up begins, or `None` while nothing is known of the room.
    pub(super) fn catch_up_start(&self, duplicates: &Duplicates) -> Option<Start> {
        let last = self.last.clone()?;
        let remembers_overlap = duplicates.reaches_back_to(last.overlap_came_at());
        // A message before the boundary may have a time that is later by up to the overlap.
        let near_from = last.mtime.saturating_sub(2 * OVERLAP_MS);
        let near =
            |member: &Member| Some((member.id, member.settled_to.filter(|position| position.mtime >= near_from)?));
        let settlement = Settlement::new(self.members.iter().filter_map(near));
        Some(Start { last, remembers_overlap, settlement })
    }
}
