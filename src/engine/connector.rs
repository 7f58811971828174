//! Makes connections: it idles, waits, resolves and dials. It knows neither what a connection carries nor who asks for one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::DialId;
use super::backoff::{Backoff, Next};
use super::settings::Settings;
use crate::error::{ConnectCause, ConnectError, Error, NotConnectedError, Stage};

/// The next address of a name is tried when those before it have not answered for this long (RFC 8305 calls it the
/// connection attempt delay).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// See the [module](self). It outlives the connections that it makes, since it counts their failures.
#[derive(Debug)]
pub(super) struct Connector {
    endpoint: Arc<str>,
    connect_timeout: Duration,
    backoff: Backoff,
    state: State,
    attempts: u64,
    /// The attempt whose question to the name service is still open.
    lookup: Option<u64>,
    dials: DialId,
    connections: u64,
    last_error: Option<Error>,
}

/// What the connector is doing. While there is a connection, it idles.
#[derive(Debug)]
enum State {
    /// Nothing is under way. An attempt begins when somebody asks for one.
    Idle,
    /// An attempt is due at `until`. A call goes with it, or has it begin earlier.
    Pausing { until: Instant },
    /// The policy stays away from the server. Calls are refused that do not wait for it.
    Waiting { until: Instant },
    /// The name service was asked.
    Resolving { attempt: u64, deadline: Instant },
    /// Addresses are being tried.
    Dialing { attempt: Attempt, open: Vec<(DialId, SocketAddr)>, next_at: Instant },
}

/// What is left of an attempt once a connection is there, should its handshake fail.
#[derive(Debug)]
pub(super) struct Attempt {
    /// When the time for connecting runs out.
    pub deadline: Instant,
    untried: VecDeque<SocketAddr>,
}

/// What the connector asks for.
#[derive(Debug)]
pub(super) enum Request {
    /// Resolve the endpoint, under this number.
    Resolve(u64),
    /// Dial the address.
    Dial(DialId, SocketAddr),
    /// Drop the attempt: it failed.
    GiveUp(ConnectCause),
}

impl Connector {
    /// A connector that was never connected. `seed` fixes its random numbers.
    pub(super) fn new(settings: &Settings, seed: u64) -> Connector {
        Connector {
            endpoint: Arc::clone(&settings.endpoint),
            connect_timeout: settings.connect_timeout,
            backoff: Backoff::new(settings.reconnect.clone(), seed),
            state: State::Idle,
            attempts: 0,
            lookup: None,
            dials: 0,
            connections: 0,
            last_error: None,
        }
    }

    /// What a call waits for that waits for a connection.
    pub(super) fn stage(&self) -> Stage {
        if matches!(self.state, State::Resolving { .. }) { Stage::Resolving } else { Stage::Connecting }
    }

    /// Makes a connection for a call.
    ///
    /// # Errors
    ///
    /// The policy waits. The wait goes on as if nobody had asked.
    pub(super) fn connect_for_call(&mut self, now: Instant) -> Result<Option<Request>, Error> {
        match self.state {
            State::Resolving { .. } | State::Dialing { .. } => Ok(None),
            State::Waiting { until } if now < until => Err(self.not_connected(Some(until - now))),
            State::Idle | State::Pausing { .. } | State::Waiting { .. } => {
                let at = self.backoff.next_for_call(now);
                if at <= now {
                    return Ok(self.connect(now));
                }
                self.state = State::Pausing { until: at };
                Ok(None)
            }
        }
    }

    /// Has a call wait for the attempt that is under way, if one is.
    ///
    /// # Errors
    ///
    /// None is.
    pub(super) fn join_for_call(&self, now: Instant) -> Result<(), Error> {
        match self.state {
            State::Resolving { .. } | State::Dialing { .. } => Ok(()),
            State::Waiting { until } if now < until => Err(self.not_connected(Some(until - now))),
            State::Idle | State::Pausing { .. } | State::Waiting { .. } => Err(self.not_connected(None)),
        }
    }

    /// Begins an attempt, unless one is under way. Does not wait for the policy.
    pub(super) fn connect(&mut self, now: Instant) -> Option<Request> {
        if matches!(self.state, State::Resolving { .. } | State::Dialing { .. }) {
            return None;
        }
        self.attempts += 1;
        self.backoff.record_attempt(now);
        log::debug!("connecting to {}", self.endpoint);
        self.state = State::Resolving { attempt: self.attempts, deadline: now + self.connect_timeout };
        self.look_up()
    }

    /// The name service answered the question of [`Request::Resolve`].
    pub(super) fn handle_resolved(
        &mut self,
        now: Instant,
        attempt: u64,
        result: io::Result<Vec<SocketAddr>>,
    ) -> Option<Request> {
        self.lookup = None;
        let State::Resolving { attempt: current, deadline } = self.state else { return None };
        match result {
            // The question was that of an attempt that was given up. An answer to it is good enough; a failure does not count.
            Err(_) if current != attempt => self.look_up(),
            Ok(addresses) if addresses.is_empty() => Some(Request::GiveUp(ConnectCause::NoAddress)),
            Ok(addresses) => {
                let attempt = Attempt { deadline, untried: addresses.into() };
                self.state = State::Dialing { attempt, open: Vec::new(), next_at: now };
                self.dial_next(now)
            }
            Err(error) => Some(Request::GiveUp(ConnectCause::Resolve(error.into()))),
        }
    }

    /// A dial reached its address. If it is still wanted, hands over what is left of the attempt: the connector
    /// is done with the connection, and all other dials are dropped.
    pub(super) fn hand_over(&mut self, dial: DialId) -> Option<Attempt> {
        let State::Dialing { attempt, open, .. } = &mut self.state else { return None };
        let at = open.iter().position(|(open, _)| *open == dial)?;
        open.remove(at);
        let mut untried = std::mem::take(&mut attempt.untried);
        // The dials that are dropped come first, should this connection fail in its handshake.
        for (_, address) in open.drain(..).rev() {
            untried.push_front(address);
        }
        let attempt = Attempt { deadline: attempt.deadline, untried };
        self.state = State::Idle;
        Some(attempt)
    }

    /// Takes an attempt back whose connection failed in its handshake: tries the next address, if there is one.
    pub(super) fn resume(&mut self, now: Instant, attempt: Attempt, cause: ConnectCause) -> Request {
        if now >= attempt.deadline || attempt.untried.is_empty() {
            return Request::GiveUp(cause);
        }
        log::debug!("trying the next address of {}: {cause}", self.endpoint);
        self.state = State::Dialing { attempt, open: Vec::new(), next_at: now };
        self.dial_next(now).unwrap_or(Request::GiveUp(cause))
    }

    /// A dial failed.
    pub(super) fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: io::Error) -> Option<Request> {
        let State::Dialing { attempt, open, .. } = &mut self.state else { return None };
        let at = open.iter().position(|(open, _)| *open == dial)?;
        let (_, address) = open.remove(at);
        log::debug!("{address}: {error}");
        if !attempt.untried.is_empty() {
            self.dial_next(now)
        } else if open.is_empty() {
            Some(Request::GiveUp(ConnectCause::Dial { address, error: Arc::new(error) }))
        } else {
            None
        }
    }

    /// Does what is due by now. `is_wanted` says whether a connection is wanted at the end of a wait.
    pub(super) fn handle_timeout(&mut self, now: Instant, is_wanted: bool) -> Option<Request> {
        if self.due_at().is_none_or(|due| now < due) {
            return None;
        }
        match &self.state {
            State::Idle => None,
            State::Pausing { .. } | State::Waiting { .. } if is_wanted => self.connect(now),
            State::Pausing { .. } | State::Waiting { .. } => {
                self.state = State::Idle;
                None
            }
            State::Dialing { attempt, .. } if now < attempt.deadline => self.dial_next(now),
            State::Resolving { .. } | State::Dialing { .. } => Some(Request::GiveUp(self.timed_out(self.stage()))),
        }
    }

    /// When [`handle_timeout`](Connector::handle_timeout) has something to do.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Pausing { until } | State::Waiting { until } => Some(*until),
            State::Resolving { deadline, .. } => Some(*deadline),
            State::Dialing { attempt, .. } if attempt.untried.is_empty() => Some(attempt.deadline),
            State::Dialing { attempt, next_at, .. } => Some(attempt.deadline.min(*next_at)),
        }
    }

    /// Why an attempt ended whose time ran out in `stage`.
    pub(super) fn timed_out(&self, stage: Stage) -> ConnectCause {
        ConnectCause::TimedOut { timeout: self.connect_timeout, stage }
    }

    /// The number of the next connection.
    pub(super) fn next_number(&self) -> u64 {
        self.connections + 1
    }

    /// A connection is ready for calls.
    pub(super) fn record_connected(&mut self) {
        self.connections += 1;
    }

    /// The attempt failed. To be followed by [`plan`](Connector::plan).
    pub(super) fn record_failure(&mut self, cause: ConnectCause) -> Error {
        let error = Error::Connect(ConnectError::new(Arc::clone(&self.endpoint), cause));
        self.backoff.record_failure();
        self.last_error = Some(error.clone());
        self.state = State::Idle;
        error
    }

    /// Takes over again: a connection that was ready has ended after `lived`. `has_answered` says whether the server
    /// answered anything on it. To be followed by [`plan`](Connector::plan).
    pub(super) fn take_back(&mut self, now: Instant, lived: Duration, has_answered: bool, error: Error) {
        self.backoff.record_loss(now, lived, has_answered);
        self.last_error = Some(error);
    }

    /// Decides when the next attempt begins. `is_wanted` says whether a connection is wanted.
    pub(super) fn plan(&mut self, now: Instant, is_wanted: bool) {
        self.state = match self.backoff.next_attempt(now) {
            Next::Soon(at) if is_wanted => State::Pausing { until: at },
            Next::Soon(_) => State::Idle,
            Next::After(at) => {
                let (wait, failures) = (at - now, self.backoff.failures());
                log::info!("waiting {wait:.1?} before the next attempt; failures in a row: {failures}");
                State::Waiting { until: at }
            }
        };
    }

    /// Whether the client makes a new connection without being asked to.
    pub(super) fn comes_back(&self) -> bool {
        self.connections > 0 && self.backoff.is_enabled()
    }

    /// The error of a call for which there is no connection.
    fn not_connected(&self, retry_after: Option<Duration>) -> Error {
        Error::NotConnected(NotConnectedError::new(retry_after, self.last_error.clone()))
    }

    /// Asks the name service, unless an earlier question is still open: a resolver that hangs must not collect threads.
    fn look_up(&mut self) -> Option<Request> {
        if self.lookup.is_some() {
            return None;
        }
        self.lookup = Some(self.attempts);
        Some(Request::Resolve(self.attempts))
    }

    fn dial_next(&mut self, now: Instant) -> Option<Request> {
        let State::Dialing { attempt, open, next_at } = &mut self.state else { return None };
        let address = attempt.untried.pop_front()?;
        self.dials += 1;
        open.push((self.dials, address));
        *next_at = now + NEXT_ADDRESS_AFTER;
        Some(Request::Dial(self.dials, address))
    }
}
