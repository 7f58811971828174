//! Input from the server: bytes, the frames they form, and the end of the stream.

use std::io;
use std::time::Instant;

use super::calls::InFlight;
use super::connection::{Connection, Event};
use super::pushes;
use super::{Engine, RawAnswer, Token};
use crate::error::{CloseReason, Error};
use crate::fpnn::Answer;

impl<T: Token> Engine<T> {
    /// Returns the space for the next read, if there is a connection.
    pub fn input(&mut self) -> Option<&mut [u8]> {
        self.state.connection_mut().map(Connection::input)
    }

    /// Handles `received` bytes that were read into [`input`](Engine::input).
    pub fn handle_received(&mut self, now: Instant, received: usize) {
        let Some(connection) = self.state.connection_mut() else { return };
        self.counters.bytes_in.add(received as u64);
        connection.handle_received(now, received);
        self.handle_events(now);
    }

    /// Handles the end of the stream: the server closed the connection.
    pub fn handle_eof(&mut self, now: Instant) {
        self.end_connection(now, CloseReason::Peer.into());
    }

    /// Handles a failed read or write.
    pub fn handle_io_error(&mut self, now: Instant, error: io::Error) {
        self.end_connection(now, CloseReason::io(error).into());
    }

    /// Handles that the driver has paused reading, so silence is not the server's fault.
    pub fn handle_reading_paused(&mut self, now: Instant) {
        if let Some(connection) = self.state.connection_mut() {
            connection.record_activity(now);
        }
    }

    /// Handles every complete frame received.
    fn handle_events(&mut self, now: Instant) {
        while let Some(connection) = self.state.connection_mut() {
            match connection.next_event() {
                Ok(None) => return,
                Ok(Some(Event::Quest)) => self.counters.quests_from_server.increment(),
                Ok(Some(Event::Push(method, payload))) => {
                    self.counters.quests_from_server.increment();
                    if !self.subscriptions.is_empty() {
                        pushes::hand_on(&mut self.actions, self.subscriptions.connection(), method, payload);
                    }
                }
                Ok(Some(Event::Listened(Err(Error::Answer(error))))) if self.clock_check.is_refusal(&error) => {
                    self.handle_listen_refused(now, error);
                }
                Ok(Some(Event::Listened(outcome))) => self.handle_listen_answer(now, outcome),
                Ok(Some(Event::Pong(seq, server_ms))) => self.handle_pong(now, seq, server_ms),
                Ok(Some(Event::StepDone)) => self.continue_handshake(now),
                Ok(Some(Event::Answer(Answer { seq, status, flag, payload }))) => {
                    let len = payload.len();
                    match self.calls.remove_sent(seq) {
                        Some(mut call) => {
                            let payload = connection.take_payload(len, call.take_spare());
                            self.handle_answer(now, call, RawAnswer { status, flag, payload });
                        }
                        None => self.drop_late_answer(seq),
                    }
                }
                Err(failure) => self.end_connection(now, failure),
            }
        }
    }

    fn handle_answer(&mut self, now: Instant, call: InFlight<T>, answer: RawAnswer) {
        if answer.status == 0 {
            self.complete(call.token, Ok(answer));
        } else {
            self.handle_error_answer(now, call, answer);
        }
    }

    /// The call that the answer belongs to is over.
    fn drop_late_answer(&mut self, seq: u32) {
        self.counters.late_answers.increment();
        log::debug!("dropped a late answer, to quest {seq}");
    }
}
