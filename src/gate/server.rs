//! The gate's thread: one poll for the listening socket and all connections.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::connection::{Connection, Need};
use super::service::Service;
use super::stats::Counters;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
const EVENTS: usize = 1024;
/// When the machine is out of file descriptors or memory, connections are taken again after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The gate's thread, from the inside.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listener: TcpListener,
    service: Service,
    counters: Arc<Counters>,
    connections: Slab<Connection>,
    /// Connections that had their turn and want another one.
    queue: VecDeque<usize>,
    accept_at: Option<Instant>,
    idle: Option<IdleCheck>,
    stop: Arc<AtomicBool>,
}

/// Looks for idle connections every now and then.
#[derive(Debug)]
struct IdleCheck {
    timeout: Duration,
    next: Instant,
}

impl Server {
    /// A server of the connections that `listener` takes. The waker makes it look whether it is to stop.
    ///
    /// # Errors
    ///
    /// The machine refused what it needs to poll.
    pub fn new(
        mut listener: TcpListener,
        service: Service,
        counters: Arc<Counters>,
        idle_timeout: Option<Duration>,
        stop: Arc<AtomicBool>,
    ) -> io::Result<(Server, Waker)> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let server = Server {
            poll,
            listener,
            service,
            counters,
            connections: Slab::new(),
            queue: VecDeque::new(),
            accept_at: None,
            idle: idle_timeout.map(|timeout| IdleCheck { timeout, next: Instant::now() }),
            stop,
        };
        Ok((server, waker))
    }

    /// Serves until it is to stop. All connections end with it.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.poll_timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    log::error!("the gate ends, for polling failed: {error}");
                    return;
                }
                Err(_) => continue,
                Ok(()) => self.turn(&events),
            }
        }
    }

    fn turn(&mut self, events: &Events) {
        // Those that queue now had their turn before these events came.
        let queued = self.queue.len();
        for event in events {
            match event.token() {
                LISTENER => self.accept(),
                WAKER => {}
                Token(key) => self.handle_event(key, event),
            }
        }
        for key in self.queue.drain(..queued).collect::<Vec<_>>() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_queued = false;
                self.give_turn(key);
            }
        }
        self.accept_after_pause();
        self.close_idle();
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        let wake_at = [self.accept_at, self.idle.as_ref().map(|idle| idle.next)].into_iter().flatten().min()?;
        Some(wake_at.saturating_duration_since(Instant::now()))
    }

    /// An event may be about a connection that was closed a moment ago, and its place taken by another: then it is one
    /// without cause, which does no harm.
    fn handle_event(&mut self, key: usize, event: &Event) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.note(event);
            self.give_turn(key);
        }
    }

    fn give_turn(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.take_turn(&mut self.service) {
            Need::Event => {}
            Need::Close => self.close(key),
            Need::Turn if connection.is_queued => {}
            Need::Turn => {
                connection.is_queued = true;
                self.queue.push_back(key);
            }
        }
    }

    fn close(&mut self, key: usize) {
        let mut connection = self.connections.remove(key);
        log::debug!("connection from {} closed", connection.peer());
        // The socket is closed in any case; a failure here would change nothing.
        _ = self.poll.registry().deregister(connection.stream());
        drop(connection);
        self.counters.set_open(self.connections.len());
    }

    fn accept(&mut self) {
        self.accept_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_about_one_peer(&error) => {}
                Err(error) => {
                    log::error!("cannot take a connection, will try again in {ACCEPT_PAUSE:?}: {error}");
                    self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn accept_after_pause(&mut self) {
        if self.accept_at.is_some_and(|at| at <= Instant::now()) {
            self.accept();
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("connection from {peer} keeps its delay: {error}");
        }
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let connection = entry.insert(Connection::new(stream, peer, Instant::now()));
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(connection.stream(), Token(key), interest) {
            log::error!("connection from {peer} cannot be served: {error}");
            self.connections.remove(key);
            return;
        }
        log::debug!("connection from {peer} taken");
        self.counters.count_accepted(self.connections.len());
    }

    fn close_idle(&mut self) {
        let Some(idle) = &mut self.idle else { return };
        let now = Instant::now();
        if now < idle.next {
            return;
        }
        let timeout = idle.timeout;
        idle.next = now + (timeout / 8).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let is_idle = |connection: &Connection| connection.idle_time(now) >= timeout;
        let idle: Vec<usize> =
            self.connections.iter().filter(|(_, connection)| is_idle(connection)).map(|(key, _)| key).collect();
        for key in idle {
            log::info!("connection from {} closed: idle for {timeout:?}", self.connections[key].peer());
            self.close(key);
        }
    }
}

/// Whether taking a connection failed for a reason that ends with that connection.
fn is_about_one_peer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
