//! [`Error`]: every way in which a call can fail, and what the caller can do about it.

mod answer;
mod call;
mod connection;
mod make;
mod printable;
mod retry;
mod rounded;

pub use answer::{AnswerError, DecodeError};
pub use call::{ArgumentError, ClosedError, Stage, SystemError, TimeoutError};
pub use connection::{
    CloseReason, ConnectCause, ConnectError, ConnectionClosedError, NotConnectedError, ProtocolError,
};
pub use retry::Retry;

use std::error::Error as StdError;
use std::fmt;

use crate::code::ErrorCode;

/// Why a call failed, or why a client could not be built.
///
/// Each variant has the details of its kind. Every error also answers three questions:
///
/// - [`code`](Error::code): which number would the vendor's SDKs give?
/// - [`retry`](Error::retry): can making the same call again help, and when?
/// - [`may_have_executed`](Error::may_have_executed): may the server have acted on the call already?
///
/// # Text and causes
///
/// `{}` says what happened, in one line. An error of another library, such as an [`io::Error`](std::io::Error), is not
/// in that text but under [`source`](std::error::Error::source), so that a reporter that prints the whole chain prints
/// nothing twice. `{:#}` is such a reporter: it adds every cause after a colon. Use it in logs.
///
/// # Errors for tests
///
/// Each variant has a constructor, so that a program can test its error handling without a server:
/// [`from_answer`](Error::from_answer), [`timed_out`](Error::timed_out),
/// [`connection_closed`](Error::connection_closed), [`connect_failed`](Error::connect_failed),
/// [`not_connected`](Error::not_connected), [`queue_full`](Error::queue_full), [`decode_failed`](Error::decode_failed),
/// [`invalid_argument`](Error::invalid_argument), [`closed`](Error::closed), [`system_failed`](Error::system_failed).
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{Client, Error};
///
/// // Nobody listens there, so the call fails, and nothing can have been executed.
/// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
/// let error = client.get_room_info(42).call().unwrap_err();
/// assert!(matches!(error, Error::Connect(_)));
/// assert_eq!(error.code(), 20012);
/// assert!(!error.may_have_executed());
/// assert_eq!(error.to_string(), "cannot connect to 127.0.0.1:1");
/// assert!(format!("{error:#}").starts_with("cannot connect to 127.0.0.1:1: "), "the cause follows");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error.
    #[error(transparent)]
    Answer(AnswerError),
    /// No answer came within the call's time.
    #[error(transparent)]
    Timeout(TimeoutError),
    /// The connection ended with the call in flight.
    #[error(transparent)]
    ConnectionClosed(ConnectionClosedError),
    /// No connection could be made.
    #[error(transparent)]
    Connect(ConnectError),
    /// There is no connection, and the call does not wait for one.
    #[error(transparent)]
    NotConnected(NotConnectedError),
    /// A call with a callback found no room: too many calls are in flight or too many callbacks wait
    /// (`ClientBuilder::max_in_flight`), or too many bytes wait to be sent (`ClientBuilder::max_unsent`).
    #[error(
        "too many calls are in flight, callbacks waiting or bytes unsent: \
         let some of them end, or raise max_in_flight or max_unsent"
    )]
    QueueFull,
    /// The server's answer cannot be read. The call may have been executed.
    #[error(transparent)]
    Decode(DecodeError),
    /// This call, or this setting, can never work.
    #[error(transparent)]
    InvalidArgument(ArgumentError),
    /// The client was closed.
    #[error(transparent)]
    Closed(ClosedError),
    /// The operating system refused a resource that the client or the gate needs: a thread, a poll, a listening socket.
    #[error(transparent)]
    System(SystemError),
}

impl Error {
    /// Returns the code of the error: the server's for [`Error::Answer`], otherwise the one that the vendor's SDKs
    /// give.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Error::Answer(error) => error.code(),
            Error::Timeout(_) => ErrorCode::FPNN_EC_CORE_TIMEOUT,
            Error::ConnectionClosed(_) => ErrorCode::FPNN_EC_CORE_CONNECTION_CLOSED,
            Error::Connect(_) | Error::NotConnected(_) => ErrorCode::FPNN_EC_CORE_INVALID_CONNECTION,
            Error::QueueFull => ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL,
            Error::Decode(_) => ErrorCode::FPNN_EC_CORE_DECODING,
            Error::InvalidArgument(_) => ErrorCode::RTM_EC_INVALID_PARAMETER,
            Error::Closed(_) => ErrorCode::FPNN_EC_CORE_CANCELLED,
            Error::System(_) => ErrorCode::FPNN_EC_CORE_UNKNOWN_ERROR,
        }
    }

    /// Returns whether the server may have acted on the call. If `false`, it cannot have, and it is safe to make the
    /// call again. [`retry`](Error::retry) says whether that *helps*.
    ///
    /// For an error answer it is `false` if the code says that the server rejected the call before acting on it: a
    /// wrong signature, an unknown method, a full queue and the like.
    #[must_use]
    pub fn may_have_executed(&self) -> bool {
        match self {
            Error::Answer(error) => !error.was_turned_away(),
            Error::Timeout(error) => error.may_have_executed(),
            Error::ConnectionClosed(error) => error.may_have_executed,
            Error::Closed(error) => error.may_have_executed,
            Error::System(error) => error.may_have_executed,
            Error::Decode(_) => true,
            Error::Connect(_) | Error::NotConnected(_) | Error::QueueFull | Error::InvalidArgument(_) => false,
        }
    }
}

impl From<ArgumentError> for Error {
    fn from(error: ArgumentError) -> Error {
        Error::InvalidArgument(error)
    }
}

impl From<TimeoutError> for Error {
    fn from(error: TimeoutError) -> Error {
        Error::Timeout(error)
    }
}

/// The end of every `Display` in this module: with `{:#}`, the causes of `error`, each after a colon.
fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn StdError) -> fmt::Result {
    let mut cause = error.source().filter(|_| f.alternate());
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
