//! How far a call has got, agreed on by the I/O thread and a caller that gives up by itself.

use std::sync::atomic::{AtomicU8, Ordering};

/// The call may have left.
const SENT: u8 = 1;
/// The caller has given up.
const GIVEN_UP: u8 = 2;
/// The outcome is there, or about to be.
const DELIVERED: u8 = 4;

/// The progress of one call.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

/// How far a call had got when its caller gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// It was not sent, and will not be.
    Unsent,
    /// It may have left.
    Sent,
}

impl Progress {
    /// The call is about to be sent. Says whether it may be: its caller has not given up.
    pub(super) fn begin_sending(&self) -> bool {
        self.0.compare_exchange(0, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The outcome is about to be delivered. Says whether its caller still waits for it.
    pub(super) fn deliver(&self) -> bool {
        self.0.fetch_or(DELIVERED, Ordering::AcqRel) & GIVEN_UP == 0
    }

    /// The caller gives up. Says too whether the outcome is on its way all the same.
    pub(super) fn give_up(&self) -> (GaveUp, bool) {
        let before = self.0.fetch_or(GIVEN_UP, Ordering::AcqRel);
        let gave_up = if before & SENT == 0 { GaveUp::Unsent } else { GaveUp::Sent };
        (gave_up, before & DELIVERED != 0)
    }

    /// Makes this the progress of another call, for a caller that got the outcome of the one before.
    pub(super) fn restart(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_that_was_given_up_is_not_sent() {
        let progress = Progress::default();
        assert_eq!(progress.give_up(), (GaveUp::Unsent, false));
        assert!(!progress.begin_sending());
        assert!(!progress.deliver());
    }

    #[test]
    fn call_that_may_have_left_is_told_so() {
        let progress = Progress::default();
        assert!(progress.begin_sending());
        assert_eq!(progress.give_up(), (GaveUp::Sent, false));
        assert!(!progress.deliver());
    }

    #[test]
    fn outcome_on_its_way_is_waited_for() {
        let progress = Progress::default();
        assert!(progress.begin_sending() && progress.deliver());
        assert_eq!(progress.give_up(), (GaveUp::Sent, true));
    }
}
