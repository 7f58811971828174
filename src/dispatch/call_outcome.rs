//! The outcome of a call, as statistics and metrics count it.

use crate::engine::{Counter, Counters, Outcome};
use crate::error::Error;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// The server answered with a result.
    Answered,
    /// The server answered with an error.
    Refused,
    TimedOut,
    ConnectionClosed,
    NotConnected,
    QueueFull,
    InvalidArgument,
    /// The client was closed.
    Closed,
}

impl CallOutcome {
    /// Classifies `outcome`. A call whose caller has given up waiting counts as timed out.
    pub(crate) fn of(outcome: &Outcome, is_awaited: bool) -> CallOutcome {
        match outcome {
            _ if !is_awaited => CallOutcome::TimedOut,
            Ok(answer) if answer.status == 0 => CallOutcome::Answered,
            Ok(_) | Err(Error::Answer(_) | Error::Decode(_)) => CallOutcome::Refused,
            Err(Error::Timeout(_)) => CallOutcome::TimedOut,
            Err(Error::ConnectionClosed(_)) => CallOutcome::ConnectionClosed,
            Err(Error::Connect(_) | Error::NotConnected(_)) => CallOutcome::NotConnected,
            Err(Error::QueueFull) => CallOutcome::QueueFull,
            Err(Error::InvalidArgument(_)) => CallOutcome::InvalidArgument,
            Err(Error::Closed(_) | Error::System(_)) => CallOutcome::Closed,
        }
    }

    /// Returns the counter of calls with this outcome.
    pub(crate) fn counter(self, counters: &Counters) -> &Counter {
        match self {
            CallOutcome::Answered => &counters.answered,
            CallOutcome::Refused => &counters.refused,
            CallOutcome::TimedOut => &counters.failed_timeout,
            CallOutcome::ConnectionClosed => &counters.failed_closed,
            CallOutcome::NotConnected => &counters.failed_connect,
            CallOutcome::QueueFull => &counters.failed_queue_full,
            CallOutcome::InvalidArgument => &counters.failed_argument,
            CallOutcome::Closed => &counters.failed_cancelled,
        }
    }
}
