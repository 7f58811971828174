//! Catches one room up from its history: decides which page is read next, and which rows which listeners want. Does no
//! I/O.
//!
//! The history lists a room's messages in the order in which the server pushes them. Reading starts a little before the
//! last message seen, and ends at the first message pushed on the new connection.

use std::collections::VecDeque;

use super::position::{LastMessage, OVERLAP_MS, Position, Row};
use super::retry::{Losses, Refusals, is_loss};
use super::settled::Settlement;
use crate::engine::ListenerId;
use crate::error::Error;
use crate::rtm::methods::history::{History, HistoryPage, MOST_PER_PAGE};
use crate::rtm::{Message, RoomId};

/// How many messages of a room the server keeps. If a room was empty and has this many now, there may have been more.
const KEPT_MESSAGES: usize = 500;
/// Where reading starts.
#[derive(Debug)]
pub(super) struct Start {
    /// The last message seen.
    pub last: LastMessage,
    /// Whether every message within the overlap is still remembered, so that each row can be recognised as delivered or
    /// new.
    pub remembers_overlap: bool,
    /// The boundaries of the listeners, as far as they are close to the last message.
    pub settlement: Settlement,
}

/// The messages of a room that listeners missed before a connection was made.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub rid: RoomId,
    /// The number of that connection.
    pub connection: u64,
    /// The next page is read on a connection with a higher number than this.
    pub after_connection: u64,
    /// The number of the connection on which a page is being read.
    reading_on: u64,
    /// The latest time of a row handed over; before the first row, the time of the last message seen.
    pub reached_time: Option<i64>,
    /// Where reading starts; `None` if nothing is known of the room.
    start: Option<Start>,
    step: Step,
    /// Failures to read the current page.
    refusals: Refusals,
    losses: Losses,
    /// The time of the last row read. A row without a time gets the time of the one before it.
    last_row_time: i64,
    /// A lower bound for the number of rows read. It counts a full page as full, although deleted messages are left out
    /// of it.
    rows_read: usize,
    /// Rows that were read but not handed over yet.
    rows: VecDeque<Row>,
}

/// What to read next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The first page, or a later one that is needed to judge the rows of the first.
    FirstPages(History),
    /// The page after the one handed over.
    NextPage(History),
    /// The check that the history reaches back, that is, has a message as old as the last one seen.
    CheckReach { then: Option<History> },
    /// Nothing is left to read.
    End,
}

/// What can be handed over after a page was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deliverable {
    /// Nothing, until more is read.
    Nothing,
    /// The rows can be handed over.
    Rows,
    /// The rows, after a gap, because the history does not reach back to the last message seen.
    RowsAfterGap,
}

impl CatchUp {
    pub(super) fn new(rid: RoomId, connection: u64, start: Option<Start>) -> CatchUp {
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

    /// Plans this catch-up anew, for a later connection.
    pub(super) fn for_connection(self, connection: u64) -> CatchUp {
        CatchUp { losses: self.losses, ..CatchUp::new(self.rid, connection, self.start) }
    }

    /// Returns the query for the next page, or `None` if there is nothing to read.
    pub(crate) fn query(&self) -> Option<History> {
        match (&self.step, &self.start) {
            (Step::FirstPages(query) | Step::NextPage(query), _) => Some(query.clone()),
            (Step::CheckReach { .. }, Some(start)) => Some(History::latest().between(0, start.last.mtime).count(1)),
            _ => None,
        }
    }

    /// Whether reading has begun.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.step, Step::FirstPages(_) | Step::End) || !self.rows.is_empty()
    }

    /// Whether it holds rows that cannot be handed over before later rows are read.
    pub(super) fn holds_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Notes the connection on which the next page is read.
    pub(super) fn begin_reading_on(mut self, connection: u64) -> CatchUp {
        self.reading_on = connection;
        self
    }

    /// Whether the history has been read to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.step == Step::End
    }

    /// Accepts a page.
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
                // A full page without messages means that they were deleted; the history does reach back.
                let is_nothing_older = page.messages.is_empty() && page.next.is_none();
                if is_nothing_older { Deliverable::RowsAfterGap } else { Deliverable::Rows }
            }
            Step::End => Deliverable::Rows,
        }
    }

    /// Accepts the first page, or a later one that is needed to judge the rows of the first.
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

    /// Takes the next row to hand over.
    pub(super) fn next_row(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.reached_time = self.reached_time.max(Some(row.position.mtime));
        Some(row)
    }

    /// Whether a row was delivered, judging by the last message seen.
    pub(super) fn was_seen(&self, position: Position) -> bool {
        let was_seen = |start: &Start| {
            let is_older =
                position.mtime < if start.remembers_overlap { start.overlap_begin() } else { start.last.mtime };
            is_older || start.last.includes(position)
        };
        self.start.as_ref().is_some_and(was_seen)
    }

    /// Whether a row is older than the last message seen.
    pub(super) fn is_before_last(&self, position: Position) -> bool {
        self.start.as_ref().is_none_or(|start| position.mtime < start.last.mtime)
    }

    /// Removes the listeners for which the room is settled up to the next row, `position`.
    pub(super) fn retain_concerned(&mut self, position: Position, listeners: &mut Vec<ListenerId>) {
        if let Some(start) = &mut self.start {
            start.settlement.retain_concerned(position, listeners);
        }
    }

    /// Records a failure to read the page. Returns whether to request it again; after the loss of a connection, on the
    /// next one.
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
    /// Returns the time from which rows are read.
    fn begin(&self) -> i64 {
        self.overlap_begin().min(self.settlement.earliest_time()).max(0)
    }

    /// Returns the time that is the overlap before the last message. Older rows were delivered.
    fn overlap_begin(&self) -> i64 {
        self.last.mtime.saturating_sub(OVERLAP_MS)
    }

    /// Whether the room was empty when the subscription began. Then no row can show that the history reaches back.
    fn was_room_empty(&self) -> bool {
        self.last.was_room_empty()
    }

    /// Whether later rows may decide whether the first of these are wanted.
    fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        self.was_room_empty() || self.settlement.needs_more_than(rows)
    }
}
