//! The client's engine: what to send, whom to answer, when to give up. It does no I/O and has no clock.
//!
//! The driver above it tells what happened (`handle_*`, with the time), then does what the engine asks for
//! ([`Engine::next_action`]), writes what it wants written ([`Engine::output`]), and comes back at the latest when
//! [`Engine::next_due`] says. So the whole engine is tested on simulated time, without a socket.
//!
//! It is generic over `T`, the token that stands for whoever waits for the outcome of a call.

mod backoff;
mod counters;
mod inflight;
mod info;
mod keepalive;
mod link;
mod outbuf;
mod state;
mod timers;
mod traffic;

#[cfg(test)]
mod tests;

pub use counters::{Counters, Stats};
pub use info::ConnectionInfo;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{KeepAlive, ReconnectPolicy};
use crate::error::Error;
use inflight::{Calls, InFlight, Progress};
use link::Link;
use state::State;

/// Everything that the engine is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    pub endpoint: Arc<str>,
    pub connect_timeout: Duration,
    pub auto_connect: bool,
    pub reconnect: ReconnectPolicy,
    pub keep_alive: KeepAlive,
    pub max_payload: usize,
    #[cfg(feature = "encryption")]
    pub encryption: Option<crate::fpnn::Encryption>,
}

/// A call on its way in.
#[derive(Debug)]
pub struct NewCall<T> {
    /// The whole frame but for its sequence number.
    pub frame: Vec<u8>,
    /// When the call's time runs out.
    pub deadline: Instant,
    /// The time that the call had, for its error.
    pub timeout: Duration,
    /// Who waits for the outcome.
    pub token: T,
}

/// An answer, still encoded.
#[derive(Debug, Default)]
pub struct RawAnswer {
    pub status: u8,
    pub flag: u8,
    pub payload: Vec<u8>,
}

/// How a call ended, as far as the engine knows.
pub type Outcome = Result<RawAnswer, Error>;

/// Names one attempt to reach one address. Never used twice.
pub type DialId = usize;

/// What the driver is to do.
#[derive(Debug)]
pub enum Action<T> {
    /// Tell whoever waits.
    Complete(T, Outcome),
    /// Ask the name service for the endpoint, and come back with [`Engine::handle_resolved`] and this number.
    Resolve(u64),
    /// Begin to connect to the address.
    Dial(DialId, SocketAddr),
    /// Drop the connection and all dials.
    Disconnect,
    /// Tell the user that there is a connection.
    Opened(ConnectionInfo),
    /// Tell the user that there is none any more.
    Ended(ConnectionInfo, Option<Error>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Engine<T> {
    settings: Settings,
    counters: Arc<Counters>,
    random: fastrand::Rng,
    actions: VecDeque<Action<T>>,
    state: State,
    link: Option<Link>,
    calls: Calls<T>,
    /// The calls that were not sent yet, in their order. Some may be over.
    queue: VecDeque<u32>,
    connect_waiters: Vec<T>,
    /// Bytes of frames that wait in the queue no longer, since somebody asked.
    released: usize,
    attempts: u64,
    /// The attempt whose question to the name service is still open.
    lookup: Option<u64>,
    dials: DialId,
    connections: u64,
    /// Connections that failed or were short-lived, in a row.
    failures: u32,
    last_error: Option<Error>,
}

impl<T> Engine<T> {
    /// An engine without a connection. `seed` decides what chance decides.
    pub fn new(settings: Settings, counters: Arc<Counters>, seed: u64) -> Engine<T> {
        Engine {
            settings,
            counters,
            random: fastrand::Rng::with_seed(seed),
            actions: VecDeque::new(),
            state: State::Idle { comes_back_at: None },
            link: None,
            calls: Calls::new(),
            queue: VecDeque::new(),
            connect_waiters: Vec::new(),
            released: 0,
            attempts: 0,
            lookup: None,
            dials: 0,
            connections: 0,
            failures: 0,
            last_error: None,
        }
    }

    /// The next thing to do, if any. To be asked until there is none, after every `handle_*`.
    pub fn next_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Engine::handle_timeout) has something to do, at the earliest.
    pub fn next_due(&mut self) -> Option<Instant> {
        let silence = match self.state {
            State::Online => self.link.as_ref().and_then(|link| link.silence.due_at()),
            _ => None,
        };
        [self.calls.next_due(), self.state_due_at(), silence].into_iter().flatten().min()
    }

    /// How many bytes have left the queue of unsent frames since this was asked last.
    pub fn take_released(&mut self) -> usize {
        std::mem::take(&mut self.released)
    }

    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online)
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
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
