//! Sending: accepts calls, holds them until there is a connection and their turn, and writes them.

use std::time::Instant;

use super::calls::{InFlight, NewCall, SendState};
use super::connection::Connection;
use super::{Engine, Outcome, State, Token};
use crate::error::Error;

impl<T: Token> Engine<T> {
    /// Handles a new call: sends it, queues it until it can be sent, or fails it at once.
    pub fn handle_call(&mut self, now: Instant, call: NewCall<T>) {
        if let Err(error) = self.admit(now, &call) {
            self.released += call.frame.len();
            return self.complete(call.token, Err(error));
        }
        let NewCall { frame, deadline, timeout, wait_for_ready, token } = call;
        let seq = self.calls.next_seq(|seq| self.state.uses_seq(seq));
        let send_state = match &mut self.state {
            State::Ready(connection)
                if self.calls.queue_len() == 0
                    && connection.has_room()
                    && self.pacing.is_turn(now)
                    && token.begin_sending() =>
            {
                self.pacing.record_sent(now);
                self.released += frame.len();
                self.counters.sent.increment();
                SendState::Sent(connection.send(seq, frame))
            }
            _ => SendState::Queued(frame),
        };
        self.calls.insert(seq, InFlight { token, deadline, timeout, wait_for_ready, send_state });
        // A call that was given up must not stay in the queue: no call behind it would be sent until bytes leave.
        self.send_queued(now);
    }

    /// The bytes to write, if there is a connection and anything to write.
    pub fn output(&self) -> Option<&[u8]> {
        self.state.connection().map(Connection::output).filter(|unsent| !unsent.is_empty())
    }

    /// Handles that the first `written` bytes of [`output`](Engine::output) were written.
    pub fn handle_written(&mut self, now: Instant, written: usize) {
        let Some(connection) = self.state.connection_mut() else { return };
        self.counters.bytes_out.add(written as u64);
        connection.handle_written(now, written);
        self.send_queued(now);
    }

    /// Handles that the system currently accepts nothing of [`output`](Engine::output).
    pub fn handle_write_blocked(&mut self) {
        self.state.connection_mut().into_iter().for_each(Connection::handle_write_blocked);
    }

    /// Limits calls to `rate` a second from now on; `None` removes the limit.
    pub fn handle_max_rate(&mut self, now: Instant, rate: Option<u32>) {
        self.pacing.set_rate(rate);
        self.send_queued(now);
    }

    /// The next turn, if a call waits for nothing else.
    pub(super) fn turn_due_at(&self) -> Option<Instant> {
        let State::Ready(connection) = &self.state else { return None };
        let is_waiting = self.calls.queue_len() > 0 && self.calls.has_unsent() && connection.has_room();
        self.pacing.next_turn().filter(|_| is_waiting)
    }

    /// Ensures that a new call has a connection to wait for.
    fn admit(&mut self, now: Instant, call: &NewCall<T>) -> Result<(), Error> {
        if self.is_closed() {
            return Err(Error::closed(false));
        }
        if call.deadline <= now {
            return Err(Error::timed_out(self.stage(), call.timeout));
        }
        match self.connect_for_call(now) {
            Err(_) if call.wait_for_ready => Ok(()),
            outcome => outcome,
        }
    }

    /// Moves calls from the queue to the connection, while it has room and they have their turn.
    pub(super) fn send_queued(&mut self, now: Instant) {
        let State::Ready(connection) = &mut self.state else { return };
        while self.calls.queue_len() > 0 && connection.has_room() && self.pacing.is_turn(now) {
            self.calls.send_next(|seq, frame| {
                self.pacing.record_sent(now);
                self.released += frame.len();
                self.counters.sent.increment();
                connection.send(seq, frame)
            });
        }
    }

    /// Completes a call that was removed from the table.
    pub(super) fn finish(&mut self, call: InFlight<T>, outcome: Outcome) {
        if let SendState::Queued(frame) = &call.send_state {
            self.released += frame.len();
        }
        self.complete(call.token, outcome);
    }
}
