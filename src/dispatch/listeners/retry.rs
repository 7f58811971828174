//! Decides whether a history page that could not be read is requested again, and after what wait.
//!
//! No page is retried without end: neither one that the server keeps refusing, nor one whose answer ends every connection.

use std::time::Duration;

use crate::error::{Error, Retry};

/// How often a page is asked for that the server does not give, although it says that asking again may help.
const MOST_TRIES: u32 = 5;
/// How often a connection may be lost while the same page is read, until the page is taken for the reason.
const MOST_LOSSES: u32 = 20;
/// The longest wait before such a page is asked for again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long to wait before a page is asked for again that failed with this error.
pub(crate) fn retry_delay(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait.min(LONGEST_WAIT),
        Retry::Now | Retry::Never => Duration::ZERO,
    }
}

/// Whether there was no connection to read a page on, or it was lost meanwhile.
pub(super) fn is_loss(error: &Error) -> bool {
    matches!(error, Error::ConnectionClosed(_) | Error::Connect(_) | Error::NotConnected(_))
}

/// Answers of the server that did not give the page.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusals(u32);

impl Refusals {
    /// The server did not give the page. Says whether it is to be asked for again.
    pub(super) fn record(&mut self, error: &Error) -> bool {
        self.0 += 1;
        self.0 < MOST_TRIES && error.retry() != Retry::Never
    }
}

/// Connections that were lost while a page was being read. The page may be the reason, by its size if by nothing else: then it
/// must not end every connection to come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Losses(u32);

impl Losses {
    /// The page could not be read.
    pub(super) fn record(&mut self, error: &Error) {
        if matches!(error, Error::ConnectionClosed(_)) {
            self.0 = if error.retry() == Retry::Never { MOST_LOSSES } else { self.0 + 1 };
        }
    }

    pub(super) fn are_too_many(self) -> bool {
        self.0 >= MOST_LOSSES
    }
}
