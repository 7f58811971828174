//! Accounts for every row: those done are counted, those that failed are counted, told and reported.

use std::io;

use rtm_server_sdk::ErrorCode;

use super::layout::Layout;
use super::progress::Progress;
use super::report::Report;
use super::rows::Row;
use super::tally::Tally;

/// How many failures are printed one by one. The report has them all.
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

    pub(super) fn row_failed(&mut self, row: &Row, code: ErrorCode, reason: &str) {
        self.tally.fail(code);
        self.write(|report| report.add(&row.record, code, reason));
        let failed = self.tally.failed();
        if self.report_error.is_some() {
            self.leave(row.line);
            self.progress.say(format_args!("line {}: {reason} (this row is not in the report)", row.line));
        } else if failed <= TOLD_FAILURES {
            self.progress.say(format_args!("line {}: {reason}", row.line));
        } else if failed == TOLD_FAILURES + 1 {
            let place = match &self.report {
                Some(report) => format!("are listed in {}", report.path().display()),
                None => "are counted; --failed FILE.csv lists them".into(),
            };
            self.progress.say(format_args!("further rows that fail {place}"));
        }
        self.progress.update(row.end, &self.tally);
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
