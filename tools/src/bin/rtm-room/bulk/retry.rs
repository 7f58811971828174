//! When a row is tried again, and how long to wait before.

use std::time::{Duration, Instant};

use rtm_server_sdk::{Error, ErrorCode};

use crate::failure::is_without_connection;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pauses of a run. All its rows share them: what made one row fail makes its neighbours fail too.
pub(super) struct Retries {
    /// For how long a row is tried again.
    limit: Duration,
    next_pause: Duration,
    last_pause_ended: Option<Instant>,
}

impl Retries {
    pub(super) fn new(limit: Duration) -> Retries {
        Retries { limit, next_pause: FIRST_PAUSE, last_pause_ended: None }
    }

    /// How long to wait before the row is tried again; `None` for a row that has failed for good.
    pub(super) fn pause_before(&self, error: &Error, submitted: Instant, first_failure: Instant) -> Option<Duration> {
        if !is_worth_another_try(error) {
            return None;
        }
        // A row that was submitted before the last pause ended failed of what that pause was for.
        let pause = match (self.last_pause_ended, error) {
            (Some(ended), _) if submitted < ended => Duration::ZERO,
            (_, Error::NotConnected(waiting)) => waiting.retry_after().unwrap_or(self.next_pause),
            _ => self.next_pause,
        };
        (first_failure.elapsed() + pause < self.limit).then_some(pause)
    }

    pub(super) fn pause_ended(&mut self) {
        self.last_pause_ended = Some(Instant::now());
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
    }

    pub(super) fn row_succeeded(&mut self) {
        self.next_pause = FIRST_PAUSE;
    }
}

/// Whether the same call may fare better in a moment, and cannot have been carried out.
fn is_worth_another_try(error: &Error) -> bool {
    let is_passing = match error {
        Error::Answer(answer) => matches!(
            answer.code(),
            ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL
                | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING
                | ErrorCode::RTM_EC_SAME_SIGN
                | ErrorCode::RTM_EC_FREQUENCY_LIMITED
        ),
        Error::Connect(_)
        | Error::NotConnected(_)
        | Error::ConnectionClosed(_)
        | Error::Timeout(_)
        | Error::QueueFull => true,
        _ => false,
    };
    is_passing && !error.may_have_executed()
}

/// Whether every further row would fail in the same way, so that the run had better end.
pub(super) fn is_hopeless(error: &Error) -> bool {
    match error {
        Error::Answer(answer) => matches!(
            answer.code(),
            ErrorCode::RTM_EC_INVALID_PID_OR_SIGN
                | ErrorCode::RTM_EC_INVALID_SERVER_TIME
                | ErrorCode::RTM_EC_FORBIDDEN_METHOD
                | ErrorCode::RTM_EC_UNAUTHORIZED
                | ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD
        ),
        error => is_without_connection(error),
    }
}
