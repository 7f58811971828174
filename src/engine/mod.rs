//! The client's engine: what to send, whom to answer, when to give up. It does no I/O and has no clock.
//!
//! The driver above it tells what happened (`handle_*`, with the time), then does what the engine asks for
//! ([`Engine::next_action`]), writes what it wants written ([`Engine::output`]), and comes back at the latest when
//! [`Engine::next_due`] says. So the whole engine is tested on simulated time, without a socket.
//!
//! It is generic over `T`, the token that stands for whoever waits for the outcome of a call.

mod action;
mod backoff;
mod calls;
mod clock;
mod connection;
mod connector;
mod counters;
mod handshake;
mod info;
mod keepalive;
mod listening;
mod outbuf;
mod pacing;
mod pushes;
mod refusals;
mod settings;
mod timers;
mod token;

#[cfg(test)]
mod tests;

pub use action::{Action, DialId, Outcome, RawAnswer, RawPushes};
pub use calls::NewCall;
pub use counters::{Counter, Counters, Stats};
pub use info::ConnectionInfo;
pub use listening::{ListenerId, NewWish};
pub use settings::Settings;
pub use token::Token;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{CloseReason, ConnectCause, ConnectionClosedError, Error, Stage, SystemError};
use crate::fpnn::Answer;
use calls::{Calls, InFlight, Progress};
use clock::ClockCheck;
use connection::{Connection, Event, Failure};
use connector::{Attempt, Connector, Request};
use handshake::Handshake;
use listening::Wishes;
use pacing::Pacing;

/// See the [module](self).
#[derive(Debug)]
pub struct Engine<T> {
    settings: Settings,
    counters: Arc<Counters>,
    actions: VecDeque<Action<T>>,
    connector: Connector,
    state: State,
    calls: Calls<T>,
    pacing: Pacing,
    connect_waiters: Vec<T>,
    wishes: Wishes<T>,
    clock: ClockCheck<T>,
    /// When the answer to the `setlisten` in flight is late.
    listen_deadline: Option<Instant>,
    /// Bytes of frames that wait in the queue no longer, since somebody asked.
    released: usize,
}

/// Where the client stands.
#[derive(Debug)]
enum State {
    /// There is no connection: the connector idles, waits, or makes one.
    Disconnected,
    /// A connection is in its handshake. Should that fail, the attempt goes on.
    InHandshake(Box<Connection>, Attempt),
    /// The connection carries calls.
    Ready(Box<Connection>),
    /// The client was closed. Nothing leads out of here.
    Closed,
}

impl State {
    fn connection(&self) -> Option<&Connection> {
        match self {
            State::InHandshake(connection, _) | State::Ready(connection) => Some(connection),
            State::Disconnected | State::Closed => None,
        }
    }

    fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            State::InHandshake(connection, _) | State::Ready(connection) => Some(connection),
            State::Disconnected | State::Closed => None,
        }
    }
}

/// What the driver tells and asks.
impl<T: Token> Engine<T> {
    /// An engine without a connection. `seed` decides what chance decides.
    pub fn new(settings: Settings, counters: Arc<Counters>, seed: u64) -> Engine<T> {
        Engine {
            counters,
            actions: VecDeque::new(),
            connector: Connector::new(&settings, seed),
            state: State::Disconnected,
            calls: Calls::new(),
            pacing: Pacing::new(settings.max_rate),
            connect_waiters: Vec::new(),
            wishes: Wishes::new(),
            clock: ClockCheck::new(settings.correct_clock),
            listen_deadline: None,
            released: 0,
            settings,
        }
    }

    /// The next thing to do, if any. To be asked until there is none, after every `handle_*`.
    pub fn next_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Engine::handle_timeout) has something to do, at the earliest.
    pub fn next_due(&mut self) -> Option<Instant> {
        let state_due = match &self.state {
            State::Disconnected => self.connector.due_at(),
            State::InHandshake(_, attempt) => Some(attempt.deadline),
            State::Ready(connection) => connection.keep_alive_due_at(),
            State::Closed => None,
        };
        let dues = [self.calls.next_due(), self.turn_due_at(), state_due, self.listening_due_at(), self.clock.due_at()];
        dues.into_iter().flatten().min()
    }

    /// How many bytes have left the queue of unsent frames since this was asked last.
    pub fn take_released(&mut self) -> usize {
        std::mem::take(&mut self.released)
    }

    /// Whether any call is under way.
    pub fn has_calls(&self) -> bool {
        self.in_flight() > 0 || self.clock.is_asking()
    }

    /// How many calls of callers are under way.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// A call comes in. It makes a connection, where that is allowed, or ends at once.
    pub fn handle_call(&mut self, now: Instant, call: NewCall<T>) {
        if let Err(error) = self.admit(now, &call) {
            self.released += call.frame.len();
            return self.complete(call.token, Err(error));
        }
        let NewCall { frame, deadline, timeout, wait_for_ready, token } = call;
        let connection = self.state.connection();
        let seq = self.calls.next_seq(|seq| connection.is_some_and(|connection| connection.uses_seq(seq)));
        let progress = match &mut self.state {
            State::Ready(connection)
                if self.calls.queue_len() == 0
                    && connection.has_room()
                    && self.pacing.is_turn(now)
                    && token.begin_sending() =>
            {
                self.pacing.record_sent(now);
                self.released += frame.len();
                self.counters.sent.increment();
                Progress::Sent(connection.send(seq, frame))
            }
            _ => Progress::Queued(frame),
        };
        self.calls.insert(seq, InFlight { token, deadline, timeout, wait_for_ready, progress });
        // A call whose caller has given up must not stay in the queue: nothing would be sent past it until bytes leave.
        self.send_queued(now);
    }

    /// The user asks for a connection. `token` is told when there is one, or why there is none.
    pub fn handle_connect(&mut self, now: Instant, token: T) {
        match self.state {
            State::Ready(_) => self.complete(token, Ok(RawAnswer::default())),
            State::Closed => self.complete(token, Err(Error::closed(false))),
            State::InHandshake(..) => self.connect_waiters.push(token),
            State::Disconnected => {
                self.connect_waiters.push(token);
                let request = self.connector.connect(now);
                self.follow(now, request);
            }
        }
    }

    /// The name service answered the question of [`Action::Resolve`].
    pub fn handle_resolved(&mut self, now: Instant, attempt: u64, result: io::Result<Vec<SocketAddr>>) {
        let request = self.connector.handle_resolved(now, attempt, result);
        self.follow(now, request);
    }

    /// A dial reached its address. Says whether its socket is wanted; all other sockets are not wanted any more then.
    #[must_use]
    pub fn handle_dialed(&mut self, now: Instant, dial: DialId, peer: SocketAddr) -> bool {
        let Some(attempt) = self.connector.hand_over(dial) else { return false };
        let info = ConnectionInfo { number: self.connector.next_number(), peer, lived: Duration::ZERO };
        self.state = State::InHandshake(Box::new(Connection::new(info, &self.settings, now)), attempt);
        self.continue_handshake(now);
        true
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: io::Error) {
        let request = self.connector.handle_dial_failed(now, dial, error);
        self.follow(now, request);
    }

    /// Room for the next read, while there is a connection.
    pub fn input(&mut self) -> Option<&mut [u8]> {
        self.state.connection_mut().map(Connection::input)
    }

    /// The first `received` bytes of [`input`](Engine::input) were filled in.
    pub fn handle_received(&mut self, now: Instant, received: usize) {
        let Some(connection) = self.state.connection_mut() else { return };
        self.counters.bytes_in.add(received as u64);
        connection.handle_received(now, received);
        self.handle_events(now);
    }

    /// What is to be written, while there is a connection and anything to write.
    pub fn output(&self) -> Option<&[u8]> {
        self.state.connection().map(Connection::output).filter(|unsent| !unsent.is_empty())
    }

    /// The first `written` bytes of [`output`](Engine::output) have left.
    pub fn handle_written(&mut self, now: Instant, written: usize) {
        let Some(connection) = self.state.connection_mut() else { return };
        self.counters.bytes_out.add(written as u64);
        connection.handle_written(now, written);
        self.send_queued(now);
    }

    /// The system takes nothing of [`output`](Engine::output) for now.
    pub fn handle_write_blocked(&mut self) {
        self.state.connection_mut().into_iter().for_each(Connection::handle_write_blocked);
    }

    /// The server closed the connection.
    pub fn handle_eof(&mut self, now: Instant) {
        self.end_connection(now, CloseReason::Peer.into());
    }

    /// Reading or writing failed.
    pub fn handle_io_error(&mut self, now: Instant, error: io::Error) {
        self.end_connection(now, CloseReason::io(error).into());
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(call) = self.calls.pop_expired(now) {
            let stage = if call.is_sent() { Stage::WaitingForAnswer } else { self.stage() };
            let error = Error::timed_out(stage, call.timeout);
            self.finish(call, Err(error));
        }
        self.calls.tidy_queue();
        self.check_refused(now);
        self.check_listening(now);
        match &mut self.state {
            State::Disconnected => {
                let is_wanted = self.wants_connection();
                let request = self.connector.handle_timeout(now, is_wanted);
                self.follow(now, request);
            }
            State::InHandshake(_, attempt) if attempt.deadline <= now => {
                let cause = self.connector.timed_out(self.handshake_stage());
                self.end_connection(now, Failure::Handshake(cause));
            }
            State::Ready(connection) => {
                let calls = &mut self.calls;
                let next_seq = |connection: &Connection| calls.next_seq(|seq| connection.uses_seq(seq));
                if let Err(reason) = connection.check_alive(now, next_seq) {
                    self.end_connection(now, reason.into());
                }
            }
            State::InHandshake(..) | State::Closed => {}
        }
        self.send_queued(now);
    }

    /// From now on, at most `rate` calls a second are sent; `None` ends the limit.
    pub fn handle_max_rate(&mut self, now: Instant, rate: Option<u32>) {
        self.pacing.set_rate(rate);
        self.send_queued(now);
    }

    /// The driver does not read for now: the silence is not the server's.
    pub fn handle_reading_paused(&mut self, now: Instant) {
        if let Some(connection) = self.state.connection_mut() {
            connection.record_activity(now);
        }
    }

    /// The client is closed. Every call in flight ends.
    pub fn handle_close(&mut self, now: Instant) {
        self.end(now, None);
    }

    /// The driver cannot go on. Every call in flight ends.
    pub fn handle_failure(&mut self, now: Instant, error: SystemError) {
        self.end(now, Some(error));
    }

    fn end(&mut self, now: Instant, failure: Option<SystemError>) {
        let error = |may_have_executed| match &failure {
            None => Error::closed(may_have_executed),
            Some(failure) => Error::System(failure.clone().with_call(may_have_executed)),
        };
        self.actions.push_back(Action::Disconnect);
        let state = std::mem::replace(&mut self.state, State::Closed);
        if let State::Ready(connection) = &state {
            self.actions.push_back(Action::Ended(connection.info(now), failure.is_some().then(|| error(false))));
        }
        self.stop_listening();
        self.release_refused(now);
        for call in self.calls.remove_all() {
            let may_have_executed = has_left(&call, state.connection());
            self.finish(call, Err(error(may_have_executed)));
        }
        for token in std::mem::take(&mut self.connect_waiters).into_iter().chain(self.wishes.fail_all_new()) {
            self.complete(token, Err(error(false)));
        }
    }
}

/// What follows from it.
impl<T: Token> Engine<T> {
    /// What a call that was not sent is waiting for.
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Disconnected => self.connector.stage(),
            State::InHandshake(..) => self.handshake_stage(),
            State::Ready(connection) if self.pacing.is_on() && connection.has_room() => Stage::WaitingForTurn,
            State::Ready(_) | State::Closed => Stage::Queued,
        }
    }

    /// When a call that waits for nothing but its turn has it.
    fn turn_due_at(&self) -> Option<Instant> {
        let State::Ready(connection) = &self.state else { return None };
        let is_waiting = self.calls.queue_len() > 0 && self.calls.has_unsent() && connection.has_room();
        self.pacing.next_turn().filter(|_| is_waiting)
    }

    /// What a call waits for while the handshake is under way.
    fn handshake_stage(&self) -> Stage {
        if self.wishes.is_asking() { Stage::Listening } else { Handshake::stage() }
    }

    /// Makes sure that a new call has a connection to wait for.
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

    /// Makes sure that a connection is there or under way, for a call.
    fn connect_for_call(&mut self, now: Instant) -> Result<(), Error> {
        match self.state {
            State::InHandshake(..) | State::Ready(_) => return Ok(()),
            State::Closed => return Err(Error::closed(false)),
            State::Disconnected => {}
        }
        if !self.settings.auto_connect {
            return self.connector.join_for_call(now);
        }
        let request = self.connector.connect_for_call(now)?;
        self.follow(now, request);
        Ok(())
    }

    /// Whether a connection is to be made once the policy allows it.
    fn wants_connection(&self) -> bool {
        self.connector.comes_back()
            || (self.settings.auto_connect && (self.calls.has_unsent() || self.wishes.has_new()))
    }

    /// Does what the connector asks for.
    fn follow(&mut self, now: Instant, request: Option<Request>) {
        match request {
            None => {}
            Some(Request::Resolve(attempt)) => self.actions.push_back(Action::Resolve(attempt)),
            Some(Request::Dial(dial, address)) => self.actions.push_back(Action::Dial(dial, address)),
            Some(Request::GiveUp(cause)) => self.fail_attempt(now, cause),
        }
    }

    /// Goes on to the next step of the handshake, or past the last one.
    fn continue_handshake(&mut self, now: Instant) {
        let State::InHandshake(connection, _) = &mut self.state else { return };
        let seq = self.calls.next_seq(|_| false);
        match connection.begin_next_step(seq) {
            Ok(true) => {}
            Ok(false) if self.begin_listening(now) => {}
            Ok(false) => self.become_ready(now),
            Err(cause) => self.end_connection(now, Failure::Handshake(cause)),
        }
    }

    fn become_ready(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Disconnected) {
            State::InHandshake(connection, _) => {
                let info = ConnectionInfo { lived: Duration::ZERO, ..connection.info(now) };
                self.state = State::Ready(connection);
                self.connector.record_connected();
                self.counters.connections.increment();
                log::info!("connected to {} at {}", self.settings.endpoint, info.peer);
                self.actions.push_back(Action::Opened(info));
            }
            state => self.state = state,
        }
        for token in std::mem::take(&mut self.connect_waiters) {
            self.complete(token, Ok(RawAnswer::default()));
        }
        self.send_queued(now);
    }

    /// Moves calls from the queue to the connection, as far as it has room and they have their turn.
    fn send_queued(&mut self, now: Instant) {
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

    /// Handles every whole frame that has come.
    fn handle_events(&mut self, now: Instant) {
        while let Some(connection) = self.state.connection_mut() {
            match connection.next_event() {
                Ok(None) => return,
                Ok(Some(Event::Quest)) => self.counters.quests_from_server.increment(),
                Ok(Some(Event::Push(method, payload))) => {
                    self.counters.quests_from_server.increment();
                    if !self.wishes.is_empty() {
                        pushes::hand_on(&mut self.actions, self.wishes.connection(), method, payload);
                    }
                }
                Ok(Some(Event::Listened(Err(Error::Answer(error))))) if self.clock.is_refusal(&error) => {
                    self.handle_listen_refused(now, error);
                }
                Ok(Some(Event::Listened(outcome))) => self.handle_listen_answer(now, outcome),
                Ok(Some(Event::Pong(seq, server_ms))) => self.handle_pong(now, seq, server_ms),
                Ok(Some(Event::StepDone)) => self.continue_handshake(now),
                Ok(Some(Event::Answer(answer))) => match self.calls.remove_sent(answer.seq) {
                    Some(mut call) => {
                        let Answer { status, flag, payload, .. } = answer;
                        let len = payload.len();
                        let payload = connection.take_payload(len, call.take_spare());
                        let answer = RawAnswer { status, flag, payload };
                        if status == 0 {
                            self.complete(call.token, Ok(answer));
                        } else {
                            self.handle_error_answer(now, call, answer);
                        }
                    }
                    None => {
                        self.counters.late_answers.increment();
                        log::debug!("dropped a late answer, to quest {}", answer.seq);
                    }
                },
                Err(failure) => self.end_connection(now, failure),
            }
        }
    }

    /// The connection is over, for whatever reason but the user's wish.
    fn end_connection(&mut self, now: Instant, failure: Failure) {
        let is_listening = self.wishes.is_asking();
        self.stop_listening();
        self.release_refused(now);
        match std::mem::replace(&mut self.state, State::Disconnected) {
            State::InHandshake(_, attempt) => {
                let cause = match failure {
                    Failure::Handshake(cause) => cause,
                    Failure::Closed(reason) if is_listening => ConnectCause::Listening(reason),
                    Failure::Closed(reason) => Handshake::interrupted_by(reason),
                };
                self.actions.push_back(Action::Disconnect);
                let request = self.connector.resume(now, attempt, cause);
                self.follow(now, Some(request));
            }
            State::Ready(connection) => match failure {
                Failure::Closed(reason) => self.lose(now, &connection, &reason),
                // A handshake that is over cannot fail.
                Failure::Handshake(_) => self.state = State::Ready(connection),
            },
            state => self.state = state,
        }
    }

    /// A connection that carried calls is lost.
    fn lose(&mut self, now: Instant, connection: &Connection, reason: &CloseReason) {
        let error = |may| Error::ConnectionClosed(ConnectionClosedError::new(reason.clone(), may));
        let info = connection.info(now);
        log::warn!("connection to {} ended after {:.1?}: {reason:#}", info.peer, info.lived);
        self.actions.push_back(Action::Disconnect);
        for call in self.calls.remove_all_sent() {
            let may_have_executed = has_left(&call, Some(connection));
            self.finish(call, Err(error(may_have_executed)));
        }
        let ended = Error::ConnectionClosed(ConnectionClosedError::without_call(reason.clone()));
        self.connector.take_back(now, info.lived, connection.has_answered(), ended.clone());
        self.connector.plan(now, self.wants_connection());
        self.actions.push_back(Action::Ended(info, Some(ended)));
        // Calls that were not sent go with the next attempt, if there is to be one at once.
        if (self.calls.has_unsent() || self.wishes.has_new()) && self.connect_for_call(now).is_err() {
            self.fail_unsent(&error(false));
        }
    }

    /// The attempt to connect failed, and with it the calls that waited for it.
    fn fail_attempt(&mut self, now: Instant, cause: ConnectCause) {
        self.actions.push_back(Action::Disconnect);
        self.counters.connect_failures.increment();
        let error = self.connector.record_failure(cause);
        log::warn!("{error:#}");
        self.fail_unsent(&error);
        self.connector.plan(now, self.wants_connection());
    }

    /// Fails the calls that waited for a connection, but for those that wait for the next one too.
    fn fail_unsent(&mut self, error: &Error) {
        for call in self.calls.remove_unsent_not_waiting() {
            self.finish(call, Err(error.clone()));
        }
        for token in std::mem::take(&mut self.connect_waiters).into_iter().chain(self.wishes.fail_new()) {
            self.complete(token, Err(error.clone()));
        }
    }

    fn complete(&mut self, token: T, outcome: Outcome) {
        self.actions.push_back(Action::Complete(token, outcome));
    }

    /// Completes a call that was taken out of the table.
    fn finish(&mut self, call: InFlight<T>, outcome: Outcome) {
        if let Progress::Queued(frame) = &call.progress {
            self.released += frame.len();
        }
        self.complete(call.token, outcome);
    }
}

/// Whether any byte of the call has gone to the operating system, over `connection` or one that is gone.
fn has_left<T>(call: &InFlight<T>, connection: Option<&Connection>) -> bool {
    match &call.progress {
        Progress::Queued(_) => false,
        Progress::Sent(sent) => connection.is_none_or(|connection| connection.has_left(sent)),
    }
}
