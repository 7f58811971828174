//! The life of the connection: the states, and what leads from one to the next. `docs/connection.md` draws them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backoff;
use super::info::ConnectionInfo;
use super::link::Link;
use super::{Action, DialId, Engine};
use crate::error::{CloseReason, ConnectCause, ConnectError, ConnectionClosedError, Error, NotConnectedError, Stage};
#[cfg(feature = "encryption")]
use crate::fpnn::KeyExchange;

/// The next address of a name is tried when those before it have not answered for this long (RFC 8305 calls it the
/// connection attempt delay).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Where the life of the connection stands.
#[derive(Debug)]
pub(super) enum State {
    /// There is no connection. A call makes one; so does the client itself, if it is to come back.
    Idle { comes_back_at: Option<Instant> },
    /// There is no connection, and the policy stays away from the server.
    Waiting { until: Instant },
    /// The name service was asked.
    Resolving { attempt: u64, deadline: Instant },
    /// Addresses are being tried.
    Dialing(Dialing),
    /// The link is there, and its first quest, the key exchange, waits for its answer.
    #[cfg_attr(not(feature = "encryption"), allow(dead_code))]
    Keying { seq: u32, deadline: Instant },
    /// The link carries calls.
    Online,
    /// The client was closed. Nothing leads out of here.
    Closed,
}

/// An attempt to reach one of the addresses of a name.
#[derive(Debug)]
pub(super) struct Dialing {
    deadline: Instant,
    untried: VecDeque<SocketAddr>,
    open: Vec<(DialId, SocketAddr)>,
    next_at: Instant,
}

impl<T> Engine<T> {
    /// The user asks for a connection. `token` is told when there is one, or why there is none.
    pub fn handle_connect(&mut self, now: Instant, token: T) {
        match self.state {
            State::Online => self.complete(token, Ok(super::RawAnswer::default())),
            State::Closed => self.complete(token, Err(Error::closed(false))),
            State::Idle { .. } | State::Waiting { .. } => {
                self.connect_waiters.push(token);
                self.start_connecting(now);
            }
            State::Resolving { .. } | State::Dialing(_) | State::Keying { .. } => self.connect_waiters.push(token),
        }
    }

    /// The name service answered the question of [`Action::Resolve`].
    pub fn handle_resolved(&mut self, now: Instant, attempt: u64, result: io::Result<Vec<SocketAddr>>) {
        self.lookup = None;
        let State::Resolving { attempt: current, deadline } = self.state else { return };
        match result {
            // An attempt that was given up had asked. What it learns now is better than nothing, but no failure of this.
            Err(_) if current != attempt => self.look_up(),
            Ok(addresses) if addresses.is_empty() => self.fail_connecting(now, ConnectCause::NoAddress),
            Ok(addresses) => {
                let untried = addresses.into();
                self.state = State::Dialing(Dialing { deadline, untried, open: Vec::new(), next_at: now });
                self.dial_next(now);
            }
            Err(error) => self.fail_connecting(now, ConnectCause::Resolve(error.into())),
        }
    }

    /// A dial reached its address. Says whether its socket is wanted; all other sockets are not wanted any more then.
    #[must_use]
    pub fn handle_dialed(&mut self, now: Instant, dial: DialId, peer: SocketAddr) -> bool {
        let State::Dialing(dialing) = &self.state else { return false };
        if !dialing.open.iter().any(|(open, _)| *open == dial) {
            return false;
        }
        let deadline = dialing.deadline;
        let info = ConnectionInfo { number: self.connections + 1, peer, lived: Duration::ZERO };
        self.link = Some(Link::new(info, &self.settings, now));
        self.begin_session(now, deadline);
        true
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: io::Error) {
        let State::Dialing(dialing) = &mut self.state else { return };
        let Some(at) = dialing.open.iter().position(|(open, _)| *open == dial) else { return };
        let (_, address) = dialing.open.remove(at);
        log::debug!("{address}: {error}");
        if !dialing.untried.is_empty() {
            self.dial_next(now);
        } else if dialing.open.is_empty() {
            self.fail_connecting(now, ConnectCause::Dial { address, error: Arc::new(error) });
        }
    }

    /// The server closed the connection.
    pub fn handle_eof(&mut self, now: Instant) {
        self.lose_link(now, CloseReason::Peer);
    }

    /// Reading or writing failed.
    pub fn handle_io_error(&mut self, now: Instant, error: io::Error) {
        self.lose_link(now, error.into());
    }

    /// The client is closed. Every call in flight ends.
    pub fn handle_close(&mut self, now: Instant) {
        self.actions.push_back(Action::Disconnect);
        let link = self.link.take();
        if matches!(self.state, State::Online) {
            if let Some(link) = &link {
                self.actions.push_back(Action::Ended(link.info_at(now), None));
            }
        }
        self.state = State::Closed;
        self.queue.clear();
        for call in self.calls.remove_where(|_| true) {
            let may_have_executed = call.progress.has_left(link.as_ref());
            self.finish(call, Err(Error::closed(may_have_executed)));
        }
        for token in std::mem::take(&mut self.connect_waiters) {
            self.complete(token, Err(Error::closed(false)));
        }
    }

    /// Does what the state's own timer asks for.
    pub(super) fn handle_state_timeout(&mut self, now: Instant) {
        if self.state_due_at().is_none_or(|due| now < due) {
            return;
        }
        match &self.state {
            State::Idle { .. } => self.start_connecting(now),
            State::Waiting { .. } if self.comes_back() => self.start_connecting(now),
            State::Waiting { .. } => self.state = State::Idle { comes_back_at: None },
            State::Resolving { .. } => self.time_out_connecting(now, Stage::Resolving),
            State::Keying { .. } => self.time_out_connecting(now, Stage::KeyExchange),
            State::Dialing(dialing) if now < dialing.deadline => self.dial_next(now),
            State::Dialing(_) => self.time_out_connecting(now, Stage::Connecting),
            State::Online | State::Closed => {}
        }
    }

    pub(super) fn state_due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { comes_back_at } => *comes_back_at,
            State::Waiting { until } => Some(*until),
            State::Resolving { deadline, .. } | State::Keying { deadline, .. } => Some(*deadline),
            State::Dialing(dialing) if dialing.untried.is_empty() => Some(dialing.deadline),
            State::Dialing(dialing) => Some(dialing.deadline.min(dialing.next_at)),
            State::Online | State::Closed => None,
        }
    }

    /// What a call that was not sent is waiting for.
    pub(super) fn stage(&self) -> Stage {
        match self.state {
            State::Resolving { .. } => Stage::Resolving,
            State::Dialing(_) | State::Idle { .. } | State::Waiting { .. } => Stage::Connecting,
            State::Keying { .. } => Stage::KeyExchange,
            State::Online | State::Closed => Stage::Queued,
        }
    }

    /// Makes sure that a connection is there or under way, for a call.
    pub(super) fn connect_for_call(&mut self, now: Instant) -> Result<(), Error> {
        match self.state {
            State::Online | State::Resolving { .. } | State::Dialing(_) | State::Keying { .. } => Ok(()),
            State::Closed => Err(Error::closed(false)),
            State::Waiting { until } if now < until => Err(self.not_connected(Some(until - now))),
            State::Idle { .. } | State::Waiting { .. } if !self.settings.auto_connect => Err(self.not_connected(None)),
            State::Idle { .. } | State::Waiting { .. } => {
                self.start_connecting(now);
                Ok(())
            }
        }
    }

    fn not_connected(&self, retry_after: Option<Duration>) -> Error {
        Error::NotConnected(NotConnectedError::new(retry_after, self.last_error.clone()))
    }

    fn start_connecting(&mut self, now: Instant) {
        self.attempts += 1;
        log::debug!("connecting to {}", self.settings.endpoint);
        self.state = State::Resolving { attempt: self.attempts, deadline: now + self.settings.connect_timeout };
        self.look_up();
    }

    /// Asks the name service, unless an earlier question is still open: a resolver that hangs must not gather threads.
    fn look_up(&mut self) {
        if self.lookup.is_none() {
            self.lookup = Some(self.attempts);
            self.actions.push_back(Action::Resolve(self.attempts));
        }
    }

    fn dial_next(&mut self, now: Instant) {
        let State::Dialing(dialing) = &mut self.state else { return };
        let Some(address) = dialing.untried.pop_front() else { return };
        self.dials += 1;
        dialing.open.push((self.dials, address));
        dialing.next_at = now + NEXT_ADDRESS_AFTER;
        self.actions.push_back(Action::Dial(self.dials, address));
    }

    /// The link is there: exchange keys, or carry calls at once.
    #[cfg(feature = "encryption")]
    fn begin_session(&mut self, now: Instant, deadline: Instant) {
        let Some(encryption) = &self.settings.encryption else { return self.go_online() };
        let Some(link) = &mut self.link else { return };
        let seq = self.calls.next_seq(&[]);
        match KeyExchange::begin(encryption) {
            Ok(exchange) => {
                link.begin_key_exchange(exchange, seq);
                self.state = State::Keying { seq, deadline };
            }
            Err(error) => self.fail_connecting(now, ConnectCause::KeyGeneration(Arc::new(error))),
        }
    }

    #[cfg(not(feature = "encryption"))]
    fn begin_session(&mut self, _now: Instant, _deadline: Instant) {
        self.go_online();
    }

    pub(super) fn go_online(&mut self) {
        self.state = State::Online;
        self.connections += 1;
        self.counters.connections.increment();
        if let Some(link) = &self.link {
            log::info!("connected to {} at {}", self.settings.endpoint, link.info.peer);
            self.actions.push_back(Action::Opened(link.info.clone()));
        }
        for token in std::mem::take(&mut self.connect_waiters) {
            self.complete(token, Ok(super::RawAnswer::default()));
        }
        self.pump();
    }

    fn time_out_connecting(&mut self, now: Instant, stage: Stage) {
        self.fail_connecting(now, ConnectCause::TimedOut { timeout: self.settings.connect_timeout, stage });
    }

    /// The attempt to connect failed, and with it the calls that waited for it.
    pub(super) fn fail_connecting(&mut self, now: Instant, cause: ConnectCause) {
        let error = Error::Connect(ConnectError::new(Arc::clone(&self.settings.endpoint), cause));
        log::warn!("{error}");
        self.counters.connect_failures.increment();
        self.actions.push_back(Action::Disconnect);
        self.link = None;
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.clone());
        self.fail_unsent(&error);
        self.plan_return(now);
    }

    /// The connection is over, for whatever reason but the user's wish.
    pub(super) fn lose_link(&mut self, now: Instant, reason: CloseReason) {
        if matches!(self.state, State::Keying { .. }) {
            return self.fail_connecting(now, ConnectCause::KeyExchange(reason));
        }
        let Some(link) = self.link.take() else { return };
        self.actions.push_back(Action::Disconnect);
        let info = link.info_at(now);
        let error = |may| Error::ConnectionClosed(ConnectionClosedError::new(reason.clone(), may));
        log::warn!("connection to {} ended after {:.1?}: {reason}", info.peer, info.lived);
        for call in self.calls.remove_where(super::inflight::InFlight::is_sent) {
            let may_have_executed = call.progress.has_left(Some(&link));
            self.finish(call, Err(error(may_have_executed)));
        }
        let short_lived = info.lived < self.settings.reconnect.short_lived;
        self.failures = if short_lived { self.failures.saturating_add(1) } else { 0 };
        self.last_error = Some(error(false));
        self.actions.push_back(Action::Ended(info, Some(error(true))));
        self.plan_return(now);
        self.settle_unsent(now, &error(false));
    }

    /// Calls that were not sent go with the next attempt, if there is to be one at once.
    fn settle_unsent(&mut self, now: Instant, error: &Error) {
        if self.queue.is_empty() {
            return;
        }
        match self.connect_for_call(now) {
            Ok(()) => {}
            Err(_) => self.fail_unsent(error),
        }
    }

    fn fail_unsent(&mut self, error: &Error) {
        self.queue.clear();
        for call in self.calls.remove_where(|call| !call.is_sent()) {
            self.finish(call, Err(error.clone()));
        }
        for token in std::mem::take(&mut self.connect_waiters) {
            self.complete(token, Err(error.clone()));
        }
    }

    /// Whether the client makes a new connection without being asked to.
    fn comes_back(&self) -> bool {
        self.connections > 0 && self.settings.reconnect.enabled
    }

    fn plan_return(&mut self, now: Instant) {
        let chance = self.random.f64();
        let policy = &self.settings.reconnect;
        self.state = match backoff::policy_delay(policy, self.failures, chance) {
            Some(delay) => {
                log::info!("waiting {delay:.1?} before the next attempt, after {} failures in a row", self.failures);
                State::Waiting { until: now + delay }
            }
            None if self.comes_back() => {
                State::Idle { comes_back_at: Some(now + backoff::pause(policy, self.failures, chance)) }
            }
            None => State::Idle { comes_back_at: None },
        };
    }
}
