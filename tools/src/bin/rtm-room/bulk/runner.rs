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
use super::rows::{Incoming, Row};
use super::stop::Stop;
use super::tally::Tally;
use crate::args::{Bulk, Operation};
use crate::failure::sentence;

/// How many failures are told one by one. The report has them all.
const TOLD_FAILURES: u64 = 10;

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
    /// The first line whose row failed of what every further row would meet.
    first_hopeless_line: Option<u64>,
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
            first_hopeless_line: None,
            ending: None,
            tally: Tally::default(),
        }
    }

    /// Runs until the rows end or nothing can come of them; what is in flight then is waited for.
    ///
    /// An error is one of writing the report: it ends the run where it stands.
    pub(super) fn run(&mut self, incoming: &Receiver<Incoming>) -> io::Result<Ending> {
        while self.ending.is_none() {
            if self.stop.is_wanted() {
                self.ending = Some(Ending::Interrupted);
            } else {
                self.next_event(incoming)?;
            }
        }
        while !self.in_flight.is_empty() {
            self.next_event(&never())?;
        }
        Ok(self.ending.take().unwrap_or(Ending::Complete))
    }

    /// The line to go on with. Without a report, rows that failed for no fault of theirs are kept nowhere else.
    pub(super) fn remaining_line(&self) -> u64 {
        match self.first_hopeless_line {
            Some(line) if self.report.is_none() => line,
            _ => self.next_line,
        }
    }

    fn next_event(&mut self, incoming: &Receiver<Incoming>) -> io::Result<()> {
        let no_rows = never();
        let has_room = self.in_flight.len() < self.window;
        select! {
            recv(if has_room { incoming } else { &no_rows }) -> message => self.take(message.unwrap_or(Incoming::End(None))),
            recv(self.outcomes.1) -> outcome => outcome.map_or(Ok(()), |outcome| self.settle(outcome)),
            // The loop sees that a stop is wanted.
            recv(self.stop.signal) -> _ => Ok(()),
        }
    }

    fn take(&mut self, message: Incoming) -> io::Result<()> {
        match message {
            Incoming::Layout(layout) => self.report.as_mut().map_or(Ok(()), |report| report.begin(&layout))?,
            Incoming::Row(row) => self.begin(row)?,
            Incoming::End(None) => self.ending = Some(Ending::Complete),
            Incoming::End(Some(why)) => self.ending = Some(Ending::Unreadable(why)),
        }
        Ok(())
    }

    fn begin(&mut self, mut row: Row) -> io::Result<()> {
        self.next_line = row.line + 1;
        match std::mem::replace(&mut row.request, Err(String::new())) {
            Ok(request) => self.submit(row, request, None),
            Err(why) => self.fail(&row, ErrorCode::RTM_EC_INVALID_PARAMETER, &why)?,
        }
        self.publish();
        Ok(())
    }

    fn submit(&mut self, row: Row, request: Request, first_failure: Option<Instant>) {
        let Request { room, user, ban } = request;
        let call = match self.operation {
            Operation::Add => self.client.add_room_member(room, user),
            Operation::Remove => self.client.delete_room_member(room, user),
            Operation::Ban => self.client.add_room_ban(Some(room), user, ban),
        };
        let line = row.line;
        self.in_flight.insert(line, InFlight { row, request, submitted: Instant::now(), first_failure });
        let outcomes = self.outcomes.0.clone();
        call.callback(move |result| {
            // Nobody receives it where the report could not be written.
            let _ = outcomes.send(Outcome { line, result });
        });
    }

    fn settle(&mut self, Outcome { line, result }: Outcome) -> io::Result<()> {
        let Some(InFlight { row, request, submitted, first_failure }) = self.in_flight.remove(&line) else {
            return Ok(());
        };
        match result {
            Ok(()) => {
                self.tally.done += 1;
                self.retries.row_succeeded();
            }
            Err(error) => {
                let first_failure = first_failure.unwrap_or_else(Instant::now);
                if self.may_try_again(&error, submitted, first_failure) {
                    self.tally.tried_again += 1;
                    self.submit(row, request, Some(first_failure));
                    return Ok(());
                }
                self.fail(&row, error.code(), &sentence(&error))?;
                if is_hopeless(&error) {
                    self.first_hopeless_line = Some(self.first_hopeless_line.map_or(line, |first| first.min(line)));
                    self.ending.get_or_insert(Ending::Hopeless(error));
                }
            }
        }
        self.progress.update(row.end, &self.tally);
        self.publish();
        Ok(())
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

    fn fail(&mut self, row: &Row, code: ErrorCode, reason: &str) -> io::Result<()> {
        self.tally.fail(code);
        let failed = self.tally.failed();
        if failed <= TOLD_FAILURES {
            self.progress.say(format_args!("line {}: {reason}", row.line));
        }
        if failed == TOLD_FAILURES + 1 {
            let hint = if self.report.is_some() { "" } else { "; --failed FILE.csv keeps them all" };
            self.progress.say(format_args!("more rows fail, which are not told one by one{hint}"));
        }
        self.report.as_mut().map_or(Ok(()), |report| report.add(&row.record, code, reason))
    }

    fn publish(&self) {
        self.stop.publish(self.next_line, self.in_flight.keys().next().copied(), self.in_flight.len());
    }
}
