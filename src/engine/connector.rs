//! Makes connections: it idles, waits, resolves and dials. It knows neither what a connection carries nor who asks for one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::DialId;
use super::backoff;
use super::settings::Settings;
use crate::config::ReconnectPolicy;
use crate::error::{ConnectCause, ConnectError, Error, NotConnectedError, Stage};

/// The next address of a name is tried when those before it have not answered for this long (RFC 8305 calls it the
/// connection attempt delay).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// See the [module](self). It outlives the connections that it makes, since it counts their failures.
#[derive(Debug)]
pub struct Connector {
    endpoint: Arc<str>,
    connect_timeout: Duration,
    policy: ReconnectPolicy,
    random: fastrand::Rng,
    state: State,
    attempts: u64,
    /// The attempt whose question to the name service is still open.
    lookup: Option<u64>,
    dials: DialId,
    connections: u64,
    /// Connections that failed or were short-lived, in a row.
    failures: u32,
    last_error: Option<Error>,
}

/// What the connector is doing. While there is a connection, it idles.
#[derive(Debug)]
enum State {
    /// Nothing is under way. An attempt begins when somebody asks for one, or at `comes_back_at`.
    Idle { comes_back_at: Option<Instant> },
    /// The policy stays away from the server.
    Waiting { until: Instant },
    /// The name service was asked.
    Resolving { attempt: u64, deadline: Instant },
    /// Addresses are being tried.
    Dialing { attempt: Attempt, open: Vec<(DialId, SocketAddr)>, next_at: Instant },
}

/// What is left of an attempt once a connection is there, should its handshake fail.
#[derive(Debug)]
pub struct Attempt {
    /// When the time for connecting runs out.
    pub deadline: Instant,
    untried: VecDeque<SocketAddr>,
}

/// What the connector asks for.
#[derive(Debug)]
pub enum Request {
    /// Resolve the endpoint, under this number.
    Resolve(u64),
    /// Dial the address.
    Dial(DialId, SocketAddr),
    /// Drop the attempt: it failed.
    GiveUp(ConnectCause),
}

impl Connector {
    /// A connector that was never connected. `seed` fixes its random numbers.
    pub fn new(settings: &Settings, seed: u64) -> Connector {
        Connector {
            endpoint: Arc::clone(&settings.endpoint),
            connect_timeout: settings.connect_timeout,
            policy: settings.reconnect.clone(),
            random: fastrand::Rng::with_seed(seed),
            state: State::Idle { comes_back_at: None },
            attempts: 0,
            lookup: None,
            dials: 0,
            connections: 0,
            failures: 0,
            last_error: None,
        }
    }

    /// Whether an attempt is under way.
    pub fn is_connecting(&self) -> bool {
        matches!(self.state, State::Resolving { .. } | State::Dialing { .. })
    }

    /// For how long the policy still waits, if it does.
    pub fn remaining_wait(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Waiting { until } if now < until => Some(until - now),
            _ => None,
        }
    }

    /// What a call waits for that waits for a connection.
    pub fn stage(&self) -> Stage {
        if matches!(self.state, State::Resolving { .. }) { Stage::Resolving } else { Stage::Connecting }
    }

    /// Begins an attempt, unless one is under way. Does not wait for the policy.
    pub fn connect(&mut self, now: Instant) -> Option<Request> {
        if self.is_connecting() {
            return None;
        }
        self.attempts += 1;
        log::debug!("connecting to {}", self.endpoint);
        self.state = State::Resolving { attempt: self.attempts, deadline: now + self.connect_timeout };
        self.look_up()
    }

    /// The name service answered the question of [`Request::Resolve`].
    pub fn handle_resolved(
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
    pub fn hand_over(&mut self, dial: DialId) -> Option<Attempt> {
        let State::Dialing { open, .. } = &self.state else { return None };
        if !open.iter().any(|(open, _)| *open == dial) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Idle { comes_back_at: None }) {
            State::Dialing { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, now: Instant, dial: DialId, error: io::Error) -> Option<Request> {
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

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Request> {
        if self.due_at().is_none_or(|due| now < due) {
            return None;
        }
        match &self.state {
            State::Idle { .. } => self.connect(now),
            State::Waiting { .. } if self.comes_back() => self.connect(now),
            State::Waiting { .. } => {
                self.state = State::Idle { comes_back_at: None };
                None
            }
            State::Dialing { attempt, .. } if now < attempt.deadline => self.dial_next(now),
            State::Resolving { .. } | State::Dialing { .. } => Some(Request::GiveUp(self.timed_out(self.stage()))),
        }
    }

    /// When [`handle_timeout`](Connector::handle_timeout) has something to do.
    pub fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { comes_back_at } => *comes_back_at,
            State::Waiting { until } => Some(*until),
            State::Resolving { deadline, .. } => Some(*deadline),
            State::Dialing { attempt, .. } if attempt.untried.is_empty() => Some(attempt.deadline),
            State::Dialing { attempt, next_at, .. } => Some(attempt.deadline.min(*next_at)),
        }
    }

    /// Why an attempt ended whose time ran out in `stage`.
    pub fn timed_out(&self, stage: Stage) -> ConnectCause {
        ConnectCause::TimedOut { timeout: self.connect_timeout, stage }
    }

    /// The number of the next connection.
    pub fn next_number(&self) -> u64 {
        self.connections + 1
    }

    /// A connection is ready for calls.
    pub fn record_connected(&mut self) {
        self.connections += 1;
    }

    /// An attempt failed.
    pub fn record_failure(&mut self, now: Instant, cause: ConnectCause) -> Error {
        let error = Error::Connect(ConnectError::new(Arc::clone(&self.endpoint), cause));
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.clone());
        self.plan_return(now);
        error
    }

    /// Takes over again after a connection that was ready has ended; it lived for `lived`.
    pub fn take_back(&mut self, now: Instant, lived: Duration, error: Error) {
        self.failures = if lived < self.policy.short_lived { self.failures.saturating_add(1) } else { 0 };
        self.last_error = Some(error);
        self.plan_return(now);
    }

    /// The error of a call for which there is no connection.
    pub fn not_connected(&self, retry_after: Option<Duration>) -> Error {
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

    /// Whether the client makes a new connection without being asked to.
    fn comes_back(&self) -> bool {
        self.connections > 0 && self.policy.enabled
    }

    fn plan_return(&mut self, now: Instant) {
        let chance = self.random.f64();
        self.state = match backoff::policy_delay(&self.policy, self.failures, chance) {
            Some(delay) => {
                log::info!("waiting {delay:.1?} before the next attempt, after {} failures in a row", self.failures);
                State::Waiting { until: now + delay }
            }
            None if self.comes_back() => {
                State::Idle { comes_back_at: Some(now + backoff::pause(&self.policy, self.failures, chance)) }
            }
            None => State::Idle { comes_back_at: None },
        };
    }
}
