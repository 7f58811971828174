//! Handles refused time stamps (200008): asks for the server's time, and holds the refused calls until it is known.

use std::time::Instant;

use super::calls::InFlight;
use super::clock_check::{Refused, RefusedCall};
use super::{Action, Engine, RawAnswer, Token};
use crate::config::bounded;
use crate::error::{AnswerError, Error};

impl<T: Token> Engine<T> {
    /// Handles an error answer to a call.
    pub(super) fn handle_error_answer(&mut self, now: Instant, call: InFlight<T>, answer: RawAnswer) {
        let InFlight { token, deadline, timeout, .. } = call;
        // Calls are signed when they are made, and then wait in the queue.
        let signed_at = deadline.checked_sub(bounded(timeout));
        match self.clock_check.refusal_in(&answer) {
            None => self.complete(token, Ok(answer)),
            Some(error) if self.clock_check.was_corrected_since(signed_at) => {
                self.complete(token, Err(Error::Answer(error.with_corrected_clock())));
            }
            Some(error) => {
                self.clock_check.hold_call(RefusedCall { token, error, deadline });
                self.ask_for_time(now);
            }
        }
    }

    /// Handles a `setlisten` refused because of its time stamp. It counts as in flight until that is resolved.
    pub(super) fn handle_listen_refused(&mut self, now: Instant, error: AnswerError) {
        let sent_at = self.listen_sent_at.take();
        if sent_at.is_some() && self.clock_check.was_corrected_since(sent_at) {
            return self.repeat_listen();
        }
        self.clock_check.hold_listen(error);
        self.ask_for_time(now);
    }

    /// Handles the answer to a ping, with the server's time if it contains one.
    pub(super) fn handle_pong(&mut self, now: Instant, seq: u32, server_ms: Option<i64>) {
        let Some(round_trip) = self.clock_check.round_trip(now, seq) else { return };
        match server_ms {
            // The answer took about half of the round trip. The server accepts time stamps that are off by much more
            // than the other half.
            Some(server_ms) => {
                let way_back = i64::try_from((round_trip / 2).as_millis()).unwrap_or_default();
                self.actions.push_back(Action::CompareClocks { server_ms: server_ms.saturating_add(way_back) });
            }
            None => {
                log::debug!("the server did not tell its time");
                self.release_refused(now);
            }
        }
    }

    /// Handles the result of [`Action::CompareClocks`]. If the clock was off, calls that begin after `now` are signed
    /// with the server's time. If not, a retry would not help.
    pub fn handle_clocks_compared(&mut self, now: Instant, was_off: bool) {
        if !was_off {
            return self.release_refused(now);
        }
        self.clock_check.record_corrected(now);
        let Refused { calls, listen } = self.clock_check.finish();
        for RefusedCall { token, error, .. } in calls {
            self.complete(token, Err(Error::Answer(error.with_corrected_clock())));
        }
        if listen.is_some() {
            self.repeat_listen();
        }
    }

    /// Delivers the held refusals unchanged, because the server's time will not be known.
    pub(super) fn release_refused(&mut self, now: Instant) {
        let refused = self.clock_check.finish();
        self.give_back(now, refused);
    }

    /// Delivers refusals that cannot be held any longer.
    pub(super) fn check_refused(&mut self, now: Instant) {
        let refused = self.clock_check.take_late(now);
        self.give_back(now, refused);
    }

    fn give_back(&mut self, now: Instant, refused: Refused<T>) {
        for RefusedCall { token, error, .. } in refused.calls {
            self.complete(token, Err(Error::Answer(error)));
        }
        if let Some(error) = refused.listen {
            self.handle_listen_answer(now, Err(Error::Answer(error)));
        }
    }

    /// Asks the server for its time, unless a question is in flight.
    fn ask_for_time(&mut self, now: Instant) {
        if self.clock_check.is_asking() {
            return;
        }
        let Some(connection) = self.state.connection_mut() else { return self.release_refused(now) };
        let seq = self.calls.next_seq(|seq| connection.uses_seq(seq));
        connection.send_ping(seq);
        self.clock_check.record_ping(now, seq);
    }

    fn repeat_listen(&mut self) {
        self.actions.extend(self.subscriptions.repeat_request().map(Action::AskToListen));
    }
}
