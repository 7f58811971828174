//! The life of the engine's connections, from the first to the end of the client, and the effect of each change on
//! calls.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::calls::{InFlight, SendState};
use super::connection::{Connection, Failure};
use super::connector::Request;
use super::handshake::Handshake;
use super::{Action, ConnectionInfo, DialId, Engine, RawAnswer, State, Token};
use crate::error::{CloseReason, ConnectCause, ConnectionClosedError, Error, SystemError};

impl<T: Token> Engine<T> {
    /// Handles a user's request to connect. `token` gets the outcome.
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

    /// Handles the result of the lookup that [`Action::Resolve`] started.
    pub fn handle_resolved(&mut self, now: Instant, attempt: u64, result: io::Result<Vec<SocketAddr>>) {
        let request = self.connector.handle_resolved(now, attempt, result);
        self.follow(now, request);
    }

    /// Handles a dial that has connected. Returns whether its socket is wanted. If it is, the driver drops all other
    /// sockets.
    #[must_use]
    pub fn handle_dialed(&mut self, now: Instant, dial: DialId, peer: SocketAddr) -> bool {
        let Some(attempt) = self.connector.hand_over(dial) else { return false };
        let info = ConnectionInfo { number: self.connector.next_number(), peer, lived: Duration::ZERO };
        self.state = State::InHandshake(Box::new(Connection::new(info, &self.settings, now)), attempt);
        self.continue_handshake(now);
        true
    }

    /// Handles a dial that failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: io::Error) {
        let request = self.connector.handle_dial_failed(now, dial, error);
        self.follow(now, request);
    }

    /// Ensures that there is a connection or an attempt, for a call.
    pub(super) fn connect_for_call(&mut self, now: Instant) -> Result<(), Error> {
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

    /// Whether to connect once the policy allows it.
    pub(super) fn wants_connection(&self) -> bool {
        self.connector.comes_back()
            || (self.settings.auto_connect && (self.calls.has_unsent() || self.subscriptions.has_new()))
    }

    /// Does what the connector requests.
    pub(super) fn follow(&mut self, now: Instant, request: Option<Request>) {
        match request {
            None => {}
            Some(Request::Resolve(attempt)) => self.actions.push_back(Action::Resolve(attempt)),
            Some(Request::Dial(dial, address)) => self.actions.push_back(Action::Dial(dial, address)),
            Some(Request::GiveUp(cause)) => self.fail_attempt(now, cause),
        }
    }

    /// Continues with the next step of the handshake, or completes it.
    pub(super) fn continue_handshake(&mut self, now: Instant) {
        let State::InHandshake(connection, _) = &mut self.state else { return };
        let seq = self.calls.next_seq(|_| false);
        match connection.begin_next_step(seq) {
            Ok(true) => {}
            Ok(false) if self.begin_listening(now) => {}
            Ok(false) => self.become_ready(now),
            Err(cause) => self.end_connection(now, Failure::Handshake(cause)),
        }
    }

    pub(super) fn become_ready(&mut self, now: Instant) {
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

    /// Ends the connection for any reason except that the client was closed.
    pub(super) fn end_connection(&mut self, now: Instant, failure: Failure) {
        let is_listening = self.subscriptions.is_asking();
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
                // A completed handshake cannot fail.
                Failure::Handshake(_) => self.state = State::Ready(connection),
            },
            state => self.state = state,
        }
    }

    /// Handles the loss of a connection that carried calls.
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
        // Unsent calls wait for the next attempt if one may start at once.
        if (self.calls.has_unsent() || self.subscriptions.has_new()) && self.connect_for_call(now).is_err() {
            self.fail_unsent(&error(false));
        }
    }

    /// Handles the failure of an attempt. Fails the calls that waited for it.
    fn fail_attempt(&mut self, now: Instant, cause: ConnectCause) {
        self.actions.push_back(Action::Disconnect);
        self.counters.connect_failures.increment();
        let error = self.connector.record_failure(cause);
        log::warn!("{error:#}");
        self.fail_unsent(&error);
        self.connector.plan(now, self.wants_connection());
    }

    /// Fails the calls that waited for a connection, except those that also wait for the next one.
    fn fail_unsent(&mut self, error: &Error) {
        for call in self.calls.remove_unsent_not_waiting() {
            self.finish(call, Err(error.clone()));
        }
        for token in std::mem::take(&mut self.connect_waiters).into_iter().chain(self.subscriptions.fail_new()) {
            self.complete(token, Err(error.clone()));
        }
    }

    /// Handles the closing of the client. Ends every call in flight.
    pub fn handle_close(&mut self, now: Instant) {
        self.end(now, None);
    }

    /// Handles a fatal error of the driver. Ends every call in flight.
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
        for token in std::mem::take(&mut self.connect_waiters).into_iter().chain(self.subscriptions.fail_all_new()) {
            self.complete(token, Err(error(false)));
        }
    }
}

/// Whether any byte of the call was passed to the operating system, on `connection` or on one that is gone.
fn has_left<T>(call: &InFlight<T>, connection: Option<&Connection>) -> bool {
    match &call.send_state {
        SendState::Queued(_) => false,
        SendState::Sent(sent) => connection.is_none_or(|connection| connection.has_left(sent)),
    }
}
