//! Resolves host names on a separate thread, because the system's resolver blocks without a limit.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

/// The endpoint as an address, if it is a literal one.
pub(super) fn literal(endpoint: &str) -> Option<SocketAddr> {
    endpoint.parse().ok()
}

/// Looks the endpoint up and hands the result to `deliver`, on a thread of its own.
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
