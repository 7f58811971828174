//! Catches one room up from its history: decides which page is read next, and which listeners want which of its rows. No
//! I/O.
//!
//! The history has the messages of a room in the order in which the server pushes them. It is read from a little before the
//! last message that was seen, up to the first one that was pushed on the new connection.

use std::collections::VecDeque;

use super::position::{LastMessage, OVERLAP_MS, Position, Row};
use super::retry::{Losses, Refusals, is_loss};
use super::settled::Settlement;
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::Message;
use crate::rtm::methods::history::{History, HistoryPage, MOST_PER_PAGE};

/// The server keeps so many messages of a room. In a room that was empty, this many may be the rest of more.
const KEPT_MESSAGES: usize = 500;
/// From where on a room is to be read.
#[derive(Debug)]
pub(super) struct Start {
    /// The last message that was seen.
    pub last: LastMessage,
    /// Every message from the overlap on is remembered, so that a row tells by itself whether it was delivered.
    pub remembers_overlap: bool,
    /// How far the room is settled, for those for whom that is near.
    pub settlement: Settlement,
}

/// What a room missed before a connection was made.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub rid: i64,
    /// The number of that connection.
    pub connection: u64,
    /// The connection that the next page is read on has a number above this.
    pub after_connection: u64,
    /// The number of the connection that a page is being read on.
    reading_on: u64,
    /// The latest time that a row had, or the message before the first row.
    pub reached_time: Option<i64>,
    /// Where the reading begins; `None` if nothing is known of the room.
    start: Option<Start>,
    step: Step,
    /// What went wrong with the page that is to be read.
    refusals: Refusals,
    losses: Losses,
    /// The time of the last row that was read. A row without a time stands where the one before it does.
    last_row_time: i64,
    /// How many rows were read, at least: those of deleted messages are left out of full pages.
    rows_read: usize,
    /// Rows that were read and are still to be handed over.
    rows: VecDeque<Row>,
}

/// What is read next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The first page, or one behind it without which the rows of the first cannot be judged.
    FirstPages(History),
    /// The page behind what was handed over.
    NextPage(History),
    /// Whether the history reaches back: whether it has anything as old as the message that was seen last.
    CheckReach { then: Option<History> },
    /// Nothing.
    End,
}

/// What can be handed over once a page was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deliverable {
    /// More is to be read before anything is handed over.
    Nothing,
    /// The rows can be handed over.
    Rows,
    /// The rows can be handed over, behind a gap: the history does not reach back to what was seen.
    RowsAfterGap,
}

impl CatchUp {
    pub(super) fn new(rid: i64, connection: u64, start: Option<Start>) -> CatchUp {
        let reached_time = start.as_ref().filter(|start| !start.was_room_empty()).map(|start| start.last.mtime);
        let begin = start.as_ref().map_or(0, Start::begin);
        let step = match start {
            Some(_) => Step::FirstPages(History::oldest().between(begin, 0)),
            None => Step::End,
        };
        CatchUp {
            rid,
            connection,
            after_connection: connection.saturating_sub(1),
            reading_on: 0,
            reached_time,
            start,
            step,
            refusals: Refusals::default(),
            losses: Losses::default(),
            last_row_time: begin,
            rows_read: 0,
            rows: VecDeque::new(),
        }
    }

    /// As it was planned, for a later connection.
    pub(super) fn for_connection(self, connection: u64) -> CatchUp {
        CatchUp { losses: self.losses, ..CatchUp::new(self.rid, connection, self.start) }
    }

    /// The query for the page that is read next; `None` if there is nothing to read.
    pub(crate) fn query(&self) -> Option<History> {
        match (&self.step, &self.start) {
            (Step::FirstPages(query) | Step::NextPage(query), _) => Some(query.clone()),
            (Step::CheckReach { .. }, Some(start)) => Some(History::latest().between(0, start.last.mtime).count(1)),
            _ => None,
        }
    }

    /// Whether a page was read.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.step, Step::FirstPages(_) | Step::End) || !self.rows.is_empty()
    }

    /// Whether it has rows that need what follows them.
    pub(super) fn holds_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The next page is read on the connection of this number.
    pub(super) fn begin_reading_on(mut self, connection: u64) -> CatchUp {
        self.reading_on = connection;
        self
    }

    /// Whether the history has been read to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.step == Step::End
    }

    /// A page was read.
    pub(super) fn accept_page(&mut self, page: HistoryPage) -> Deliverable {
        (self.refusals, self.losses) = Default::default();
        match std::mem::replace(&mut self.step, Step::End) {
            Step::FirstPages(_) => self.accept_first_page(page),
            Step::NextPage(_) => {
                self.hold_rows(page.messages);
                self.step = Step::next_page(page.next);
                Deliverable::Rows
            }
            Step::CheckReach { then } => {
                self.step = Step::next_page(then);
                // A full page without messages is one of a deleted message: it is as old.
                let is_nothing_older = page.messages.is_empty() && page.next.is_none();
                if is_nothing_older { Deliverable::RowsAfterGap } else { Deliverable::Rows }
            }
            Step::End => Deliverable::Rows,
        }
    }

    /// The first page, or one behind it that is needed to judge the rows of the first.
    fn accept_first_page(&mut self, page: HistoryPage) -> Deliverable {
        let is_full = page.next.is_some();
        self.rows_read += page.messages.len().max(if is_full { usize::from(MOST_PER_PAGE) } else { 0 });
        self.hold_rows(page.messages);
        let Some(start) = &mut self.start else { return Deliverable::Rows };
        start.settlement.look_ahead(&self.rows);
        if is_full && self.rows_read < KEPT_MESSAGES && start.needs_more_than(&self.rows) {
            self.step = page.next.map_or(Step::End, Step::FirstPages);
            return Deliverable::Nothing;
        }
        if start.was_room_empty() {
            let is_rest_of_more = self.rows_read >= KEPT_MESSAGES;
            self.step = Step::next_page(page.next);
            return if is_rest_of_more { Deliverable::RowsAfterGap } else { Deliverable::Rows };
        }
        if self.rows.iter().any(|row| row.position.mtime <= start.last.mtime) {
            self.step = Step::next_page(page.next);
            return Deliverable::Rows;
        }
        self.step = Step::CheckReach { then: page.next };
        Deliverable::Nothing
    }

    fn hold_rows(&mut self, messages: Vec<Message>) {
        for message in messages {
            let position = Position::of_message(&message, self.last_row_time);
            self.last_row_time = position.mtime;
            self.rows.push_back(Row { position, message });
        }
    }

    /// The next row to be handed over.
    pub(super) fn next_row(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.reached_time = self.reached_time.max(Some(row.position.mtime));
        Some(row)
    }

    /// Whether a row was delivered, by what is known of the message that was seen last.
    pub(super) fn was_seen(&self, position: Position) -> bool {
        let was_seen = |start: &Start| {
            let is_older =
                position.mtime < if start.remembers_overlap { start.overlap_begin() } else { start.last.mtime };
            is_older || start.last.includes(position)
        };
        self.start.as_ref().is_some_and(was_seen)
    }

    /// Whether a row is older than the last message that was seen.
    pub(super) fn is_before_last(&self, position: Position) -> bool {
        self.start.as_ref().is_none_or(|start| position.mtime < start.last.mtime)
    }

    /// Takes out those for whom the room is settled up to the row, which is the next.
    pub(super) fn retain_concerned(&mut self, position: Position, listeners: &mut Vec<ListenerId>) {
        if let Some(start) = &mut self.start {
            start.settlement.retain_concerned(position, listeners);
        }
    }

    /// The page could not be read. Says whether it is to be asked for again; if the connection was lost, on the next.
    pub(super) fn record_failure(&mut self, error: &Error) -> bool {
        if is_loss(error) {
            self.after_connection = self.reading_on;
            self.losses.record(error);
            return !self.losses.are_too_many();
        }
        self.refusals.record(error)
    }
}

impl Step {
    fn next_page(query: Option<History>) -> Step {
        query.map_or(Step::End, Step::NextPage)
    }
}

impl Start {
    /// The time of the first row that is read.
    fn begin(&self) -> i64 {
        self.overlap_begin().min(self.settlement.earliest_time()).max(0)
    }

    /// The time that lies the overlap before the last message: rows that are older were delivered.
    fn overlap_begin(&self) -> i64 {
        self.last.mtime.saturating_sub(OVERLAP_MS)
    }

    /// Whether the room was empty when the listening began, so that no row can show that the history reaches back.
    fn was_room_empty(&self) -> bool {
        self.last.was_room_empty()
    }

    /// Whether the rows that follow these have a say in whether the first of these are wanted.
    fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        self.was_room_empty() || self.settlement.needs_more_than(rows)
    }
}
