//! The run itself: rows become calls, a window of them in flight, and every call's outcome is accounted for.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, never, select, unbounded};
use rtm_server_sdk::{Client, Error, ErrorCode};

use super::layout::Request;
use super::progress::Progress;
use super::report::Report;
use super::retry::{Retries, is_hopeless};
use super::rows::{End, Incoming, Row};
use super::stop::Stop;
use super::tally::Tally;
use crate::args::{Bulk, Operation};
use crate::failure::sentence;

/// How many failures are told one by one. The report has them all.
const TOLD_FAILURES: u64 = 10;

/// So many rows with the same refusal, none between them done, stand for all that follow.
const SHORTEST_STREAK: u64 = 100;

/// Why a run ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// With the last row.
    Complete,
    /// By Ctrl-C.
    Interrupted,
    /// By an error that every further row would meet.
    Hopeless(Error),
    /// The file could not be read on.
    Unreadable(String),
    /// The report could not be written on.
    ReportLost(io::Error),
}

/// Rows that were refused with the same code, one after the other.
struct Streak {
    code: ErrorCode,
    rows: u64,
    first_line: u64,
}

pub(super) struct Runner<'a> {
    client: &'a Client,
    operation: Operation,
    window: usize,
    report: Option<Report>,
    progress: Progress,
    stop: &'a Stop,
    retries: Retries,
    /// By line.
    in_flight: BTreeMap<u64, InFlight>,
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
    next_line: u64,
    streak: Option<Streak>,
    /// The first line whose row was left undone for no fault of its own, and is kept in no report.
    first_left_line: Option<u64>,
    ending: Option<Ending>,
    pub(super) tally: Tally,
}

struct InFlight {
    row: Row,
    request: Request,
    submitted: Instant,
    first_failure: Option<Instant>,
}

/// What became of the call for the row at a line.
struct Outcome {
    line: u64,
    result: Result<(), Error>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        client: &'a Client,
        bulk: &Bulk,
        report: Option<Report>,
        progress: Progress,
        stop: &'a Stop,
    ) -> Runner<'a> {
        Runner {
            client,
            operation: bulk.operation,
            window: bulk.window as usize,
            report,
            progress,
            stop,
            retries: Retries::new(bulk.retry_for),
            in_flight: BTreeMap::new(),
            outcomes: unbounded(),
            next_line: bulk.start_line,
            streak: None,
            first_left_line: None,
            ending: None,
            tally: Tally::default(),
        }
    }

    /// Runs until the rows end or nothing can come of them; what is in flight then is waited for.
    pub(super) fn run(&mut self, incoming: &Receiver<Incoming>) -> Ending {
        self.stop.begin();
        while self.ending.is_none() {
            if self.stop.is_wanted() {
                self.ending = Some(Ending::Interrupted);
            } else {
                self.next_event(incoming);
            }
        }
        while !self.in_flight.is_empty() {
            self.next_event(&never());
        }
        self.ending.take().unwrap_or(Ending::Complete)
    }

    /// The line to go on with.
    pub(super) fn remaining_line(&self) -> u64 {
        self.first_left_line.unwrap_or(self.next_line)
    }

    fn next_event(&mut self, incoming: &Receiver<Incoming>) {
        let no_rows = never();
        let has_room = self.in_flight.len() < self.window;
        select! {
            recv(if has_room { incoming } else { &no_rows }) -> message => match message {
                Ok(message) => self.take(message),
                Err(_) => self.ending = Some(Ending::Unreadable("the file could not be read on".into())),
            },
            recv(self.outcomes.1) -> outcome => {
                if let Ok(outcome) = outcome {
                    self.settle(outcome);
                }
            }
            // The loop sees that a stop is wanted.
            recv(self.stop.signal) -> _ => {}
        }
    }

    fn take(&mut self, message: Incoming) {
        match message {
            Incoming::Layout(layout) => {
                if let Some(Err(error)) = self.report.as_mut().map(|report| report.begin(&layout)) {
                    self.lose_report(error);
                }
            }
            Incoming::Row(row) => self.begin(row),
            Incoming::End(End::Unreadable(why)) => self.ending = Some(Ending::Unreadable(why)),
            Incoming::End(End::Complete { last_line, is_mid_line, has_no_rows }) => {
                self.ending = Some(Ending::Complete);
                if has_no_rows && self.next_line > 1 {
                    let start = self.next_line;
                    self.progress
                        .say(format_args!("no row is at line {start} or after it: the last one is at {last_line}"));
                } else if has_no_rows {
                    self.progress.say("there are no rows");
                } else if is_mid_line {
                    let line = last_line;
                    self.progress
                        .say(format_args!("line {line}, the last, has no line end: make sure that it was not cut"));
                }
            }
        }
    }

    fn begin(&mut self, mut row: Row) {
        self.next_line = row.line + 1;
        match std::mem::replace(&mut row.request, Err(String::new())) {
            Ok(request) => self.submit(row, request, None),
            Err(why) => self.fail(&row, ErrorCode::RTM_EC_INVALID_PARAMETER, &why),
        }
        self.publish();
    }

    fn submit(&mut self, row: Row, request: Request, first_failure: Option<Instant>) {
        let Request { room, user, ban } = request;
        let call = match self.operation {
            Operation::Add => self.client.add_room_member(room, user),
            Operation::Remove => self.client.delete_room_member(room, user),
            Operation::Ban => self.client.add_room_ban(Some(room), user, ban),
            Operation::Unban => self.client.remove_room_ban(Some(room), user),
        };
        let line = row.line;
        self.in_flight.insert(line, InFlight { row, request, submitted: Instant::now(), first_failure });
        let outcomes = self.outcomes.0.clone();
        call.callback(move |result| {
            // The run holds the receiver until it has every outcome.
            let _ = outcomes.send(Outcome { line, result });
        });
    }

    fn settle(&mut self, Outcome { line, result }: Outcome) {
        let Some(InFlight { row, request, submitted, first_failure }) = self.in_flight.remove(&line) else { return };
        match result {
            Ok(()) => {
                self.tally.done += 1;
                self.streak = None;
                self.retries.row_succeeded();
            }
            Err(error) => {
                let first_failure = first_failure.unwrap_or_else(Instant::now);
                if self.may_try_again(&error, submitted, first_failure) {
                    self.tally.tried_again += 1;
                    self.submit(row, request, Some(first_failure));
                    return;
                }
                self.fail(&row, error.code(), &sentence(&error));
                self.consider_the_rest(line, error);
            }
        }
        self.progress.update(row.end, &self.tally);
        self.publish();
    }

    /// Ends the run where the error of one row is that of all rows to come.
    fn consider_the_rest(&mut self, line: u64, error: Error) {
        if is_hopeless(&error) {
            self.leave(line);
        } else if let Some(first_line) = self.long_streak(line, &error) {
            self.leave(first_line);
        } else {
            return;
        }
        if self.stop.is_wanted() {
            self.ending.get_or_insert(Ending::Interrupted);
        }
        self.ending.get_or_insert(Ending::Hopeless(error));
    }

    /// The first line of a streak of refusals, once it is long.
    fn long_streak(&mut self, line: u64, error: &Error) -> Option<u64> {
        let Error::Answer(answer) = error else { return None };
        let streak = match &mut self.streak {
            Some(streak) if streak.code == answer.code() => streak,
            other => other.insert(Streak { code: answer.code(), rows: 0, first_line: line }),
        };
        streak.rows += 1;
        streak.first_line = streak.first_line.min(line);
        (streak.rows >= SHORTEST_STREAK.max(self.window as u64)).then_some(streak.first_line)
    }

    /// Notes that the row at this line has to be run again, if no report says so.
    fn leave(&mut self, line: u64) {
        if self.report.is_none() {
            self.first_left_line = Some(self.first_left_line.map_or(line, |first| first.min(line)));
        }
    }

    /// Waits out what there is to wait for. A run that is about to end tries nothing again.
    fn may_try_again(&mut self, error: &Error, submitted: Instant, first_failure: Instant) -> bool {
        if self.stop.is_wanted() || matches!(self.ending, Some(Ending::Hopeless(_))) {
            return false;
        }
        let Some(pause) = self.retries.pause_before(error, submitted, first_failure) else { return false };
        if pause.is_zero() {
            return true;
        }
        log::info!("waiting {pause:?} before rows are tried again: {error:#}");
        let is_interrupted = self.stop.signal.recv_timeout(pause).is_ok();
        self.retries.pause_ended();
        !is_interrupted
    }

    fn fail(&mut self, row: &Row, code: ErrorCode, reason: &str) {
        self.tally.fail(code);
        let failed = self.tally.failed();
        if let Some(Err(error)) = self.report.as_mut().map(|report| report.add(&row.record, code, reason)) {
            self.lose_report(error);
        }
        if matches!(self.ending, Some(Ending::ReportLost(_))) {
            self.leave(row.line);
            self.progress.say(format_args!("line {}: {reason} (this row is not in the report)", row.line));
            return;
        }
        if failed <= TOLD_FAILURES {
            self.progress.say(format_args!("line {}: {reason}", row.line));
        }
        if failed == TOLD_FAILURES + 1 {
            let place = match &self.report {
                Some(report) => format!("are listed in {}", report.path().display()),
                None => "are counted; --failed FILE.csv lists them".into(),
            };
            self.progress.say(format_args!("further rows that fail {place}"));
        }
    }

    /// Goes on without the report, for as long as calls are in flight.
    fn lose_report(&mut self, error: io::Error) {
        self.report = None;
        self.ending = Some(Ending::ReportLost(error));
    }

    fn publish(&self) {
        self.stop.publish(self.next_line, self.in_flight.keys().next().copied(), self.in_flight.len());
    }
}
