//! Delivers the rows of a history, and gaps for what cannot be read.
//!
//! Each row is entered into [`Duplicates`](super::duplicates::Duplicates) once, and delivered to every listener that
//! catches the room up and missed it. A catch-up ends at the first row that was pushed on its connection or a later
//! one, because everything after it was pushed.

use std::sync::Arc;
use std::time::Instant;

use super::catch_up::{CatchUp, Deliverable};
use super::duplicates::{MessageKey, RowVerdict};
use super::position::{Position, Row};
use super::tables::Tables;
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::methods::history::HistoryPage;
use crate::rtm::{Message, RoomId};

/// The answer to a query for a history page.
pub(crate) type PageOutcome = Result<HistoryPage, Error>;

/// What follows a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    /// The history may contain more missed messages.
    MayHaveMore,
    /// Everything from here on was pushed.
    UpToDate,
}

/// The listeners of a room whose history is being read.
struct Readers {
    /// The listeners that missed what the catch-up delivers.
    participants: Vec<ListenerId>,
    /// Whether other listeners have joined since its connection was made.
    others_joined: bool,
}

impl Tables {
    /// Accepts the newest messages of a room, or the failure to read them. They count only if the connection still
    /// exists. If it was lost before the call was sent, the call was answered on the next connection, possibly before
    /// the first push there.
    pub(super) fn accept_newest(&mut self, rid: RoomId, connection: u64, page: Option<PageOutcome>, now: Instant) {
        let is_same = self.connection == connection && !self.is_lost;
        let Some(room) = self.rooms.get_mut(&rid) else { return };
        if let Some(Err(error)) = &page {
            room.newest_losses.record(error);
        }
        if !is_same {
            return;
        }
        let Some(Ok(page)) = page else { return room.newest_query = None };
        // A full page without messages means that they were deleted. The room is not empty, so look for older ones.
        room.newest_query = page.next.filter(|_| page.messages.is_empty());
        if room.newest_query.is_none() {
            room.record_newest(&oldest_first(&page.messages), now);
        }
    }

    /// Continues a catch-up with its next page, or finishes it.
    ///
    /// # Errors
    ///
    /// The room could not be caught up. A gap was reported to every listener that missed messages.
    pub(super) fn accept_page(
        &mut self,
        mut catch_up: CatchUp,
        page: Option<PageOutcome>,
        now: Instant,
    ) -> Result<(), Error> {
        let deliverable = match page {
            Some(Ok(page)) => catch_up.accept_page(page),
            Some(Err(error)) => {
                if !catch_up.record_failure(&error) {
                    self.tell_gap(&catch_up, Some(error.clone()));
                    self.finish_catch_up(&catch_up);
                    return Err(error);
                }
                Deliverable::Nothing
            }
            // There was no page to read, because nothing is known of the room.
            None => Deliverable::RowsAfterGap,
        };
        if deliverable == Deliverable::RowsAfterGap {
            self.tell_gap(&catch_up, None);
        }
        let is_up_to_date =
            deliverable != Deliverable::Nothing && self.accept_rows(&mut catch_up, now) == Continuation::UpToDate;
        if is_up_to_date || catch_up.is_at_end() || self.participants(&catch_up).is_empty() {
            self.finish_catch_up(&catch_up);
        } else if let Some(room) = self.rooms.get_mut(&catch_up.rid) {
            room.plans.push_front(catch_up);
        }
        Ok(())
    }

    /// Hands over the rows that were read.
    fn accept_rows(&mut self, catch_up: &mut CatchUp, now: Instant) -> Continuation {
        let connection = catch_up.connection;
        let participants = self.participants(catch_up);
        let others_joined = self.listeners_of_room(catch_up.rid).any(|(_, entry)| entry.joined_since(connection));
        let readers = Readers { participants, others_joined };
        while let Some(row) = catch_up.next_row() {
            if self.accept_row(catch_up, &readers, row, now) == Continuation::UpToDate {
                return Continuation::UpToDate;
            }
        }
        Continuation::MayHaveMore
    }

    /// Determines which listeners want a row, and delivers it to them.
    fn accept_row(&mut self, catch_up: &mut CatchUp, readers: &Readers, row: Row, now: Instant) -> Continuation {
        let Row { position, message } = row;
        let CatchUp { rid, connection, .. } = *catch_up;
        if self.rooms.get(&rid).is_some_and(|room| room.was_pushed_first(position, connection)) {
            return Continuation::UpToDate;
        }
        let mut concerned = readers.participants.clone();
        catch_up.retain_concerned(position, &mut concerned);
        if concerned.is_empty() || catch_up.was_seen(position) {
            return Continuation::MayHaveMore;
        }
        let key = MessageKey { target: message.target, from: message.from, mid: message.mid };
        match self.duplicates.check_row(key, connection, now) {
            RowVerdict::Pushed => return Continuation::UpToDate,
            RowVerdict::Seen => return Continuation::MayHaveMore,
            RowVerdict::New => {}
            RowVerdict::CaughtUp(earlier) => {
                // A row older than the last message before the connection is older than the subscriptions that began
                // later.
                if catch_up.is_before_last(position) {
                    return Continuation::MayHaveMore;
                }
                concerned.retain(|id| self.listeners.get(id).is_some_and(|entry| !entry.was_there_before(earlier)));
                self.duplicates.record_caught_up(key, connection);
            }
        }
        // Listeners that joined since then do not get the row. If it is not pushed to them, their catch-up must begin
        // before it.
        if let Some(room) = self.rooms.get_mut(&rid).filter(|_| !readers.others_joined) {
            room.record_row(position, now);
        }
        self.give_row(connection, message, &concerned);
        Continuation::MayHaveMore
    }

    /// Adds a row, shared, to the queues of these listeners.
    fn give_row(&mut self, connection: u64, message: Message, listeners: &[ListenerId]) {
        let message = Arc::new(message);
        for &id in listeners {
            self.give(id, |sink| sink.queue.push_row(connection, &message));
        }
    }

    /// Reports a gap at this point to every listener that catches the room up.
    pub(super) fn tell_gap(&mut self, catch_up: &CatchUp, error: Option<Error>) {
        for id in self.participants(catch_up) {
            self.give(id, |sink| {
                sink.queue.push_catch_up_gap(catch_up.connection, catch_up.reached_time, error.clone())
            });
        }
    }

    /// Finishes the catch-up for every participant.
    pub(super) fn finish_catch_up(&mut self, catch_up: &CatchUp) {
        for id in self.participants(catch_up) {
            self.give(id, |sink| sink.queue.finish_room(catch_up.connection));
        }
    }

    /// Returns the listeners that missed what the catch-up delivers.
    fn participants(&self, catch_up: &CatchUp) -> Vec<ListenerId> {
        let listeners = self.listeners_of_room(catch_up.rid);
        listeners.filter(|(_, entry)| entry.was_there_before(catch_up.connection)).map(|(id, _)| id).collect()
    }
}

/// Returns the positions of a room's newest messages, oldest first. A message without a time gets the time of the one
/// before it.
fn oldest_first(newest: &[Message]) -> Vec<Position> {
    let mut last_time = 0;
    let positions = newest.iter().rev().map(|row| {
        let position = Position::of_message(row, last_time);
        last_time = position.mtime;
        position
    });
    positions.collect()
}
