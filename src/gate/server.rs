//! The gate's loop: one thread, one poll, all connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::auth::Projects;
use super::methods::Clock;
use super::session::{End, Session};
use super::stats::Counters;

pub const WAKER: Token = Token(0);
const LISTENER: Token = Token(1);
/// Sessions have the tokens from here on.
const FIRST_SESSION: usize = 2;
const EVENTS: usize = 256;
/// After the machine refused a connection (it has no descriptor left, say), the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything that the gate's thread owns.
#[derive(Debug)]
pub struct Server {
    pub poll: Poll,
    pub listener: TcpListener,
    pub projects: Projects,
    pub counters: Arc<Counters>,
    pub is_stopped: Arc<AtomicBool>,
    pub sessions: Slab<Session>,
    /// Sessions that have more to do without an event.
    pub unfinished: Vec<usize>,
    /// When to accept again.
    pub accept_at: Option<Instant>,
}

impl Server {
    /// Makes the listener part of the poll.
    pub fn register(&mut self) -> io::Result<()> {
        self.poll.registry().register(&mut self.listener, LISTENER, Interest::READABLE)
    }

    /// Serves until it is stopped.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        self.accept();
        while !self.is_stopped.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut events, self.timeout()) {
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                log::error!("the gate cannot go on: polling failed: {error}");
                return;
            }
            self.turn(&events);
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let pause = self.accept_at.map(|at| at.saturating_duration_since(Instant::now()));
        if self.unfinished.is_empty() { pause } else { Some(Duration::ZERO) }
    }

    fn turn(&mut self, events: &Events) {
        let clock = clock();
        for number in std::mem::take(&mut self.unfinished) {
            self.serve(number, clock);
        }
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accept(),
                Token(token) => {
                    let number = token - FIRST_SESSION;
                    if let Some(session) = self.sessions.get_mut(number) {
                        session.note(event);
                        self.serve(number, clock);
                    }
                }
            }
        }
        if self.accept_at.is_some_and(|at| at <= clock.now) {
            self.accept();
        }
    }

    fn serve(&mut self, number: usize, clock: Clock) {
        let Some(session) = self.sessions.get_mut(number) else { return };
        match session.serve(&mut self.projects, &self.counters, clock) {
            Ok(false) => {}
            Ok(true) => self.unfinished.push(number),
            Err(end) => {
                match end {
                    End::Peer | End::Io(_) => log::info!("{}: connection ended: {end}", session.peer()),
                    _ => log::warn!("{}: closed the connection: {end}", session.peer()),
                }
                let mut session = self.sessions.remove(number);
                self.counters.closed();
                let _ = self.poll.registry().deregister(session.stream());
            }
        }
    }

    fn accept(&mut self) {
        self.accept_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    if let Err(error) = self.welcome(Session::new(stream, peer)) {
                        log::warn!("{peer}: could not be served: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::warn!("accepting a connection failed: {error}");
                    self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut session: Session) -> io::Result<()> {
        let place = self.sessions.vacant_entry();
        let number = place.key();
        session.stream().set_nodelay(true)?;
        let token = Token(number + FIRST_SESSION);
        self.poll.registry().register(session.stream(), token, Interest::READABLE | Interest::WRITABLE)?;
        log::info!("{}: connected", session.peer());
        place.insert(session);
        self.counters.opened();
        self.unfinished.push(number);
        Ok(())
    }
}

fn clock() -> Clock {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Clock { now: Instant::now(), unix_millis: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX) }
}
