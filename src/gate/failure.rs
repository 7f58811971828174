//! The two ways in which a quest can fail: an error answer, or the end of its connection.

use std::borrow::Cow;

use crate::code::ErrorCode;
use crate::error::{DecodeError, ProtocolError};

/// An error answer to a quest. The connection stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorAnswer {
    /// The `code` of the answer.
    pub code: ErrorCode,
    /// The `ex` of the answer: what is wrong, for whoever reads the log.
    pub text: Cow<'static, str>,
}

impl ErrorAnswer {
    /// Creates an error answer.
    pub(super) fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> ErrorAnswer {
        ErrorAnswer { code, text: text.into() }
    }

    /// Creates the error for a parameter that is missing, of a wrong type, or out of range.
    pub(super) fn invalid_parameter(text: impl Into<Cow<'static, str>>) -> ErrorAnswer {
        ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_PARAMETER, text)
    }
}

/// A violation of the protocol. The connection is closed without an answer, as the vendor's server does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The boundaries of packets are lost.
    #[error(transparent)]
    Framing(#[from] ProtocolError),
    /// The payload is empty, truncated, or not a map with string keys.
    #[error("the peer sent a quest that cannot be read: {0}")]
    Payload(DecodeError),
    /// Not exactly one of the bits for msgpack and JSON is set.
    #[error("the peer sent the flag byte {0:#04x}, which announces neither msgpack nor JSON, or both")]
    Flag(u8),
    /// A key exchange failed, or arrived at the wrong time. Holds the reason.
    #[error("the key exchange failed: {0}")]
    KeyExchange(String),
    /// The gate only serves encrypted sessions.
    #[error("the peer did not begin an encrypted session, and this gate serves no others")]
    NotEncrypted,
    /// The method's name is empty.
    #[error("the peer sent a quest without a method")]
    NoMethod,
}

/// Why a quest was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is answered with an error.
    Answer(ErrorAnswer),
    /// Its connection is closed.
    Close(Violation),
}

impl From<ErrorAnswer> for Failure {
    fn from(error: ErrorAnswer) -> Failure {
        Failure::Answer(error)
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Failure {
        Failure::Close(violation)
    }
}
