//! One room that is caught up from its history: which page is read next, and which of its rows are wanted by whom. No I/O.
//!
//! The history has the messages of a room in the order in which the server pushes them. It is read from a little before the last
//! message that was seen, up to the first one that was pushed on the new connection.

use std::collections::VecDeque;
use std::time::Duration;

use super::position::{Mark, OVERLAP_MS, Position, Row};
use super::settled::Settlement;
use crate::engine::ListenerId;
use crate::error::{Error, Retry};
use crate::rtm::Message;
use crate::rtm::methods::history::{History, HistoryPage, MOST_PER_PAGE};

/// The server keeps so many messages of a room. In a room that was empty, this many may be the rest of more.
const KEPT_MESSAGES: usize = 500;
/// How often a page is asked for that the server does not give, although it says that asking again may help.
const MOST_TRIES: u32 = 5;
/// How often a connection may be lost while the same page is read, until the page is taken for the reason.
const MOST_LOSSES: u32 = 20;
/// The longest wait before such a page is asked for again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// From where on a room is to be read.
#[derive(Debug)]
pub(super) struct Base {
    /// The last message that was seen.
    pub last: Position,
    /// Every message from the overlap on is remembered, so that a row tells by itself whether it was delivered.
    pub remembers: bool,
    /// How far the room is settled, for those for whom that is near.
    pub settled: Settlement,
}

/// What a room missed before a connection was made.
#[derive(Debug)]
pub(crate) struct CatchUp {
    pub rid: i64,
    /// The number of that connection.
    pub connection: u64,
    /// The connection that the next page is read on has a number above this.
    pub after: u64,
    /// The connection that a page is being read on.
    read_on: u64,
    /// The latest time that a row had, or the message before the first row.
    pub reached: Option<i64>,
    /// Where to begin; `None` if nothing is known of the room.
    base: Option<Base>,
    step: Step,
    /// How often the page was asked for and not given.
    tries: u32,
    losses: Losses,
    /// The time of the last row that was read. A row without a time stands where the one before it does.
    at: i64,
    /// How many rows were read, at least: those of deleted messages are left out of full pages.
    rows_read: usize,
    /// Rows that were read and are still to be handed over.
    rows: VecDeque<Row>,
}

/// What is read next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The page that this query asks for; the first, unless some have been handed over.
    Page { query: History, is_first: bool },
    /// Whether the history has anything as old as the message that was seen last.
    Older { then: Option<History> },
    /// Nothing.
    End,
}

/// What a page comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// More is to be read before anything is handed over.
    Nothing,
    /// The rows can be handed over.
    Rows,
    /// The rows can be handed over, behind a gap: the history does not reach back to what was seen.
    RowsBehindGap,
}

impl CatchUp {
    pub(super) fn new(rid: i64, connection: u64, base: Option<Base>) -> CatchUp {
        let reached = base.as_ref().filter(|base| !base.is_beginning()).map(|base| base.last.mtime);
        let begin = base.as_ref().map_or(0, |base| base.begin().min(base.settled.begin()).max(0));
        let step = match base {
            Some(_) => Step::Page { query: History::oldest().between(begin, 0), is_first: true },
            None => Step::End,
        };
        let after = connection.saturating_sub(1);
        let (rows_read, rows) = (0, VecDeque::new());
        let (tries, losses) = (0, Losses::default());
        CatchUp { rid, connection, after, read_on: 0, reached, base, step, tries, losses, at: begin, rows_read, rows }
    }

    /// As it was planned, for a later connection.
    pub(super) fn for_connection(self, connection: u64) -> CatchUp {
        CatchUp { losses: self.losses, ..CatchUp::new(self.rid, connection, self.base) }
    }

    /// The query for the page that is read next; `None` if there is nothing to read.
    pub(crate) fn query(&self) -> Option<History> {
        match (&self.step, &self.base) {
            (Step::Page { query, .. }, _) => Some(query.clone()),
            (Step::Older { .. }, Some(base)) => Some(History::latest().between(0, base.last.mtime).count(1)),
            _ => None,
        }
    }

    /// Whether a page was read.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.step, Step::Page { is_first: true, .. } | Step::End) || !self.rows.is_empty()
    }

    /// Whether it has rows that need what follows them.
    pub(super) fn holds_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The next page is read on the connection of this number.
    pub(super) fn on(mut self, connection: u64) -> CatchUp {
        self.read_on = connection;
        self
    }

    /// Whether the history has been read to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.step == Step::End
    }

    /// A page was read.
    pub(super) fn receive(&mut self, page: HistoryPage) -> Received {
        (self.tries, self.losses) = (0, Losses::default());
        match std::mem::replace(&mut self.step, Step::End) {
            Step::Page { is_first: true, .. } => self.receive_first(page),
            Step::Page { is_first: false, .. } => {
                self.hold(page.messages);
                self.go_on(page.next, false);
                Received::Rows
            }
            Step::Older { then } => {
                self.go_on(then, false);
                // A full page without messages is one of a deleted message: it is as old.
                let is_nothing_older = page.messages.is_empty() && page.next.is_none();
                if is_nothing_older { Received::RowsBehindGap } else { Received::Rows }
            }
            Step::End => Received::Rows,
        }
    }

    /// The first page, or one behind it that is needed to judge the rows of the first.
    fn receive_first(&mut self, page: HistoryPage) -> Received {
        let is_full = page.next.is_some();
        self.rows_read += page.messages.len().max(if is_full { usize::from(MOST_PER_PAGE) } else { 0 });
        self.hold(page.messages);
        let Some(base) = &mut self.base else { return Received::Rows };
        base.settled.look_ahead(&self.rows);
        if is_full && self.rows_read < KEPT_MESSAGES && base.needs_more_than(&self.rows) {
            self.go_on(page.next, true);
            return Received::Nothing;
        }
        if base.is_beginning() {
            let is_rest_of_more = self.rows_read >= KEPT_MESSAGES;
            self.go_on(page.next, false);
            return if is_rest_of_more { Received::RowsBehindGap } else { Received::Rows };
        }
        if self.rows.iter().any(|row| row.mark.mtime <= base.last.mtime) {
            self.go_on(page.next, false);
            return Received::Rows;
        }
        self.step = Step::Older { then: page.next };
        Received::Nothing
    }

    fn go_on(&mut self, next: Option<History>, is_first: bool) {
        self.step = next.map_or(Step::End, |query| Step::Page { query, is_first });
    }

    fn hold(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.at = message.mtime.unwrap_or(self.at);
            self.rows.push_back(Row { mark: Mark { mtime: self.at, from: message.from, mid: message.mid }, message });
        }
    }

    /// The next row to be handed over.
    pub(super) fn next_row(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.reached = self.reached.max(Some(row.mark.mtime));
        Some(row)
    }

    /// Whether a row was delivered, by what is known of the message that was seen last.
    pub(super) fn was_seen(&self, mark: Mark) -> bool {
        let was_seen = |base: &Base| {
            let is_older = mark.mtime < if base.remembers { base.begin() } else { base.last.mtime };
            is_older || base.last.is_of(mark)
        };
        self.base.as_ref().is_some_and(was_seen)
    }

    /// Whether a row is older than the last message that was seen.
    pub(super) fn is_before_last(&self, mark: Mark) -> bool {
        self.base.as_ref().is_none_or(|base| mark.mtime < base.last.mtime)
    }

    /// Takes out those for whom the room is settled up to the row, which is the next.
    pub(super) fn retain_concerned(&mut self, mark: Mark, listeners: &mut Vec<ListenerId>) {
        if let Some(base) = &mut self.base {
            base.settled.retain_concerned(mark, listeners);
        }
    }

    /// The page could not be read. Whether it is to be asked for again; if the connection was lost, on the next.
    pub(super) fn asks_again_after(&mut self, error: &Error) -> bool {
        if matches!(error, Error::ConnectionClosed(_) | Error::Connect(_) | Error::NotConnected(_)) {
            self.after = self.read_on;
            self.losses.record(error);
            return !self.losses.are_too_many();
        }
        self.tries += 1;
        self.tries < MOST_TRIES && error.retry() != Retry::Never
    }
}

/// How long to wait before a page is asked for again that failed with this error.
pub(crate) fn wait_after(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait.min(LONGEST_WAIT),
        Retry::Now | Retry::Never => Duration::ZERO,
    }
}

/// Connections that were lost while a page was being read. The page may be the reason, by its size if by nothing else: then it
/// must not end every connection to come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses(u32);

impl Losses {
    /// The page could not be read.
    pub(super) fn record(&mut self, error: &Error) {
        if matches!(error, Error::ConnectionClosed(_)) {
            self.0 = if error.retry() == Retry::Never { MOST_LOSSES } else { self.0 + 1 };
        }
    }

    pub(super) fn are_too_many(self) -> bool {
        self.0 >= MOST_LOSSES
    }
}

impl Base {
    /// From this time on, rows may be wanted.
    fn begin(&self) -> i64 {
        self.last.mtime.saturating_sub(OVERLAP_MS)
    }

    /// Whether the room was empty when the listening began, so that no row can show that the history reaches back.
    fn is_beginning(&self) -> bool {
        self.last.is_beginning()
    }

    /// Whether the rows that follow these have a say in whether the first of these are wanted.
    fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        self.is_beginning() || self.settled.needs_more_than(rows)
    }
}
