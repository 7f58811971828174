//! Non-blocking sockets: dials in progress, and the connection.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A socket that is connecting or connected.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    token: Token,
    is_readable: bool,
    is_writable: bool,
}

impl Socket {
    /// Starts connecting. The socket is registered once, for both directions, under `token`.
    pub(super) fn dial(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Socket> {
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { stream, token, is_readable: false, is_writable: false })
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// Returns the peer if the socket is connected. Call it after a writable event.
    pub(super) fn check_connected(&mut self) -> io::Result<Option<SocketAddr>> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            // A socket that connects to a free local port may be assigned that very port, and so connect to itself.
            Ok(peer) if self.stream.local_addr()? == peer => Err(io::ErrorKind::ConnectionRefused.into()),
            Ok(peer) => {
                self.stream.set_nodelay(true)?;
                // Data that arrived with the connection may already have had its event.
                self.is_readable = true;
                self.is_writable = true;
                Ok(Some(peer))
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records an event.
    pub(super) fn note(&mut self, event: &Event) {
        self.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Whether a read may find something.
    pub(super) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Whether a write may be accepted.
    pub(super) fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// Reads once. Returns `None` if there is nothing to read before the next event.
    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.is_readable {
            return Ok(None);
        }
        let read = settled(|| self.stream.read(space));
        self.is_readable = !matches!(read, Ok(None));
        read
    }

    /// Sends an acknowledgement that the system is delaying, if the system supports that.
    pub(super) fn acknowledge(&self) {
        // If this fails, the acknowledgement is only sent a little later.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&self.stream).set_tcp_quickack(true);
    }

    /// Writes once. Returns `None` if nothing is accepted before the next event.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if !self.is_writable {
            return Ok(None);
        }
        let written = settled(|| self.stream.write(bytes));
        self.is_writable = !matches!(written, Ok(None));
        written
    }
}

/// Repeats an operation that a signal interrupted, and turns "would block" into `None`.
fn settled(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match operation() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
