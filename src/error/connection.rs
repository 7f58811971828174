//! Errors of connections: why one could not be made, why one ended.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::rounded::rounded;
use super::{AnswerError, Error, Stage, write_causes};

/// Why a connection ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CloseReason {
    /// The server closed it.
    Peer,
    /// The operating system reported an error.
    Io(Arc<io::Error>),
    /// The server sent bytes that break the protocol.
    Protocol(ProtocolError),
    /// The server was silent for this long, and answered no ping.
    KeepAlive(Duration),
    /// The client was closed.
    Client,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Peer => f.write_str("the server closed it"),
            CloseReason::Io(_) => f.write_str("the operating system reported an error"),
            CloseReason::Protocol(error) => write!(f, "{error}"),
            CloseReason::KeepAlive(silence) => {
                write!(f, "the server was silent for {:?} and answered no ping", rounded(*silence))
            }
            CloseReason::Client => f.write_str("the client was closed"),
        }?;
        write_causes(f, self)
    }
}

impl StdError for CloseReason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CloseReason::Io(error) => Some(&**error),
            CloseReason::Peer | CloseReason::Protocol(_) | CloseReason::KeepAlive(_) | CloseReason::Client => None,
        }
    }
}

impl CloseReason {
    pub(crate) fn io(error: io::Error) -> CloseReason {
        CloseReason::Io(Arc::new(error))
    }
}

/// A violation of the protocol, after which nothing on the connection can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A packet does not start with `FPNN`. Holds its first bytes.
    #[error("the peer sent {} where a packet should begin with FPNN", .0.escape_ascii())]
    BadMagic([u8; 4]),
    /// A packet has a message type other than 0, 1 and 2.
    #[error("the peer sent a packet of the unknown message type {0}")]
    BadMessageType(u8),
    /// A packet announces a payload over the limit.
    #[error("the peer announced a payload of {size} bytes, over the limit of {limit}")]
    PayloadTooLarge {
        /// The size that the header announces, in bytes.
        size: u64,
        /// The most that is accepted, in bytes (`ClientBuilder::max_payload`).
        limit: usize,
    },
    /// The length of an encrypted package is not that of the frame inside it.
    #[error("the peer sent an encrypted package of {package} bytes whose frame has a different length")]
    BadPackage {
        /// The length that the package announces, in bytes.
        package: u64,
    },
    /// The server floods the client with quests and does not read the answers.
    #[error("the peer sends quests faster than it reads their answers")]
    QuestFlood,
}

/// A call whose connection ended before its answer arrived; in `ClientBuilder::on_closed`, a connection that ended.
#[derive(Debug, Clone)]
pub struct ConnectionClosedError {
    reason: CloseReason,
    had_call: bool,
    pub(super) may_have_executed: bool,
}

impl ConnectionClosedError {
    pub(crate) fn new(reason: CloseReason, may_have_executed: bool) -> ConnectionClosedError {
        ConnectionClosedError { reason, had_call: true, may_have_executed }
    }

    /// The end of a connection, apart from any call.
    pub(crate) fn without_call(reason: CloseReason) -> ConnectionClosedError {
        ConnectionClosedError { reason, had_call: false, may_have_executed: false }
    }

    /// Why the connection ended.
    #[must_use]
    pub fn reason(&self) -> &CloseReason {
        &self.reason
    }
}

impl fmt::Display for ConnectionClosedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = if self.had_call { " with the call in flight" } else { "" };
        write!(f, "the connection ended{call}: {}", self.reason)?;
        write_causes(f, self)
    }
}

impl StdError for ConnectionClosedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.reason.source()
    }
}

/// A connection that could not be made, and why.
#[derive(Debug, Clone)]
pub struct ConnectError {
    endpoint: Arc<str>,
    cause: Box<ConnectCause>,
}

impl ConnectError {
    pub(crate) fn new(endpoint: Arc<str>, cause: ConnectCause) -> ConnectError {
        ConnectError { endpoint, cause: Box::new(cause) }
    }

    /// The endpoint that the client was given.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Why it could not be reached.
    #[must_use]
    pub fn cause(&self) -> &ConnectCause {
        &self.cause
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.cause {
            // The endpoint is an address already: no need to say it twice.
            ConnectCause::Dial { address, .. } if address.to_string() == *self.endpoint => {
                write!(f, "cannot connect to {address}")
            }
            cause => write!(f, "cannot connect to {}: {cause}", self.endpoint),
        }?;
        write_causes(f, self)
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

/// Why a connection could not be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectCause {
    /// The name of the server could not be resolved.
    Resolve(Arc<io::Error>),
    /// The name of the server has no address.
    NoAddress,
    /// No address of the server accepted the connection.
    Dial {
        /// The last address that was tried.
        address: SocketAddr,
        /// The operating system's error for it.
        error: Arc<io::Error>,
    },
    /// Connecting took longer than `ClientBuilder::connect_timeout`.
    TimedOut {
        /// The timeout.
        timeout: Duration,
        /// What the attempt was waiting for.
        stage: Stage,
    },
    /// The server accepted the connection and ended it before the keys were exchanged.
    KeyExchange(CloseReason),
    /// The server accepted the connection and ended it before it answered the subscription (`Client::listen`).
    Listening(CloseReason),
    /// The server refused the key exchange.
    KeyRefused(AnswerError),
    /// The server's answer to the key exchange cannot be read.
    KeyUnreadable,
    /// The key pair for this connection could not be generated.
    KeyGeneration(Arc<io::Error>),
}

impl fmt::Display for ConnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectCause::Resolve(_) => f.write_str("its name could not be resolved"),
            ConnectCause::NoAddress => f.write_str("its name has no address"),
            ConnectCause::Dial { address, .. } => write!(f, "connecting to {address} failed"),
            ConnectCause::TimedOut { timeout, stage } => {
                write!(f, "timed out after {:?} while {stage}", rounded(*timeout))
            }
            ConnectCause::Listening(reason) => write!(f, "the connection ended while subscribing to pushes: {reason}"),
            ConnectCause::KeyExchange(reason) => {
                write!(f, "the connection ended during the key exchange (is this the server's key?): {reason}")
            }
            ConnectCause::KeyRefused(error) => write!(f, "the key exchange was refused: {error}"),
            ConnectCause::KeyUnreadable => {
                f.write_str("the answer to the key exchange cannot be read (is this the server's key?)")
            }
            ConnectCause::KeyGeneration(_) => f.write_str("no key pair for this connection could be generated"),
        }?;
        write_causes(f, self)
    }
}

impl StdError for ConnectCause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ConnectCause::Resolve(error) | ConnectCause::Dial { error, .. } | ConnectCause::KeyGeneration(error) => {
                Some(&**error)
            }
            ConnectCause::KeyExchange(reason) | ConnectCause::Listening(reason) => reason.source(),
            ConnectCause::NoAddress
            | ConnectCause::TimedOut { .. }
            | ConnectCause::KeyRefused(_)
            | ConnectCause::KeyUnreadable => None,
        }
    }
}

/// A call that found no connection and made none.
#[derive(Debug, Clone)]
pub struct NotConnectedError {
    retry_after: Option<Duration>,
    last_error: Option<Box<Error>>,
}

impl NotConnectedError {
    pub(crate) fn new(retry_after: Option<Duration>, last_error: Option<Error>) -> NotConnectedError {
        NotConnectedError { retry_after, last_error: last_error.map(Box::new) }
    }

    /// How long the reconnect policy still waits. `None` if auto-connect is off, so nothing will connect by itself.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for NotConnectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Some(wait) => {
                write!(f, "not connected: the reconnect policy waits for another {:.1} s", wait.as_secs_f64())
            }
            None => f.write_str("not connected, and auto-connect is off: call Client::connect first"),
        }?;
        if let Some(error) = &self.last_error {
            write!(f, " ({error})")?;
        }
        write_causes(f, self)
    }
}

impl StdError for NotConnectedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.last_error.as_deref().and_then(StdError::source)
    }
}
