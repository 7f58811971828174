//! Runs the rows: each becomes a call, a window of them is in flight, and every outcome is accounted for.

use std::collections::BTreeMap;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};
use rtm_server_sdk::{Client, Error, ErrorCode};

use super::ledger::{GivenUp, Ledger};
use super::pace::Pace;
use super::progress::Progress;
use super::request::Request;
use super::rows::{End, Incoming, Row};
use super::stop::Stop;
use super::verdict::{Judge, Verdict};
use crate::args::{Bulk, Operation};
use crate::failure::is_without_connection;

/// Why a run ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// After the last row.
    Complete,
    /// By Ctrl-C.
    Interrupted,
    /// Because of an error that every further row would meet.
    Hopeless(Error),
    /// Because the rest of the file could not be read.
    Unreadable(String),
    /// Because the report could not be continued.
    ReportLost,
}

pub(super) struct Runner<'a> {
    client: &'a Client,
    operation: Operation,
    window: usize,
    /// Whether the next run may repeat rows in doubt. It would give messages new ids, so messages must not be repeated.
    may_repeat: bool,
    progress: Progress,
    stop: &'a Stop,
    pace: Pace,
    judge: Judge,
    /// By line.
    in_flight: BTreeMap<u64, Try>,
    /// Rows to retry, by time and line.
    waiting: BTreeMap<(Instant, u64), Waiting>,
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
    next_line: u64,
    ending: Option<Ending>,
    pub(super) ledger: Ledger,
}

/// A row, and its tries so far.
struct Try {
    row: Row,
    request: Request,
    sent: Instant,
    first_failure: Option<Instant>,
    /// Whether an earlier try may have been executed.
    is_uncertain: bool,
}

struct Waiting {
    attempt: Try,
    error: Error,
}

/// The outcome of the call for the row at a line.
struct Outcome {
    line: u64,
    result: Result<(), Error>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        client: &'a Client,
        bulk: &Bulk,
        ledger: Ledger,
        progress: Progress,
        stop: &'a Stop,
    ) -> Runner<'a> {
        let now = Instant::now();
        Runner {
            client,
            operation: bulk.operation,
            window: bulk.window as usize,
            may_repeat: bulk.retry_uncertain && bulk.operation != Operation::Say,
            progress,
            stop,
            pace: Pace::new(bulk.rate, now),
            judge: Judge::new(bulk, now),
            in_flight: BTreeMap::new(),
            waiting: BTreeMap::new(),
            outcomes: unbounded(),
            next_line: bulk.start_line,
            ending: None,
            ledger,
        }
    }

    /// Runs until the rows end or the run must stop. Waits for calls in flight, and for rows to be retried unless the
    /// run ends before the file does.
    pub(super) fn run(&mut self, incoming: &Receiver<Incoming>) -> Ending {
        self.stop.begin();
        while !self.is_over() {
            if self.stop.is_wanted() {
                self.ending = Some(Ending::Interrupted);
                // Calls that wait for an absent server achieve nothing.
                if !self.client.is_connected() {
                    self.client.close();
                }
            }
            if self.ends_early() {
                self.give_up_waiting();
            }
            self.next_event(incoming);
        }
        self.ledger.close();
        match self.ending.take() {
            None | Some(Ending::Complete) if self.ledger.report_error().is_some() => Ending::ReportLost,
            ending => ending.unwrap_or(Ending::Complete),
        }
    }

    /// The line to continue with.
    pub(super) fn remaining_line(&self) -> u64 {
        self.ledger.first_left_line().unwrap_or(self.next_line)
    }

    fn is_over(&self) -> bool {
        self.ending.is_some() && self.in_flight.is_empty() && self.waiting.is_empty()
    }

    fn ends_early(&self) -> bool {
        !matches!(self.ending, None | Some(Ending::Complete))
    }

    fn next_event(&mut self, incoming: &Receiver<Incoming>) {
        let now = Instant::now();
        let due = self.waiting.first_key_value().map(|((time, _), _)| *time);
        let ready = self.pace.ready_at();
        if due.is_some_and(|due| due <= now) && ready.is_some_and(|ready| ready <= now) {
            return self.try_again(now);
        }
        let has_room = self.in_flight.len() + self.waiting.len() < self.window && self.ledger.has_room();
        let wants_rows = self.ending.is_none() && has_room;
        // Rows refused because of the rate go first.
        let is_turn = ready.is_some_and(|ready| ready <= now) && due.is_none_or(|due| due > now);
        let no_rows = never();
        let timer = match (ready, due) {
            (Some(ready), Some(due)) if ready <= now => at(due),
            (Some(ready), _) if ready > now && (wants_rows || due.is_some()) => at(ready),
            _ => never(),
        };
        if self.is_over() {
            return;
        }
        select! {
            recv(if wants_rows && is_turn { incoming } else { &no_rows }) -> message => match message {
                Ok(message) => self.take(message),
                Err(_) => self.ending = Some(Ending::Unreadable("the file could not be read on".into())),
            },
            recv(self.outcomes.1) -> outcome => {
                if let Ok(outcome) = outcome {
                    self.settle(outcome);
                }
            }
            // The loop notices the request to stop.
            recv(self.stop.signal) -> _ => {}
            recv(timer) -> _ => {}
        }
        self.publish();
        if self.ledger.report_error().is_some() && !self.ends_early() {
            self.ending = Some(Ending::ReportLost);
        }
    }

    fn take(&mut self, message: Incoming) {
        match message {
            Incoming::Layout(layout) => self.ledger.begin(&layout),
            Incoming::Row(row) => self.begin(row),
            Incoming::End(End::Unreadable(why)) => self.ending = Some(Ending::Unreadable(why)),
            Incoming::End(End::Complete { last_line, is_mid_line, has_no_rows }) => {
                self.ending = Some(Ending::Complete);
                let start = self.next_line;
                if has_no_rows && start > 1 {
                    self.progress
                        .note(format_args!("no row is at line {start} or after it: the last one is at {last_line}"));
                } else if has_no_rows {
                    self.progress.note("there are no rows");
                } else if is_mid_line {
                    self.progress.note(format_args!(
                        "line {last_line}, the last, has no line end: make sure that it was not cut"
                    ));
                }
            }
        }
    }

    fn begin(&mut self, mut row: Row) {
        self.next_line = row.line + 1;
        match std::mem::replace(&mut row.request, Err(String::new())) {
            Ok(request) => {
                let sent = Instant::now();
                self.send(Try { row, request, sent, first_failure: None, is_uncertain: false });
            }
            Err(why) => self.ledger.row_failed(&row, &Error::invalid_argument(why), false),
        }
    }

    fn try_again(&mut self, now: Instant) {
        if let Some((_, Waiting { mut attempt, .. })) = self.waiting.pop_first() {
            self.ledger.tally.tried_again += 1;
            attempt.sent = now;
            self.send(attempt);
        }
    }

    fn send(&mut self, attempt: Try) {
        let line = attempt.row.line;
        let outcomes = self.outcomes.0.clone();
        self.pace.sent(attempt.sent);
        attempt.request.make(self.client, self.operation, move |result| {
            // The run keeps the receiver until it has every outcome.
            let _ = outcomes.send(Outcome { line, result });
        });
        self.in_flight.insert(line, attempt);
    }

    fn settle(&mut self, Outcome { line, result }: Outcome) {
        let Some(attempt) = self.in_flight.remove(&line) else { return };
        let now = Instant::now();
        self.tell_pace(&result, attempt.sent, now);
        match result {
            Ok(()) => self.row_is_done(&attempt, now),
            Err(error) if attempt.is_uncertain && attempt.request.was_done_before(&error) => {
                self.row_is_done(&attempt, now);
            }
            Err(error) => self.row_failed(attempt, error, now),
        }
    }

    fn tell_pace(&mut self, result: &Result<(), Error>, sent: Instant, now: Instant) {
        match result {
            Err(Error::Answer(answer)) if answer.code() == ErrorCode::RTM_EC_FREQUENCY_LIMITED => {
                self.ledger.tally.over_the_rate += 1;
                self.pace.refused(sent, now);
            }
            Ok(()) | Err(Error::Answer(_)) => self.pace.taken(sent, now),
            Err(_) => self.pace.lost(sent, now),
        }
    }

    fn row_is_done(&mut self, attempt: &Try, now: Instant) {
        self.judge.row_succeeded(now);
        self.ledger.row_is_done(&attempt.row);
    }

    fn row_failed(&mut self, mut attempt: Try, error: Error, now: Instant) {
        // A call without a connection has been waiting for one since it was made.
        let began = if is_without_connection(&error) { attempt.sent } else { now };
        let first_failure = *attempt.first_failure.get_or_insert(began);
        attempt.is_uncertain |= error.may_have_executed();
        let again = match self.judge.judge(&error, first_failure, now) {
            Verdict::Again(pause) => now + pause,
            Verdict::AgainWhenSlower => now,
            Verdict::Failed => return self.row_failed_for_good(attempt, error),
        };
        log::info!("line {} is tried again: {error:#}", attempt.row.line);
        self.waiting.insert((again, attempt.row.line), Waiting { attempt, error });
    }

    fn row_failed_for_good(&mut self, attempt: Try, error: Error) {
        let is_about_all = is_without_connection(&error) || matches!(error, Error::Closed(_));
        let line = attempt.row.line;
        let first_line = self.judge.stands_for_the_rest(&error, line);
        if is_about_all {
            self.give_up(attempt, error.clone());
        } else {
            self.ledger.row_failed(&attempt.row, &error, attempt.is_uncertain);
        }
        if self.stop.is_wanted() {
            // Also if this was the last row in flight, and the file is at its end.
            self.ending = Some(Ending::Interrupted);
            return;
        }
        if let Some(first_line) = first_line {
            if !is_about_all {
                self.ledger.leave(first_line);
            }
            if !self.ends_early() {
                self.ending = Some(Ending::Hopeless(error));
            }
        }
    }

    /// When a run ends, nothing is retried.
    fn give_up_waiting(&mut self) {
        for (_, Waiting { attempt, error }) in std::mem::take(&mut self.waiting) {
            self.give_up(attempt, error);
        }
    }

    /// Leaves the row to the next run, unless that might execute it twice and the user has not allowed that.
    fn give_up(&mut self, attempt: Try, error: Error) {
        let Try { row, is_uncertain, .. } = attempt;
        if is_uncertain && !self.may_repeat {
            self.ledger.row_failed(&row, &error, true);
        } else {
            self.ledger.give_up(GivenUp { row, error, is_uncertain });
        }
    }

    fn publish(&mut self) {
        let waiting = self.waiting.keys().map(|(_, line)| *line);
        let first =
            self.in_flight.keys().next().copied().into_iter().chain(waiting).chain(self.ledger.first_given_up());
        let first = first.min();
        self.ledger.write_report(first);
        self.stop.publish(self.next_line, first, self.in_flight.len());
    }
}
