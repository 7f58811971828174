//! [`Error`]: every way in which a call can fail, and what its caller may do then.

mod answer;
mod call;
mod connection;

pub use answer::{AnswerError, DecodeError};
pub use call::{ArgumentError, ClosedError, Stage, SystemError, TimeoutError};
pub use connection::{
    CloseReason, ConnectCause, ConnectError, ConnectionClosedError, NotConnectedError, ProtocolError,
};

use crate::code::ErrorCode;

/// Why a call, or the making of a client, failed.
///
/// Each variant holds what there is to know. [`code`](Error::code) gives the number that the vendor's SDKs give,
/// [`may_have_executed`](Error::may_have_executed) says whether it is safe to make the call again, and
/// [`source`](std::error::Error::source) leads to the cause, an [`io::Error`](std::io::Error) included.
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
    /// There is no connection, and none is being made for this call.
    #[error(transparent)]
    NotConnected(NotConnectedError),
    /// A call with a callback found no room: too many calls are in flight or too many callbacks wait
    /// (`ClientBuilder::max_in_flight`), or too many bytes wait to be sent (`ClientBuilder::max_unsent`).
    #[error(
        "too many calls are in flight, callbacks waiting or bytes unsent: \
         let some of them end, or raise max_in_flight or max_unsent"
    )]
    QueueFull,
    /// The answer makes no sense. The call may have been executed.
    #[error(transparent)]
    Decode(DecodeError),
    /// This call, or this setting, can never work.
    #[error(transparent)]
    InvalidArgument(ArgumentError),
    /// The client was closed.
    #[error(transparent)]
    Closed(ClosedError),
    /// The machine refused something that the client or the gate needs to run: a thread, a poll, a listening socket.
    #[error(transparent)]
    System(SystemError),
}

impl Error {
    /// The client was closed, before the call or with it in flight.
    pub(crate) fn closed(may_have_executed: bool) -> Error {
        Error::Closed(ClosedError::new(may_have_executed))
    }

    /// The error's number: the server's own for [`Error::Answer`], FPNN's for everything else.
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

    /// Whether the server may have acted on the call. `false` only where it cannot have: then it is safe to make the
    /// call again.
    ///
    /// An error answer counts as "cannot have" where its code says that the server turned the call away before looking
    /// at it: a wrong signature, an unknown method, a full queue and the like.
    #[must_use]
    pub fn may_have_executed(&self) -> bool {
        match self {
            Error::Answer(error) => !error.was_turned_away(),
            Error::Timeout(error) => error.may_have_executed(),
            Error::ConnectionClosed(error) => error.may_have_executed,
            Error::Closed(error) => error.may_have_executed,
            Error::Decode(_) => true,
            Error::Connect(_)
            | Error::NotConnected(_)
            | Error::QueueFull
            | Error::InvalidArgument(_)
            | Error::System(_) => false,
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

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Decode(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_stays_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 64, "Error takes {} bytes", size_of::<Error>());
    }

    #[test]
    fn error_crosses_threads() {
        fn is_shareable<T: Send + Sync + 'static>() {}
        is_shareable::<Error>();
    }

    #[test]
    fn io_error_is_found_under_source() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let cause = ConnectCause::Dial { address: ([127, 0, 0, 1], 1).into(), error: refused.into() };
        let error = Error::Connect(ConnectError::new("localhost:1".into(), cause));
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused));
    }

    #[test]
    fn refusals_before_the_call_is_looked_at_are_safe_to_repeat() {
        let answer = |code: i32| Error::Answer(AnswerError::new(code.into(), None, None));
        assert!(!answer(200_002).may_have_executed());
        assert!(answer(20_001).may_have_executed());
    }
}
