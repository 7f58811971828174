//! The two ways in which the gate says no: an error answer, or the end of the connection.

use std::borrow::Cow;

use crate::code::ErrorCode;
use crate::error::{DecodeError, ProtocolError};

/// A quest that is answered with an error. The connection goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's `code`.
    pub code: ErrorCode,
    /// The answer's `ex`: what is wrong, for the person who looks for it.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with that code and that text.
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, text: text.into() }
    }

    /// A parameter that is missing or makes no sense.
    pub fn parameter(text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(ErrorCode::RTM_EC_INVALID_PARAMETER, text)
    }
}

/// A packet after which the connection is closed, without an answer to it, as the vendor's server does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The borders of the packets cannot be known any more.
    #[error(transparent)]
    Framing(#[from] ProtocolError),
    /// The payload is empty, cut short, or not a map with string keys.
    #[error("the peer sent a quest that cannot be read: {0}")]
    Payload(DecodeError),
    /// Not exactly one of the bits for msgpack and for JSON is set.
    #[error("the peer sent the flag byte {0:#04x}, which announces neither msgpack nor JSON, or both")]
    Flag(u8),
    /// A key exchange that failed, or came at the wrong time. Holds why.
    #[error("the key exchange failed: {0}")]
    Key(String),
    /// The gate serves encrypted sessions only.
    #[error("the peer did not begin an encrypted session, and this gate serves no others")]
    Plain,
    /// The method's name is empty.
    #[error("the peer sent a quest without a method")]
    NoMethod,
}

/// Why a quest was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Answer with an error.
    Refused(Refusal),
    /// Close the connection.
    Broken(Broken),
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Denial {
        Denial::Refused(refusal)
    }
}

impl From<Broken> for Denial {
    fn from(broken: Broken) -> Denial {
        Denial::Broken(broken)
    }
}
