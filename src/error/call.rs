//! Errors of a call, or of a setting, before there is an answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::rounded::rounded;
use super::write_causes;

/// What a call was waiting for when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// For room among the calls in flight (`ClientBuilder::max_in_flight`).
    WaitingForRoom,
    /// For room among the bytes that wait to be sent (`ClientBuilder::max_unsent`): the server reads too slowly.
    WaitingForSendBuffer,
    /// For its turn among the calls that are paced (`ClientBuilder::max_rate`).
    WaitingForTurn,
    /// For the server's name to be resolved.
    Resolving,
    /// For a TCP connection to the server.
    Connecting,
    /// For the server's part of the key exchange.
    KeyExchange,
    /// For the server to answer the subscription (`Client::listen`) on a new connection.
    Listening,
    /// To be sent: earlier calls have not been sent yet, or the server does not read.
    Queued,
    /// For the answer: the call was, or may have been, sent.
    WaitingForAnswer,
    /// For calls in flight and their callbacks to end (`Client::shutdown`).
    ShuttingDown,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::WaitingForRoom => "waiting for room among the calls in flight",
            Stage::WaitingForSendBuffer => "waiting for room in the send buffer",
            Stage::WaitingForTurn => "waiting for its turn under the limit of calls a second",
            Stage::Resolving => "resolving the server's name",
            Stage::Connecting => "connecting",
            Stage::KeyExchange => "exchanging keys",
            Stage::Listening => "subscribing to pushes",
            Stage::Queued => "waiting to be sent",
            Stage::WaitingForAnswer => "waiting for the answer",
            Stage::ShuttingDown => "waiting for calls and callbacks to end",
        })
    }
}

/// A call that timed out, and what it was waiting for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {:?} while {stage}", rounded(*timeout))]
pub struct TimeoutError {
    stage: Stage,
    timeout: Duration,
}

impl TimeoutError {
    pub(crate) fn new(stage: Stage, timeout: Duration) -> TimeoutError {
        TimeoutError { stage, timeout }
    }

    /// What the call was waiting for when its time ran out.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The call's timeout.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Only a call that waits for its answer can have reached the server.
    pub(super) fn may_have_executed(&self) -> bool {
        self.stage == Stage::WaitingForAnswer
    }
}

/// A call on a client that was closed, before the call or while it was in flight.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client was closed{}", if *.may_have_executed { " with the call in flight" } else { "" })]
pub struct ClosedError {
    pub(super) may_have_executed: bool,
}

impl ClosedError {
    pub(crate) fn new(may_have_executed: bool) -> ClosedError {
        ClosedError { may_have_executed }
    }
}

/// An argument, or a setting, that can never work.
#[derive(Debug, Clone)]
pub struct ArgumentError {
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ArgumentError {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> ArgumentError {
        ArgumentError { message: message.into(), source: None }
    }

    #[allow(dead_code, reason = "used by the features `encryption` and `gate`")]
    pub(crate) fn caused_by(
        message: impl Into<Cow<'static, str>>,
        source: impl StdError + Send + Sync + 'static,
    ) -> ArgumentError {
        ArgumentError { message: message.into(), source: Some(Arc::new(source)) }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        write_causes(f, self)
    }
}

impl StdError for ArgumentError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// A failure of the operating system.
#[derive(Debug, Clone)]
pub struct SystemError {
    what: Cow<'static, str>,
    source: Arc<io::Error>,
    pub(super) may_have_executed: bool,
}

impl SystemError {
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, source: io::Error) -> SystemError {
        SystemError { what: what.into(), source: Arc::new(source), may_have_executed: false }
    }

    /// The same, as the outcome of a call that was in flight.
    pub(crate) fn with_call(self, may_have_executed: bool) -> SystemError {
        SystemError { may_have_executed, ..self }
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.what)?;
        write_causes(f, self)
    }
}

impl StdError for SystemError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
