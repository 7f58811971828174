//! Delivers the rows of a history, and gaps for what cannot be read.
//!
//! Each row is entered into the memory of messages once, and delivered to every listener that catches the room up and has
//! missed it. A catch-up ends at the first row that was pushed on its connection or a later one: from there on the pushes
//! have everything.

use std::sync::Arc;
use std::time::Instant;

use super::catch_up::{CatchUp, Deliverable};
use super::duplicates::{MessageKey, RowVerdict};
use super::position::{Position, Row};
use super::tables::Tables;
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::Message;
use crate::rtm::methods::history::HistoryPage;

/// What a page of the history that was asked for comes to.
pub(crate) type PageOutcome = Result<HistoryPage, Error>;

/// What follows a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    /// The history may have more that was missed.
    MayHaveMore,
    /// From here on everything was pushed.
    UpToDate,
}

/// Who reads a room's history.
struct Readers {
    /// Those who miss what the catch-up brings.
    participants: Vec<ListenerId>,
    /// Whether others have joined since its connection was made.
    others_joined: bool,
}

impl Tables {
    /// The newest messages of a room were read, or could not be. They count only if the connection is still
    /// there: a call that had not left when it was lost is answered on the next, maybe before that pushes anything.
    pub(super) fn accept_newest(&mut self, rid: i64, connection: u64, page: Option<PageOutcome>, now: Instant) {
        let is_same = self.connection == connection && !self.is_lost;
        let Some(room) = self.rooms.get_mut(&rid) else { return };
        if let Some(Err(error)) = &page {
            room.newest_losses.record(error);
        }
        if !is_same {
            return;
        }
        let Some(Ok(page)) = page else { return room.newest_query = None };
        // Of deleted messages: the room is not empty, and older ones may be there.
        room.newest_query = page.next.filter(|_| page.messages.is_empty());
        if room.newest_query.is_none() {
            room.record_newest(&oldest_first(&page.messages), now);
        }
    }

    /// Goes on with a catch-up: to its next page, or to its end.
    ///
    /// # Errors
    ///
    /// The room could not be caught up. Everybody who misses messages of it was told.
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
            // There was none to read: nothing is known of the room.
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

    /// Finds out who is to have a row, and hands it over to them.
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
                // What is older than the last message before the connection is older than the listening of those who joined.
                if catch_up.is_before_last(position) {
                    return Continuation::MayHaveMore;
                }
                concerned.retain(|id| self.listeners.get(id).is_some_and(|entry| !entry.was_there_before(earlier)));
                self.duplicates.record_caught_up(key, connection);
            }
        }
        // Those who joined since are not given the row: if it is not pushed to them, their catch-up has to begin before it.
        if let Some(room) = self.rooms.get_mut(&rid).filter(|_| !readers.others_joined) {
            room.record_row(position, now);
        }
        self.give_row(connection, message, &concerned);
        Continuation::MayHaveMore
    }

    /// Adds a row to the queues of these listeners, which share it.
    fn give_row(&mut self, connection: u64, message: Message, listeners: &[ListenerId]) {
        let message = Arc::new(message);
        for &id in listeners {
            self.give(id, |sink| sink.queue.push_row(connection, &message));
        }
    }

    /// Tells everybody who catches the room up that something may be missing in this place.
    pub(super) fn tell_gap(&mut self, catch_up: &CatchUp, error: Option<Error>) {
        for id in self.participants(catch_up) {
            self.give(id, |sink| {
                sink.queue.push_catch_up_gap(catch_up.connection, catch_up.reached_time, error.clone())
            });
        }
    }

    /// The catch-up is over.
    pub(super) fn finish_catch_up(&mut self, catch_up: &CatchUp) {
        for id in self.participants(catch_up) {
            self.give(id, |sink| sink.queue.finish_room(catch_up.connection));
        }
    }

    /// Everybody who misses what the catch-up brings.
    fn participants(&self, catch_up: &CatchUp) -> Vec<ListenerId> {
        let listeners = self.listeners_of_room(catch_up.rid);
        listeners.filter(|(_, entry)| entry.was_there_before(catch_up.connection)).map(|(id, _)| id).collect()
    }
}

/// The newest messages of a room, which come newest first, oldest first. One without a time stands where the one before it does.
fn oldest_first(newest: &[Message]) -> Vec<Position> {
    let mut last_time = 0;
    let positions = newest.iter().rev().map(|row| {
        let position = Position::of_message(row, last_time);
        last_time = position.mtime;
        position
    });
    positions.collect()
}
