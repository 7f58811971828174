//! One connection with its socket: reads, has the session serve, writes, in turns that are fair to the others.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;

use super::clock::Now;
use super::service::Service;
use super::session::{Served, Session};

/// After so many rounds of reading and serving it is the next connection's turn.
const ROUNDS_PER_TURN: usize = 8;
/// With epoll, a read that does not fill its buffer has emptied the socket, and an event announces what comes later:
/// reading again only to be told so can be saved. Other systems want to be asked until they would block.
const SHORT_READ_EMPTIES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What a connection needs after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An event: more quests, or room for its answers.
    Event,
    /// Another turn, after the others had theirs.
    Turn,
    /// Nothing any more: it is to be closed.
    Close,
}

/// A connection of the gate.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    session: Session,
    peer: SocketAddr,
    is_readable: bool,
    /// The peer's end of the stream may be near: only a read of nothing tells.
    may_end: bool,
    /// The peer sends no more. It still gets the answers to what it sent.
    has_ended: bool,
    last_heard: Instant,
    /// Whether it stands in the queue for another turn.
    pub is_queued: bool,
}

impl Connection {
    /// A new connection, from which nothing was heard before `now`.
    pub fn new(stream: TcpStream, peer: SocketAddr, now: Instant) -> Connection {
        Connection {
            stream,
            session: Session::new(),
            peer,
            is_readable: false,
            may_end: false,
            has_ended: false,
            last_heard: now,
            is_queued: false,
        }
    }

    /// The peer's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, to be registered for events.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// For how long nothing has come.
    pub fn idle_time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_heard)
    }

    /// Notes what an event says.
    pub fn note(&mut self, event: &Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.may_end |= event.is_read_closed() || event.is_error();
    }

    /// Serves what is there to be served, and stops where the peer must do something first.
    pub fn take_turn(&mut self, service: &mut Service) -> Need {
        self.try_turn(service).unwrap_or_else(|error| {
            log::info!("connection from {} ended: {error}", self.peer);
            Need::Close
        })
    }

    fn try_turn(&mut self, service: &mut Service) -> io::Result<Need> {
        for _ in 0..ROUNDS_PER_TURN {
            // A session whose output is full must see its output go down before it serves on.
            self.flush()?;
            let served = self.session.serve(service, Now::read());
            self.flush()?;
            match served {
                Err(violation) => {
                    log::warn!("connection from {} closed: {violation}", self.peer);
                    return Ok(Need::Close);
                }
                Ok(Served::OutputFull) if self.session.unsent().is_empty() => {}
                Ok(Served::OutputFull) => return Ok(Need::Event),
                Ok(Served::All) if self.has_ended => return Ok(self.need_after_end()),
                Ok(Served::All) if !self.is_readable => return Ok(Need::Event),
                Ok(Served::All) => self.read()?,
            }
        }
        Ok(Need::Turn)
    }

    fn need_after_end(&self) -> Need {
        if self.session.unsent().is_empty() { Need::Close } else { Need::Event }
    }

    fn read(&mut self) -> io::Result<()> {
        let space = self.session.space();
        let room = space.len();
        match self.stream.read(space) {
            Ok(0) => self.has_ended = true,
            Ok(received) => {
                self.session.advance(received);
                self.last_heard = Instant::now();
                self.is_readable = !SHORT_READ_EMPTIES || self.may_end || received == room;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.session.unsent().is_empty() {
            match self.stream.write(self.session.unsent()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.session.mark_sent(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
