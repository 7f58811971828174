//! Errors of a call that was answered.

use std::borrow::Cow;

use std::error::Error as StdError;
use std::fmt;

use super::printable::Printable;
use crate::code::ErrorCode;

/// The server's own error: a code and a text.
///
/// `Display` escapes control characters of the server's text, so that it cannot forge log lines or steer a terminal;
/// [`message`](AnswerError::message) returns the text unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerError {
    code: ErrorCode,
    message: Option<Box<str>>,
    raiser: Option<Box<str>>,
    clock_corrected: bool,
}

impl AnswerError {
    pub(crate) fn new(code: ErrorCode, message: Option<String>, raiser: Option<String>) -> AnswerError {
        AnswerError { code, message: message.map(Into::into), raiser: raiser.map(Into::into), clock_corrected: false }
    }

    /// Notes that the client has learnt the server's time since, so that the same call passes now.
    pub(crate) fn with_corrected_clock(mut self) -> AnswerError {
        self.clock_corrected = true;
        self
    }

    pub(super) fn is_clock_corrected(&self) -> bool {
        self.clock_corrected
    }

    /// The server's code. An answer without one counts as [`ErrorCode::FPNN_EC_PROTO_UNKNOWN_ERROR`].
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The server's text, unchanged; empty if it sent none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// The server that raised the error, if the answer names it.
    #[must_use]
    pub fn raiser(&self) -> Option<&str> {
        self.raiser.as_deref()
    }

    /// Whether the code says that the server turned the call away before it looked at it.
    pub(super) fn was_turned_away(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD
                | ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL
                | ErrorCode::FPNN_EC_CORE_FORBIDDEN
                | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING
                | ErrorCode::RTM_EC_INVALID_PID_OR_UID
                | ErrorCode::RTM_EC_INVALID_PID_OR_SIGN
                | ErrorCode::RTM_EC_SAME_SIGN
                | ErrorCode::RTM_EC_INVALID_SERVER_TIME
                | ErrorCode::RTM_EC_FREQUENCY_LIMITED
                | ErrorCode::RTM_EC_FORBIDDEN_METHOD
                | ErrorCode::RTM_EC_PERMISSION_DENIED
                | ErrorCode::RTM_EC_UNAUTHORIZED
                | ErrorCode::RTM_EC_LARGE_MESSAGE_OR_ATTRS
                | ErrorCode::RTM_EC_TOO_MANY_ITEMS_IN_PARAMETERS
                | ErrorCode::RTM_EC_EMPTY_PARAMETER
                | ErrorCode::RTM_EC_INVALID_PARAMETER
        )
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered with error {}", self.code)?;
        match &self.message {
            Some(message) => write!(f, ": {}", Printable(message)),
            None => Ok(()),
        }
    }
}

impl StdError for AnswerError {}

/// Why an answer, or another payload, cannot be read.
///
/// The connection stays in use: only this payload is bad, not the framing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The header does not announce a plain msgpack payload. Holds the header's flag byte.
    #[error("the payload is not plain msgpack (flag byte {0:#04x})")]
    NotMsgpack(u8),
    /// The payload ends inside a value.
    #[error("the payload ends too early")]
    Truncated,
    /// Bytes are left over after the payload's map.
    #[error("{0} bytes are left over after the payload's map")]
    TrailingBytes(usize),
    /// The payload is not a map.
    #[error("the payload is not a map")]
    NotAMap,
    /// A key of the payload's map is not a string.
    #[error("a key of the payload's map is not a string")]
    KeyNotString,
    /// The payload has the byte 0xc1, which msgpack never uses.
    #[error("the payload holds the byte 0xc1, which msgpack never uses")]
    ReservedByte,
    /// Values are nested too deeply.
    #[error("the payload nests values too deeply")]
    TooDeep,
    /// A value has the wrong type.
    #[error("`{key}` is not {expected}")]
    WrongType {
        /// The value's key.
        key: &'static str,
        /// The expected type, with its article: `an integer`.
        expected: &'static str,
    },
    /// A required key is missing.
    #[error("`{0}` is missing")]
    MissingKey(&'static str),
    /// The payload is well-formed but does not fit the result type of `quest`. Holds serde's message.
    #[error("the payload does not fit the type that it is read into: {0}")]
    TypeMismatch(Box<str>),
    /// A row of a list cannot be read.
    #[error("row {row}: {cause}")]
    InRow {
        /// The row's place in its list, from 0.
        row: usize,
        /// What is wrong with it.
        cause: Box<DecodeError>,
    },
    /// The answer to a call cannot be read.
    #[error("the answer to {method} cannot be read: {cause}")]
    InAnswer {
        /// The method's name on the wire.
        method: Cow<'static, str>,
        /// What is wrong with the answer.
        cause: Box<DecodeError>,
    },
}

impl DecodeError {
    /// The same error, with the method whose answer it is in.
    pub(crate) fn in_answer_to(self, method: Cow<'static, str>) -> DecodeError {
        DecodeError::InAnswer { method, cause: Box::new(self) }
    }

    /// The same error, with the row that it is in.
    pub(crate) fn in_row(self, row: usize) -> DecodeError {
        DecodeError::InRow { row, cause: Box::new(self) }
    }
}
