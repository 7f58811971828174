//! [`ConnectionInfo`]: the description of a connection that hooks get.

use std::net::SocketAddr;
use std::time::Duration;

/// One connection of a client, as `ClientBuilder::on_connected` and `ClientBuilder::on_closed` see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) lived: Duration,
}

impl ConnectionInfo {
    /// The connection's number: 1 for the client's first connection, then 2, and so on.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The server's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the client was connected before.
    #[must_use]
    pub fn is_reconnect(&self) -> bool {
        self.number > 1
    }

    /// How long the connection lived; zero in `on_connected`.
    #[must_use]
    pub fn lived(&self) -> Duration {
        self.lived
    }
}
