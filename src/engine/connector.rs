//! Makes connections: idles, waits, resolves and dials. It knows neither what a connection carries nor who needs one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::action::DialId;
use super::backoff::{Backoff, Next};
use super::settings::Settings;
use crate::error::{ConnectCause, ConnectError, Error, NotConnectedError, Stage};

/// How long to wait for an address of a name before the next one is tried too. RFC 8305 calls this the connection
/// attempt delay.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// See the [module](self). It outlives its connections, because it counts their failures.
#[derive(Debug)]
pub(super) struct Connector {
    endpoint: Arc<str>,
    connect_timeout: Duration,
    backoff: Backoff,
    state: State,
    attempts: u64,
    /// The attempt whose name lookup is still running.
    lookup: Option<u64>,
    dials: DialId,
    connections: u64,
    last_error: Option<Error>,
}

/// What the connector does. While there is a connection, it is idle.
#[derive(Debug)]
enum State {
    /// Nothing is in progress. An attempt starts on request.
    Idle,
    /// An attempt is due at `until`. A call waits for it, or starts it earlier.
    Pausing { until: Instant },
    /// The policy waits. Calls fail unless they wait for a connection.
    Waiting { until: Instant },
    /// A name lookup is running.
    Resolving { attempt: u64, deadline: Instant },
    /// Addresses are being tried.
    Dialing { attempt: Attempt, open: Vec<(DialId, SocketAddr)>, next_at: Instant },
}

/// What is left of an attempt after one of its dials has connected. Needed if the handshake fails.
#[derive(Debug)]
pub(super) struct Attempt {
    /// When the attempt times out.
    pub deadline: Instant,
    untried: VecDeque<SocketAddr>,
}

/// What the connector requests.
#[derive(Debug)]
pub(super) enum Request {
    /// Resolve the endpoint, with this number.
    Resolve(u64),
    /// Dial the address.
    Dial(DialId, SocketAddr),
    /// End the attempt, which has failed.
    GiveUp(ConnectCause),
}

impl Connector {
    /// Creates a connector that has never connected. `seed` determines its random numbers.
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

    /// Returns what a call that waits for a connection is waiting for.
    pub(super) fn stage(&self) -> Stage {
        if matches!(self.state, State::Resolving { .. }) { Stage::Resolving } else { Stage::Connecting }
    }

    /// Makes a connection for a call.
    ///
    /// # Errors
    ///
    /// The policy waits. The request does not change the wait.
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

    /// Lets a call wait for the current attempt.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(super) fn join_for_call(&self, now: Instant) -> Result<(), Error> {
        match self.state {
            State::Resolving { .. } | State::Dialing { .. } => Ok(()),
            State::Waiting { until } if now < until => Err(self.not_connected(Some(until - now))),
            State::Idle | State::Pausing { .. } | State::Waiting { .. } => Err(self.not_connected(None)),
        }
    }

    /// Starts an attempt, unless one is in progress. Does not wait for the policy.
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

    /// Handles the result of the lookup that [`Request::Resolve`] started.
    pub(super) fn handle_resolved(
        &mut self,
        now: Instant,
        attempt: u64,
        result: io::Result<Vec<SocketAddr>>,
    ) -> Option<Request> {
        self.lookup = None;
        let State::Resolving { attempt: current, deadline } = self.state else { return None };
        match result {
            // The lookup belongs to an earlier attempt that was given up. Its addresses are still good, but its failure
            // does not count.
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

    /// Handles a dial that has connected. If it is still wanted, returns the rest of the attempt. The connector is then
    /// idle, and all other dials are dropped.
    pub(super) fn hand_over(&mut self, dial: DialId) -> Option<Attempt> {
        let State::Dialing { attempt, open, .. } = &mut self.state else { return None };
        let at = open.iter().position(|(open, _)| *open == dial)?;
        open.remove(at);
        let mut untried = std::mem::take(&mut attempt.untried);
        // If the handshake fails, the dropped dials are tried first.
        for (_, address) in open.drain(..).rev() {
            untried.push_front(address);
        }
        let attempt = Attempt { deadline: attempt.deadline, untried };
        self.state = State::Idle;
        Some(attempt)
    }

    /// Resumes an attempt whose connection failed in its handshake. Tries the next address, if there is one.
    pub(super) fn resume(&mut self, now: Instant, attempt: Attempt, cause: ConnectCause) -> Request {
        if now >= attempt.deadline || attempt.untried.is_empty() {
            return Request::GiveUp(cause);
        }
        log::debug!("trying the next address of {}: {cause}", self.endpoint);
        self.state = State::Dialing { attempt, open: Vec::new(), next_at: now };
        self.dial_next(now).unwrap_or(Request::GiveUp(cause))
    }

    /// Handles a dial that failed.
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

    /// Does what is due at `now`. `is_wanted` tells whether to connect at the end of a wait.
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

    /// When [`handle_timeout`](Connector::handle_timeout) next has something to do.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Pausing { until } | State::Waiting { until } => Some(*until),
            State::Resolving { deadline, .. } => Some(*deadline),
            State::Dialing { attempt, .. } if attempt.untried.is_empty() => Some(attempt.deadline),
            State::Dialing { attempt, next_at, .. } => Some(attempt.deadline.min(*next_at)),
        }
    }

    /// The cause of the failure of an attempt that timed out in `stage`.
    pub(super) fn timed_out(&self, stage: Stage) -> ConnectCause {
        ConnectCause::TimedOut { timeout: self.connect_timeout, stage }
    }

    /// The number of the next connection.
    pub(super) fn next_number(&self) -> u64 {
        self.connections + 1
    }

    /// Records that a connection is ready for calls.
    pub(super) fn record_connected(&mut self) {
        self.connections += 1;
    }

    /// Records that the attempt failed. Call [`plan`](Connector::plan) next.
    pub(super) fn record_failure(&mut self, cause: ConnectCause) -> Error {
        let error = Error::Connect(ConnectError::new(Arc::clone(&self.endpoint), cause));
        self.backoff.record_failure();
        self.last_error = Some(error.clone());
        self.state = State::Idle;
        error
    }

    /// Takes over after the end of a ready connection, which lived for `lived`. `has_answered` tells whether the server
    /// sent anything on it. Call [`plan`](Connector::plan) next.
    pub(super) fn take_back(&mut self, now: Instant, lived: Duration, has_answered: bool, error: Error) {
        self.backoff.record_loss(now, lived, has_answered);
        self.last_error = Some(error);
    }

    /// Decides when the next attempt starts. `is_wanted` tells whether a connection is wanted.
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

    /// Whether the client reconnects on its own.
    pub(super) fn comes_back(&self) -> bool {
        self.connections > 0 && self.backoff.is_enabled()
    }

    /// The error for a call without a connection.
    fn not_connected(&self, retry_after: Option<Duration>) -> Error {
        Error::NotConnected(NotConnectedError::new(retry_after, self.last_error.clone()))
    }

    /// Starts a lookup, unless an earlier one is still running: lookups that hang must not accumulate threads.
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
