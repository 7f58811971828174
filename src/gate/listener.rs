//! The listening socket.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpListener;

/// How many connections may wait to be accepted; the system has its own limit as well. When there are too many, a
/// client retries after a second.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BACKLOG: i32 = 4096;

/// Listens on the first address of that name that works. On Unix, the port of a dropped gate can be bound again at
/// once.
///
/// # Errors
///
/// The name has no address, or none of its addresses works.
pub(super) fn listen(name: &str) -> io::Result<TcpListener> {
    let mut last_error = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in name.to_socket_addrs()? {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// On other systems, 128 connections may wait.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn hundreds_of_connections_can_wait_to_be_accepted() {
        let listener = listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(20)).unwrap();
        let made: Vec<TcpStream> = (0..400).map(connect).collect();
        assert_eq!(made.len(), 400);
    }
}
