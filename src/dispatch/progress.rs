//! The progress of a call, agreed on between the I/O thread and a caller that gives up.

use std::sync::atomic::{AtomicU8, Ordering};

/// The call may have been sent.
const SENT: u8 = 1;
/// The caller has given up.
const GIVEN_UP: u8 = 2;
/// The outcome has been delivered, or is about to be.
const DELIVERED: u8 = 4;

/// The progress of one call.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

/// The progress of a call when its caller gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// The call was not sent, and will not be.
    Unsent,
    /// The call may have been sent.
    Sent,
}

impl Progress {
    /// Begins to send the call. Returns false if its caller has given up, so that it must not be sent.
    pub(super) fn begin_sending(&self) -> bool {
        self.0.compare_exchange(0, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Begins to deliver the outcome. Returns whether the caller still waits for it.
    pub(super) fn begin_delivery(&self) -> bool {
        self.0.fetch_or(DELIVERED, Ordering::AcqRel) & GIVEN_UP == 0
    }

    /// Gives up on behalf of the caller. The second value tells whether the outcome is about to be delivered anyway.
    pub(super) fn give_up(&self) -> (GaveUp, bool) {
        let before = self.0.fetch_or(GIVEN_UP, Ordering::AcqRel);
        let gave_up = if before & SENT == 0 { GaveUp::Unsent } else { GaveUp::Sent };
        (gave_up, before & DELIVERED != 0)
    }

    /// Resets the progress for another call, after the caller has received the previous outcome.
    pub(super) fn restart(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_call_is_not_sent() {
        let progress = Progress::default();
        assert_eq!(progress.give_up(), (GaveUp::Unsent, false));
        assert!(!progress.begin_sending());
        assert!(!progress.begin_delivery());
    }

    #[test]
    fn abandoned_call_may_have_been_sent() {
        let progress = Progress::default();
        assert!(progress.begin_sending());
        assert_eq!(progress.give_up(), (GaveUp::Sent, false));
        assert!(!progress.begin_delivery());
    }

    #[test]
    fn imminent_outcome_is_reported_on_giving_up() {
        let progress = Progress::default();
        assert!(progress.begin_sending() && progress.begin_delivery());
        assert_eq!(progress.give_up(), (GaveUp::Sent, true));
    }
}
