//! One connection with its socket: reads, lets the session serve, and writes, in turns that are fair to other
//! connections.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;

use super::clock::Clock;
use super::project::ConnectionId;
use super::service::Service;
use super::session::{Served, Session};

/// After this many rounds of reading and serving, the next connection has its turn.
const ROUNDS_PER_TURN: usize = 8;
/// With epoll, a read that does not fill its buffer has emptied the socket, and an event announces new data. So another
/// read can be saved. Other systems require reading until it would block.
const SHORT_READ_EMPTIES: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// How long the peer of a closing connection may be inactive before the connection is cut.
const LINGER: Duration = Duration::from_secs(5);
/// How many bytes such a peer may still send.
const DISCARDED_AT_MOST: usize = 16 * 1024 * 1024;

/// What a connection needs after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// An event: more quests, or space for its answers.
    Event,
    /// Another turn, after those of other connections.
    Turn,
    /// Nothing; it must be closed.
    Close,
}

/// A connection of the gate.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    session: Session,
    peer: SocketAddr,
    is_readable: bool,
    /// Whether the peer's end of the stream may have been reached. Only an empty read shows that.
    may_end: bool,
    /// Whether the peer has ended its stream. It still gets the answers to what it sent.
    has_ended: bool,
    last_heard: Instant,
    /// Set once no more quests are served.
    closing: Option<Closing>,
    /// Whether it is queued for another turn.
    pub is_queued: bool,
    /// Whether the server counts it as closing.
    pub is_ending: bool,
    /// The bytes that it held after its last turn, as recorded by the server.
    pub held: usize,
    /// When its timer is due, as recorded by the server.
    pub timer: Option<Instant>,
}

/// The end of a connection: its answers are sent, then the end of the stream, and further input is discarded. If the
/// socket were closed with unread bytes, it would be reset and the peer would lose answers in transit.
#[derive(Debug)]
struct Closing {
    is_shut_down: bool,
    discarded: usize,
    give_up_at: Instant,
}

impl Connection {
    /// Creates a connection that was last active at `now`.
    pub(super) fn new(id: ConnectionId, stream: TcpStream, peer: SocketAddr, now: Instant) -> Connection {
        Connection {
            stream,
            session: Session::new(id),
            peer,
            is_readable: false,
            may_end: false,
            has_ended: false,
            last_heard: now,
            closing: None,
            is_queued: false,
            is_ending: false,
            held: 0,
            timer: None,
        }
    }

    /// The peer's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, for registration with the poll.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// How long nothing has been received.
    pub(super) fn idle_time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_heard)
    }

    /// When it needs a turn even if no event occurs.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let give_up_at = self.closing.as_ref().map(|closing| closing.give_up_at);
        [give_up_at, self.session.next_late_answer()].into_iter().flatten().min()
    }

    /// Whether the gate has ended its stream and waits for the peer's end.
    pub(super) fn is_shut_down(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.is_shut_down)
    }

    /// The number of bytes held for its peer.
    pub(super) fn held_bytes(&self) -> usize {
        self.session.held_bytes()
    }

    /// Records an event.
    pub(super) fn note(&mut self, event: &Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.may_end |= event.is_read_closed() || event.is_error();
    }

    /// Adds a push to the outbox, to be sent in the next turn. Returns whether there was space for it.
    #[must_use]
    pub(super) fn push(&mut self, quest: &[u8]) -> bool {
        self.closing.is_some() || self.session.push(quest)
    }

    /// Serves what can be served, until the peer must act.
    pub(super) fn take_turn(&mut self, service: &mut Service, clock: &Clock) -> Need {
        self.try_turn(service, clock).unwrap_or_else(|error| {
            log::info!("connection from {} ended: {error}", self.peer);
            Need::Close
        })
    }

    fn try_turn(&mut self, service: &mut Service, clock: &Clock) -> io::Result<Need> {
        for _ in 0..ROUNDS_PER_TURN {
            if self.closing.is_some() {
                return self.close_in_order(clock.now().monotonic);
            }
            // A session whose output is full serves on only after output was written.
            self.flush()?;
            let served = self.session.serve(service, clock.now());
            self.flush()?;
            match served {
                Err(violation) => {
                    log::warn!("connection from {} closed: {violation}", self.peer);
                    self.begin_closing(clock.now().monotonic);
                }
                Ok(Served::Disconnect) => self.begin_closing(clock.now().monotonic),
                Ok(Served::OutputFull) if self.session.unsent().is_empty() => {}
                Ok(Served::OutputFull) => return Ok(Need::Event),
                Ok(Served::All) if self.has_ended => return Ok(self.need_after_end()),
                Ok(Served::All) if !self.is_readable => return Ok(Need::Event),
                Ok(Served::All) => self.read(clock)?,
            }
        }
        Ok(Need::Turn)
    }

    fn need_after_end(&self) -> Need {
        if self.session.is_all_sent() { Need::Close } else { Need::Event }
    }

    fn begin_closing(&mut self, now: Instant) {
        self.closing = Some(Closing { is_shut_down: false, discarded: 0, give_up_at: now + LINGER });
    }

    fn close_in_order(&mut self, now: Instant) -> io::Result<Need> {
        self.session.send_late_answers(now);
        let sent = self.flush()?;
        let Some(closing) = &mut self.closing else { return Ok(Need::Close) };
        if now >= closing.give_up_at {
            return Ok(Need::Close);
        }
        if sent > 0 {
            closing.give_up_at = now + LINGER;
        }
        if !self.session.is_all_sent() {
            return Ok(Need::Event);
        }
        if !std::mem::replace(&mut closing.is_shut_down, true) {
            self.stream.shutdown(Shutdown::Write)?;
        }
        self.discard()
    }

    /// Discards what the peer still sends, until it ends its stream too.
    fn discard(&mut self) -> io::Result<Need> {
        let Some(closing) = &mut self.closing else { return Ok(Need::Close) };
        while !self.has_ended && closing.discarded < DISCARDED_AT_MOST {
            match self.stream.read(self.session.space()) {
                Ok(0) => self.has_ended = true,
                Ok(received) => closing.discarded += received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Need::Event),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Need::Close)
    }

    fn read(&mut self, clock: &Clock) -> io::Result<()> {
        let space = self.session.space();
        let room = space.len();
        match self.stream.read(space) {
            Ok(0) => self.has_ended = true,
            Ok(received) => {
                self.session.advance(received);
                self.last_heard = clock.now().monotonic;
                self.is_readable = !SHORT_READ_EMPTIES || self.may_end || received == room;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends as much as the socket accepts. Returns the number of bytes.
    fn flush(&mut self) -> io::Result<usize> {
        let mut flushed = 0;
        while !self.session.unsent().is_empty() {
            match self.stream.write(self.session.unsent()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.session.mark_sent(sent);
                    flushed += sent;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(flushed)
    }
}
