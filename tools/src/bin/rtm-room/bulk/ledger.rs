//! Accounts for every row. Rows that are done are counted; those that failed are counted, printed and reported; the
//! rest are left to the next run.

use std::collections::BTreeMap;
use std::io;

use rtm_server_sdk::Error;
use serde_json::{Value, json};

use super::layout::Layout;
use super::progress::Progress;
use super::report::Report;
use super::rows::Row;
use super::tally::Tally;
use crate::failure::{details_of, sentence};

/// How many failures are printed one by one for people. The report and JSON output contain all of them.
const TOLD_FAILURES: u64 = 10;
/// How many rows of the report may be held back before the run takes no further rows.
const MOST_HELD: usize = 65_536;

/// A row that the next run may try again, with the error of its last try.
pub(super) struct GivenUp {
    pub(super) row: Row,
    pub(super) error: Error,
    /// Whether an earlier try may have been executed.
    pub(super) is_uncertain: bool,
}

pub(super) struct Ledger {
    pub(super) tally: Tally,
    report: Option<Report>,
    /// Why the report could not be continued. From then on each failure is printed.
    report_error: Option<io::Error>,
    /// Rows of the report, by line, held until every row before them has ended. The report is in the order of the file,
    /// so a single line number separates what it contains from the rest.
    held: BTreeMap<u64, Vec<u8>>,
    /// Rows that are not retried because the run ends, by line.
    given_up: BTreeMap<u64, GivenUp>,
    progress: Progress,
    last_ended_line: u64,
    last_done_line: u64,
    /// The first line whose row was left undone through no fault of its own and is not in a report.
    first_left_line: Option<u64>,
}

impl Ledger {
    pub(super) fn new(report: Option<Report>, progress: Progress) -> Ledger {
        Ledger {
            tally: Tally::default(),
            report,
            report_error: None,
            held: BTreeMap::new(),
            given_up: BTreeMap::new(),
            progress,
            last_ended_line: 0,
            last_done_line: 0,
            first_left_line: None,
        }
    }

    /// Starts the report, if there is one, with the columns of the file.
    pub(super) fn begin(&mut self, layout: &Layout) {
        if let Some(Err(error)) = self.report.as_mut().map(|report| report.begin(layout)) {
            self.lose_report(error);
        }
    }

    pub(super) fn row_is_done(&mut self, row: &Row) {
        self.tally.done += 1;
        self.last_done_line = self.last_done_line.max(row.line);
        self.row_ended(row);
    }

    fn row_ended(&mut self, row: &Row) {
        self.last_ended_line = self.last_ended_line.max(row.line);
        self.progress.update(row.end, &self.tally);
    }

    /// Records that the row failed permanently. An earlier try than the one that ended with `error` may have been
    /// executed.
    pub(super) fn row_failed(&mut self, row: &Row, error: &Error, is_uncertain: bool) {
        let is_told = self.tally.failed() < TOLD_FAILURES || self.progress.is_for_programs();
        self.fail(row, error, is_uncertain, is_told);
        if !is_told && self.tally.failed() == TOLD_FAILURES + 1 && self.report_error.is_none() {
            let place = match &self.report {
                Some(report) => format!("are listed in {}", report.path().display()),
                None => "are counted; --failed FILE.csv lists them".into(),
            };
            self.progress.note(format_args!("further rows that fail {place}"));
        }
    }

    fn fail(&mut self, row: &Row, error: &Error, is_uncertain: bool, is_told: bool) {
        let reason = sentence(error);
        self.tally.fail(error.code());
        match self.report.as_ref().map(|report| report.row(&row.record, error.code(), &reason)) {
            Some(Ok(reported)) => drop(self.held.insert(row.line, reported)),
            Some(Err(error)) => self.lose_report(error),
            None => {}
        }
        let details = || details_of_row(row, error, is_uncertain);
        if self.report_error.is_some() {
            self.tell(row, &format!("{reason} (this row is not in the report)"), details());
        } else if is_told {
            self.tell(row, &reason, details());
        }
        self.row_ended(row);
    }

    pub(super) fn give_up(&mut self, given_up: GivenUp) {
        self.given_up.insert(given_up.row.line, given_up);
    }

    /// The first line whose row was given up.
    pub(super) fn first_given_up(&self) -> Option<u64> {
        self.given_up.keys().next().copied()
    }

    /// Call this when no row is in flight or waiting. Rows given up after the last row that ended are left to the next
    /// run. Those before it count as failed, because the next run would otherwise repeat rows.
    pub(super) fn close(&mut self) {
        let left = self.given_up.split_off(&(self.last_ended_line + 1));
        if let Some(line) = left.keys().next() {
            self.leave_from(*line);
        }
        for GivenUp { row, error, is_uncertain } in std::mem::take(&mut self.given_up).into_values() {
            self.fail(&row, &error, is_uncertain, !self.has_report() || self.progress.is_for_programs());
        }
        self.write_report(None);
    }

    /// Writes the rows of the report before this line, or all of them.
    pub(super) fn write_report(&mut self, first_unfinished: Option<u64>) {
        let Some(report) = &mut self.report else { return };
        let is_ready = |line: u64| first_unfinished.is_none_or(|first| line < first);
        while let Some(entry) = self.held.first_entry().filter(|entry| is_ready(*entry.key())) {
            if let Err(error) = report.append(entry.get()) {
                return self.lose_report(error);
            }
            entry.remove();
        }
    }

    /// Whether the run may take more rows.
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < MOST_HELD
    }

    fn lose_report(&mut self, error: io::Error) {
        self.report = None;
        self.report_error = Some(error);
        if let Some((line, _)) = std::mem::take(&mut self.held).pop_first() {
            self.leave_from(line);
        }
    }

    /// For people, the line is in the message; for programs, it is next to it.
    fn tell(&self, row: &Row, reason: &str, details: Value) {
        if self.progress.is_for_programs() {
            self.progress.error(reason, details);
        } else {
            self.progress.error(format_args!("line {}: {reason}", row.line), details);
        }
    }

    /// Records that the row at this line must be run again, unless it is in the report.
    pub(super) fn leave(&mut self, line: u64) {
        if !self.has_report() {
            self.leave_from(line);
        }
    }

    fn leave_from(&mut self, line: u64) {
        self.first_left_line = Some(self.first_left_line.map_or(line, |first| first.min(line)));
    }

    pub(super) fn first_left_line(&self) -> Option<u64> {
        self.first_left_line
    }

    /// Whether the row at this line or one after it is done.
    pub(super) fn is_any_done_from(&self, line: u64) -> bool {
        self.last_done_line >= line
    }

    /// Whether the run was given a report, even if it is lost.
    fn has_report(&self) -> bool {
        self.report.is_some() || self.report_error.is_some()
    }

    /// Why the report is lost, if it is.
    pub(super) fn report_error(&self) -> Option<&io::Error> {
        self.report_error.as_ref()
    }
}

fn details_of_row(row: &Row, error: &Error, is_uncertain: bool) -> Value {
    let mut details = details_of(error);
    details["may_have_executed"] = json!(is_uncertain || error.may_have_executed());
    details["line"] = json!(row.line);
    details["row"] = row.record.iter().map(String::from_utf8_lossy).collect();
    details
}
