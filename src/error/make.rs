//! A constructor for each variant of [`Error`].

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::{
    AnswerError, ArgumentError, CloseReason, ClosedError, ConnectCause, ConnectError, ConnectionClosedError,
    DecodeError, Error, NotConnectedError, Stage, SystemError, TimeoutError,
};
use crate::code::ErrorCode;

/// Constructors, one for each variant. The library uses some of them itself; they are public for tests of a
/// program's own error handling.
impl Error {
    /// Makes the server's error answer: [`Error::Answer`]. An empty `message` stands for an answer without a text.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, ErrorCode};
    ///
    /// let error = Error::from_answer(ErrorCode::RTM_EC_FREQUENCY_LIMITED, "slow down");
    /// assert_eq!(error.code(), 200010);
    /// assert_eq!(error.to_string(), "the server answered with error 200010 RTM_EC_FREQUENCY_LIMITED: slow down");
    /// ```
    #[must_use]
    pub fn from_answer(code: ErrorCode, message: &str) -> Error {
        let message = Some(message.to_owned()).filter(|message| !message.is_empty());
        Error::Answer(AnswerError::new(code, message, None))
    }

    /// Makes the timeout of a call that was in `stage` after `timeout`: [`Error::Timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, Stage};
    /// use std::time::Duration;
    ///
    /// let sent = Error::timed_out(Stage::WaitingForAnswer, Duration::from_secs(3));
    /// assert!(sent.may_have_executed());
    /// let unsent = Error::timed_out(Stage::Connecting, Duration::from_secs(3));
    /// assert!(!unsent.may_have_executed());
    /// ```
    #[must_use]
    pub fn timed_out(stage: Stage, timeout: Duration) -> Error {
        Error::Timeout(TimeoutError::new(stage, timeout))
    }

    /// Makes the error of a call whose connection ended: [`Error::ConnectionClosed`]. `may_have_executed` says whether
    /// any byte of the call may have left before.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, error::CloseReason};
    ///
    /// let error = Error::connection_closed(CloseReason::Peer, true);
    /// assert!(error.may_have_executed());
    /// assert_eq!(error.to_string(), "the connection ended with the call in flight: the server closed it");
    /// ```
    #[must_use]
    pub fn connection_closed(reason: CloseReason, may_have_executed: bool) -> Error {
        Error::ConnectionClosed(ConnectionClosedError::new(reason, may_have_executed))
    }

    /// Makes the error of a failed attempt to connect to `endpoint`: [`Error::Connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, error::ConnectCause};
    ///
    /// let error = Error::connect_failed("rtm.example.com:13315", ConnectCause::NoAddress);
    /// assert_eq!(error.to_string(), "cannot connect to rtm.example.com:13315: its name has no address");
    /// ```
    #[must_use]
    pub fn connect_failed(endpoint: &str, cause: ConnectCause) -> Error {
        Error::Connect(ConnectError::new(endpoint.into(), cause))
    }

    /// Makes the error of a call without a connection: [`Error::NotConnected`]. `retry_after` is what remains of the
    /// reconnect policy's wait, or `None` if auto-connect is off.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, Retry};
    /// use std::time::Duration;
    ///
    /// let wait = Duration::from_millis(400);
    /// assert_eq!(Error::not_connected(Some(wait)).retry(), Retry::After(wait));
    /// assert_eq!(Error::not_connected(None).retry(), Retry::Never);
    /// ```
    #[must_use]
    pub fn not_connected(retry_after: Option<Duration>) -> Error {
        Error::NotConnected(NotConnectedError::new(retry_after, None))
    }

    /// Makes the error of a call with a callback that found no room: [`Error::QueueFull`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Error;
    ///
    /// assert_eq!(Error::queue_full().code(), 20011);
    /// ```
    #[must_use]
    pub fn queue_full() -> Error {
        Error::QueueFull
    }

    /// Makes the error of an answer to `method` that cannot be read: [`Error::Decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, error::DecodeError};
    ///
    /// let error = Error::decode_failed("getroominfo", DecodeError::NotAMap);
    /// assert!(error.may_have_executed());
    /// assert_eq!(error.to_string(), "the answer to getroominfo cannot be read: the payload is not a map");
    /// ```
    #[must_use]
    pub fn decode_failed(method: &str, reason: DecodeError) -> Error {
        Error::Decode(reason.in_answer_to(method.to_owned().into()))
    }

    /// Makes the error of an argument or a setting that can never work: [`Error::InvalidArgument`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Error;
    ///
    /// let error = Error::invalid_argument("the project's secret is empty");
    /// assert_eq!((error.code().value(), error.may_have_executed()), (200034, false));
    /// ```
    #[must_use]
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Error {
        Error::InvalidArgument(ArgumentError::new(message))
    }

    /// Makes the error of a closed client: [`Error::Closed`]. `may_have_executed` is true for a call that may have left
    /// before.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Error;
    ///
    /// assert_eq!(Error::closed(false).to_string(), "the client was closed");
    /// assert_eq!(Error::closed(true).to_string(), "the client was closed with the call in flight");
    /// ```
    #[must_use]
    pub fn closed(may_have_executed: bool) -> Error {
        Error::Closed(ClosedError::new(may_have_executed))
    }

    /// Makes a failure of the operating system: [`Error::System`]. `what` is what was tried: "starting a thread".
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Error;
    /// use std::io;
    ///
    /// let error = Error::system_failed("starting a thread", io::Error::other("the limit is reached"));
    /// assert_eq!(format!("{error:#}"), "starting a thread failed: the limit is reached");
    /// ```
    #[must_use]
    pub fn system_failed(what: impl Into<Cow<'static, str>>, cause: io::Error) -> Error {
        Error::System(SystemError::new(what, cause))
    }
}
