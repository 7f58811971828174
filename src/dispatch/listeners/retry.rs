//! Decides whether a history page that could not be read is requested again, and after what delay.
//!
//! No page is retried forever: neither one that the server keeps refusing, nor one whose answer ends every connection.

use std::time::Duration;

use crate::error::{Error, Retry};

/// How often a page is requested if the server refuses it but says that a retry may help.
const MOST_TRIES: u32 = 5;
/// How many lost connections a page may see before it counts as their cause.
const MOST_LOSSES: u32 = 20;
/// The longest delay before a page is requested again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Returns how long to wait before a page that failed with this error is requested again.
pub(crate) fn retry_delay(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait.min(LONGEST_WAIT),
        Retry::Now | Retry::Never => Duration::ZERO,
    }
}

/// Whether there was no connection to read a page on, or it was lost while reading.
pub(super) fn is_loss(error: &Error) -> bool {
    matches!(error, Error::ConnectionClosed(_) | Error::Connect(_) | Error::NotConnected(_))
}

/// Counts refusals of a page by the server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusals(u32);

impl Refusals {
    /// Records a refusal, and returns whether to request the page again.
    pub(super) fn record(&mut self, error: &Error) -> bool {
        self.0 += 1;
        self.0 < MOST_TRIES && error.retry() != Retry::Never
    }
}

/// Counts connections that were lost while a page was being read. The page may be the cause, for instance by its size;
/// it must not end every later connection as well.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses(u32);

impl Losses {
    /// Records a failure to read the page. Counts it only if a connection was lost.
    pub(super) fn record(&mut self, error: &Error) {
        if matches!(error, Error::ConnectionClosed(_)) {
            self.0 = if error.retry() == Retry::Never { MOST_LOSSES } else { self.0 + 1 };
        }
    }

    pub(super) fn are_too_many(self) -> bool {
        self.0 >= MOST_LOSSES
    }
}
