//! Accounts for every row: those done are counted, those that failed are counted, told and reported.

use std::io;

use rtm_server_sdk::Error;
use serde_json::{Value, json};

use super::layout::Layout;
use super::progress::Progress;
use super::report::Report;
use super::rows::Row;
use super::tally::Tally;
use crate::failure::{details_of, sentence};

/// How many failures people are told one by one. The report has them all, and so have programs.
const TOLD_FAILURES: u64 = 10;

pub(super) struct Ledger {
    pub(super) tally: Tally,
    report: Option<Report>,
    /// Why the report could not be written on. From then on each failure is told.
    report_error: Option<io::Error>,
    progress: Progress,
    /// The first line whose row was left undone for no fault of its own, and is kept in no report.
    first_left_line: Option<u64>,
}

impl Ledger {
    pub(super) fn new(report: Option<Report>, progress: Progress) -> Ledger {
        Ledger { tally: Tally::default(), report, report_error: None, progress, first_left_line: None }
    }

    /// Begins the report, if there is one, with the columns of the file.
    pub(super) fn begin(&mut self, layout: &Layout) {
        self.write(|report| report.begin(layout));
    }

    pub(super) fn row_is_done(&mut self, row: &Row) {
        self.tally.done += 1;
        self.progress.update(row.end, &self.tally);
    }

    /// The row failed for good. An earlier try than the one that ended with `error` may have been carried out.
    pub(super) fn row_failed(&mut self, row: &Row, error: &Error, is_uncertain: bool) {
        let reason = sentence(error);
        self.tally.fail(error.code());
        self.write(|report| report.add(&row.record, error.code(), &reason));
        let failed = self.tally.failed();
        let details = || details_of_row(row, error, is_uncertain);
        if self.report_error.is_some() {
            self.leave(row.line);
            self.tell(row, &format!("{reason} (this row is not in the report)"), details());
        } else if failed <= TOLD_FAILURES || self.progress.is_for_programs() {
            self.tell(row, &reason, details());
        } else if failed == TOLD_FAILURES + 1 {
            let place = match &self.report {
                Some(report) => format!("are listed in {}", report.path().display()),
                None => "are counted; --failed FILE.csv lists them".into(),
            };
            self.progress.note(format_args!("further rows that fail {place}"));
        }
        self.progress.update(row.end, &self.tally);
    }

    /// People are told the line in the message, programs beside it.
    fn tell(&self, row: &Row, reason: &str, details: Value) {
        if self.progress.is_for_programs() {
            self.progress.error(reason, details);
        } else {
            self.progress.error(format_args!("line {}: {reason}", row.line), details);
        }
    }

    /// Notes that the row at this line has to be run again, if no report says so.
    pub(super) fn leave(&mut self, line: u64) {
        if self.report.is_none() {
            self.first_left_line = Some(self.first_left_line.map_or(line, |first| first.min(line)));
        }
    }

    pub(super) fn first_left_line(&self) -> Option<u64> {
        self.first_left_line
    }

    /// Why the report is lost, if it is.
    pub(super) fn report_error(&self) -> Option<&io::Error> {
        self.report_error.as_ref()
    }

    fn write(&mut self, write: impl FnOnce(&mut Report) -> io::Result<()>) {
        if let Some(Err(error)) = self.report.as_mut().map(write) {
            self.report = None;
            self.report_error = Some(error);
        }
    }
}

fn details_of_row(row: &Row, error: &Error, is_uncertain: bool) -> Value {
    let mut details = details_of(error);
    details["may_have_executed"] = json!(is_uncertain || error.may_have_executed());
    details["line"] = json!(row.line);
    details["row"] = row.record.iter().map(String::from_utf8_lossy).collect();
    details
}
