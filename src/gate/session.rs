//! One connection of the gate: bytes in, answers out.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::TcpStream;

use super::auth::Projects;
use super::methods::{Clock, Handled, handle};
use super::stats::Counters;
use crate::error::{DecodeError, ProtocolError};
use crate::proto::{Decoder, Message};

/// The reference server refuses packets of this size.
const LARGEST_PAYLOAD: usize = 8 * 1024 * 1024 - 1;
/// A peer that leaves this much unread is read from no longer, until it has read some of it.
const MOST_UNREAD: usize = 1024 * 1024;
/// A peer that sends without a pause must not keep the others waiting.
const READS_PER_TURN: usize = 16;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum End {
    #[error("the peer closed it")]
    Peer,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    #[error("a quest cannot be read: {0}")]
    Payload(#[from] DecodeError),
    #[error("the peer sent an answer, and was asked nothing")]
    Answer,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    peer: SocketAddr,
    decoder: Decoder,
    out: Vec<u8>,
    /// How many bytes of `out` have left.
    gone: usize,
    is_readable: bool,
    is_writable: bool,
    /// The peer will send no more. What it is owed is still written.
    is_half_closed: bool,
}

impl Session {
    pub fn new(stream: TcpStream, peer: SocketAddr) -> Session {
        Session {
            stream,
            peer,
            decoder: Decoder::new(LARGEST_PAYLOAD),
            out: Vec::new(),
            gone: 0,
            is_readable: true,
            is_writable: true,
            is_half_closed: false,
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub fn note(&mut self, event: &Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Reads, executes and answers what is there. Says whether there is more to do without another event.
    ///
    /// # Errors
    ///
    /// The connection has ended, or is to.
    pub fn serve(&mut self, projects: &mut Projects, counters: &Counters, clock: Clock) -> Result<bool, End> {
        for _ in 0..READS_PER_TURN {
            if !self.may_read() {
                break;
            }
            let space = self.decoder.space();
            match self.stream.read(space) {
                Ok(0) => self.is_half_closed = true,
                Ok(received) => {
                    self.decoder.advance(received);
                    self.execute(projects, counters, clock)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.write()?;
        if self.is_half_closed && self.unsent() == 0 {
            return Err(End::Peer);
        }
        Ok(self.may_read())
    }

    fn may_read(&self) -> bool {
        self.is_readable && !self.is_half_closed && self.unsent() < MOST_UNREAD
    }

    fn unsent(&self) -> usize {
        self.out.len() - self.gone
    }

    fn execute(&mut self, projects: &mut Projects, counters: &Counters, clock: Clock) -> Result<(), End> {
        while let Some(message) = self.decoder.next_message()? {
            let Message::Quest(quest) = message else { return Err(End::Answer) };
            match handle(projects, &quest, clock, &mut self.out)? {
                Handled::Executed(method) => counters.executed(method),
                Handled::Refused(code, reason) => {
                    counters.refused();
                    log::warn!("{}: refused {} with {code}: {reason}", self.peer, quest.method.escape_ascii());
                }
            }
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        while self.is_writable && self.unsent() > 0 {
            match self.stream.write(&self.out[self.gone..]) {
                Ok(written) => self.gone += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.unsent() == 0 {
            self.gone = 0;
            self.out.clear();
            self.out.shrink_to(MOST_UNREAD);
        }
        Ok(())
    }
}
