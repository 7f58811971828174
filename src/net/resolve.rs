//! Resolves host names on a separate thread, because the system's resolver blocks without a limit.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

/// Parses the endpoint as an address, if it is one.
pub(super) fn literal(endpoint: &str) -> Option<SocketAddr> {
    endpoint.parse().ok()
}

/// Resolves the endpoint on its own thread, and passes the result to `deliver`.
///
/// # Errors
///
/// The operating system refused the thread. `deliver` is not called.
pub(super) fn in_background(
    endpoint: Arc<str>,
    deliver: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) -> io::Result<()> {
    let lookup = move || deliver(endpoint.to_socket_addrs().map(Iterator::collect));
    thread::Builder::new().name("rtm-resolve".into()).spawn(lookup).map(drop)
}
