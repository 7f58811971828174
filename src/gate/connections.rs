//! All connections of the gate: their turns, their timers, and how much they hold.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;

use super::clock::{Clock, Now};
use super::connection::{Connection, Need};
use super::service::Service;
use super::stats::Counters;

/// Limits on what peers can make a gate hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The most connections at a time. Each has a buffer of at least 64 KiB.
    pub connections: usize,
    /// The most bytes that all connections together hold: incomplete packets, and output that was not read yet.
    pub held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 4096, held_bytes: 128 * 1024 * 1024 }
    }
}

/// The open connections, and the service behind them.
#[derive(Debug)]
pub(super) struct Connections {
    registry: Registry,
    service: Service,
    counters: Arc<Counters>,
    clock: Clock,
    limits: Limits,
    open: Slab<Connection>,
    /// Connections that had a turn and need another one.
    queue: VecDeque<usize>,
    /// When connections need a turn even if no event occurs.
    timers: BTreeSet<(Instant, usize)>,
    held: usize,
    /// The number of closing connections that count as closed.
    ending: usize,
    is_paused: bool,
}

impl Connections {
    /// Creates the set, without connections. Sockets are registered with `registry` under their keys.
    pub(super) fn new(registry: Registry, service: Service, counters: Arc<Counters>, limits: Limits) -> Connections {
        Connections {
            registry,
            service,
            counters,
            clock: Clock::default(),
            limits,
            open: Slab::new(),
            queue: VecDeque::new(),
            timers: BTreeSet::new(),
            held: 0,
            ending: 0,
            is_paused: false,
        }
    }

    /// The service behind the connections.
    pub(super) fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// The gate's time.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Moves the gate's clock forward.
    pub(super) fn advance(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Adds a connection. Closes it at once if there are too many.
    pub(super) fn add(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.open.len() == self.limits.connections {
            log::error!("connection from {peer} closed: {} are open", self.open.len());
            return;
        }
        let entry = self.open.vacant_entry();
        let key = entry.key();
        let connection = entry.insert(Connection::new(key, stream, peer, self.clock.now().monotonic));
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(connection.stream(), Token(key), interest) {
            log::error!("connection from {peer} cannot be served: {error}");
            self.open.remove(key);
            return;
        }
        log::debug!("connection from {peer} accepted");
        self.counters.count_accepted(self.count_open());
    }

    /// Gives the connection of an event a turn. That connection may just have been closed and its key reused. The turn
    /// is then unnecessary, but harmless.
    pub(super) fn handle_event(&mut self, key: usize, event: &Event) {
        if let Some(connection) = self.open.get_mut(key) {
            connection.note(event);
            self.give_turn(key);
        }
    }

    /// The number of connections that wait for another turn.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Gives the first `count` queued connections their turn.
    pub(super) fn give_queued_turns(&mut self, count: usize) {
        for _ in 0..count {
            let Some(key) = self.queue.pop_front() else { return };
            if let Some(connection) = self.open.get_mut(key) {
                connection.is_queued = false;
                self.give_turn(key);
            }
        }
    }

    /// When the next turn is due. A time in the past means at once.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match (self.is_paused, self.queue.is_empty()) {
            (true, _) => None,
            (false, false) => Some(self.now().monotonic),
            (false, true) => self.timers.first().map(|&(at, _)| at),
        }
    }

    /// Gives a turn to the connections whose timers are due.
    pub(super) fn fire_timers(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.timers.first().filter(|(at, _)| *at <= now && !self.is_paused) {
            self.timers.remove(&(at, key));
            self.open[key].timer = None;
            self.give_turn(key);
        }
    }

    /// Adds the pushes that calls have caused to the outboxes of their listeners. Closes a connection whose peer has
    /// fallen too far behind in reading.
    pub(super) fn deliver_pushes(&mut self) {
        for push in self.service.take_pushes() {
            for key in push.receivers {
                let Some(connection) = self.open.get_mut(key) else { continue };
                if connection.push(&push.quest) {
                    self.counters.count_push_sent();
                    self.queue_turn(key);
                } else {
                    log::warn!("connection from {} closed: it does not read its pushes", connection.peer());
                    self.close(key);
                }
            }
        }
    }

    /// Closes the connections that have received nothing for `timeout`.
    pub(super) fn close_idle(&mut self, timeout: Duration, now: Instant) {
        let is_idle = |connection: &Connection| connection.idle_time(now) >= timeout;
        let idle: Vec<usize> =
            self.open.iter().filter(|(_, connection)| is_idle(connection)).map(|(key, _)| key).collect();
        for key in idle {
            log::info!("connection from {} closed: idle for {timeout:?}", self.open[key].peer());
            self.close(key);
        }
    }

    /// Closes every connection.
    pub(super) fn close_all(&mut self) {
        let keys: Vec<usize> = self.open.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.close(key));
    }

    /// Stops giving turns until [`resume`](Connections::resume).
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Gives turns again.
    pub(super) fn resume(&mut self) {
        self.is_paused = false;
        let keys: Vec<usize> = self.open.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.queue_turn(key));
    }

    fn give_turn(&mut self, key: usize) {
        if self.is_paused {
            return;
        }
        match self.open[key].take_turn(&mut self.service, &self.clock) {
            Need::Event => {}
            Need::Close => self.close(key),
            Need::Turn => self.queue_turn(key),
        }
        self.note_end(key);
        self.note_timer(key);
        self.note_held(key);
        self.deliver_pushes();
    }

    fn count_open(&self) -> usize {
        self.open.len() - self.ending
    }

    /// Counts a connection as closed, and removes its listeners, once the gate has ended its stream, whatever its peer
    /// still sends.
    fn note_end(&mut self, key: usize) {
        let Some(connection) = self.open.get_mut(key) else { return };
        if connection.is_shut_down() && !std::mem::replace(&mut connection.is_ending, true) {
            self.ending += 1;
            self.service.forget(key);
            self.counters.set_open(self.count_open());
        }
    }

    fn queue_turn(&mut self, key: usize) {
        let connection = &mut self.open[key];
        if !connection.is_queued {
            connection.is_queued = true;
            self.queue.push_back(key);
        }
    }

    fn note_timer(&mut self, key: usize) {
        let Some(connection) = self.open.get_mut(key) else { return };
        let wake_at = connection.wake_at();
        if wake_at != connection.timer {
            let before = std::mem::replace(&mut connection.timer, wake_at);
            before.map(|at| self.timers.remove(&(at, key)));
            wake_at.map(|at| self.timers.insert((at, key)));
        }
    }

    /// Updates the sum of the bytes held. Over the limit, closes the connection that holds the most.
    fn note_held(&mut self, key: usize) {
        let Some(connection) = self.open.get_mut(key) else { return };
        let held = connection.held_bytes();
        self.held = self.held - std::mem::replace(&mut connection.held, held) + held;
        if self.held <= self.limits.held_bytes {
            return;
        }
        if let Some((largest, connection)) = self.open.iter().max_by_key(|(_, connection)| connection.held) {
            let (peer, held) = (connection.peer(), connection.held);
            log::warn!("connection from {peer} closed: it holds {held} bytes, more than any other");
            self.close(largest);
        }
    }

    fn close(&mut self, key: usize) {
        let mut connection = self.open.remove(key);
        log::debug!("connection from {} closed", connection.peer());
        connection.timer.map(|at| self.timers.remove(&(at, key)));
        self.held -= connection.held;
        self.ending -= usize::from(connection.is_ending);
        self.service.forget(key);
        // The socket is closed in any case, so a failure does not matter.
        _ = self.registry.deregister(connection.stream());
        drop(connection);
        self.counters.set_open(self.count_open());
    }
}
