//! The client's engine: what to send, whom to answer, when to give up. It does no I/O and has no clock.
//!
//! The driver reports what happened (`handle_*`, with the time), carries out the engine's actions ([`Engine::next_action`]),
//! writes its output ([`Engine::output`]), and calls again by [`Engine::next_due`] at the latest. So tests run the whole
//! engine on simulated time, without a socket.
//!
//! The engine is generic over `T`, the token that represents the waiting caller of a call.
//!
//! The state and the passing of time are in this file. What the driver reports is handled in `lifecycle` (connections),
//! `sending`, `receiving`, `listening/requests` and `clock_correction`, each an `impl Engine`. Every other file is one
//! part of the engine and does not know the whole.

mod action;
mod backoff;
mod calls;
mod clock_check;
mod clock_correction;
mod connection;
mod connector;
mod counters;
mod handshake;
mod info;
mod keepalive;
mod lifecycle;
mod listening;
mod outbuf;
mod pacing;
mod pushes;
mod receiving;
mod sending;
mod settings;
mod timers;
mod token;

#[cfg(test)]
mod tests;

pub use action::{Action, DialId, Outcome, RawAnswer, RawPushes};
pub use calls::NewCall;
pub use counters::{Counter, Counters, Stats};
pub use info::ConnectionInfo;
pub use listening::{ListenerId, NewSubscription};
pub use settings::Settings;
pub use token::Token;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Stage};
use calls::Calls;
use clock_check::ClockCheck;
use connection::{Connection, Failure};
use connector::{Attempt, Connector};
use handshake::Handshake;
use listening::Subscriptions;
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
    subscriptions: Subscriptions<T>,
    clock_check: ClockCheck<T>,
    /// When the `setlisten` in flight was sent.
    listen_sent_at: Option<Instant>,
    /// Bytes of frames that have left the queue since [`take_released`](Engine::take_released) was last called.
    released: usize,
}

/// The state of the client.
#[derive(Debug)]
enum State {
    /// There is no connection. The connector is idle, waits, or makes one.
    Disconnected,
    /// A connection is in its handshake. If that fails, the attempt continues.
    InHandshake(Box<Connection>, Attempt),
    /// The connection carries calls.
    Ready(Box<Connection>),
    /// The client was closed. This state is final.
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

    /// Whether the connection, if there is one, uses this sequence number for a quest of its own.
    fn uses_seq(&self, seq: u32) -> bool {
        self.connection().is_some_and(|connection| connection.uses_seq(seq))
    }
}

/// Queries by the driver, and timeouts.
impl<T: Token> Engine<T> {
    /// Creates an engine without a connection. `seed` determines its random numbers.
    pub fn new(settings: Settings, counters: Arc<Counters>, seed: u64) -> Engine<T> {
        Engine {
            counters,
            actions: VecDeque::new(),
            connector: Connector::new(&settings, seed),
            state: State::Disconnected,
            calls: Calls::new(),
            pacing: Pacing::new(settings.max_rate),
            connect_waiters: Vec::new(),
            subscriptions: Subscriptions::new(),
            clock_check: ClockCheck::new(settings.correct_clock),
            listen_sent_at: None,
            released: 0,
            settings,
        }
    }

    /// Returns the next action, if any. Call this after every `handle_*` until it returns `None`.
    pub fn next_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    /// The earliest time at which [`handle_timeout`](Engine::handle_timeout) has something to do.
    pub fn next_due(&mut self) -> Option<Instant> {
        let state_due = match &self.state {
            State::Disconnected => self.connector.due_at(),
            State::InHandshake(_, attempt) => Some(attempt.deadline),
            State::Ready(connection) => connection.keep_alive_due_at(),
            State::Closed => None,
        };
        let dues =
            [self.calls.next_due(), self.turn_due_at(), state_due, self.listening_due_at(), self.clock_check.due_at()];
        dues.into_iter().flatten().min()
    }

    /// Returns how many bytes have left the queue of unsent frames since the last call.
    pub fn take_released(&mut self) -> usize {
        std::mem::take(&mut self.released)
    }

    /// Whether any call is in flight, the engine's own question for the time included.
    pub fn has_calls(&self) -> bool {
        self.in_flight() > 0 || self.clock_check.is_asking()
    }

    /// The number of callers' calls in flight.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
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

    /// Returns what an unsent call is waiting for.
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Disconnected => self.connector.stage(),
            State::InHandshake(..) => self.handshake_stage(),
            State::Ready(connection) if self.pacing.is_on() && connection.has_room() => Stage::WaitingForTurn,
            State::Ready(_) | State::Closed => Stage::Queued,
        }
    }

    /// Returns what a call is waiting for during the handshake.
    fn handshake_stage(&self) -> Stage {
        if self.subscriptions.is_asking() { Stage::Listening } else { Handshake::stage() }
    }

    fn complete(&mut self, token: T, outcome: Outcome) {
        self.actions.push_back(Action::Complete(token, outcome));
    }
}
