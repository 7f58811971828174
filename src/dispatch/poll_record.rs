//! Decides whether a thread that is about to wait busy-polls before it sleeps. Waking a sleeping thread takes longer
//! than a fast server takes to answer, but a poll that finds nothing wastes processor time.
//!
//! The decision depends on recent waits. After a poll that finds nothing, the thread sleeps. The more polls have
//! failed, the more short sleeps must follow before the next poll. So a long wait costs at most one poll, and a server
//! that is always slow costs none.

use std::time::Duration;

/// A sleep of up to this many times the length of a poll could have been saved by a poll, because it includes the time
/// it took to wake the thread.
const SHORT_SLEEP: u32 = 4;

/// The results of a thread's recent polls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollRecord {
    /// The most short sleeps between two polls, however many polls have failed.
    most_skipped: u32,
    /// How many short sleeps the last failed poll required.
    penalty: u32,
    /// How many of them are left.
    skips: u32,
}

impl PollRecord {
    /// Creates the state of a thread that begins with a poll.
    pub(crate) const fn new(most_skipped: u32) -> PollRecord {
        PollRecord { most_skipped, penalty: 0, skips: 0 }
    }

    /// Creates the state of a thread that begins with a poll only after a short sleep.
    pub(crate) const fn after_a_short_sleep(most_skipped: u32) -> PollRecord {
        PollRecord { most_skipped, penalty: 0, skips: 1 }
    }

    /// Whether the next wait begins with a poll.
    pub(crate) fn is_due(&self) -> bool {
        self.skips == 0
    }

    /// Records a poll. `found_it` tells whether it found in time what the thread waits for.
    pub(crate) fn record_poll(&mut self, found_it: bool) {
        self.penalty = if found_it { self.penalty / 2 } else { (2 * self.penalty + 1).min(self.most_skipped) };
        self.skips = if found_it { 0 } else { self.penalty };
    }

    /// Records a sleep without a poll of up to `limit` before it.
    pub(crate) fn record_sleep(&mut self, slept: Duration, limit: Duration) {
        if slept <= limit * SHORT_SLEEP {
            self.skips = self.skips.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(50);
    const SHORT: Duration = Duration::from_micros(120);
    const LONG: Duration = Duration::from_millis(1);
    const MOST: u32 = 63;

    /// Counts how many of `waits` waits begin with a poll, if all polls have the same result and all sleeps the same
    /// length.
    fn count(record: &mut PollRecord, found_it: bool, slept: Duration, waits: u32) -> u32 {
        let mut count = 0;
        for _ in 0..waits {
            if record.is_due() {
                count += 1;
                record.record_poll(found_it);
            } else {
                record.record_sleep(slept, LIMIT);
            }
        }
        count
    }

    #[test]
    fn polls_that_pay_continue() {
        assert_eq!(count(&mut PollRecord::new(MOST), true, SHORT, 100), 100);
    }

    #[test]
    fn slow_server_costs_one_poll() {
        assert_eq!(count(&mut PollRecord::new(MOST), false, LONG, 1_000), 1);
    }

    #[test]
    fn polls_that_never_pay_become_rare() {
        let polls = count(&mut PollRecord::new(MOST), false, SHORT, 10_000);
        assert!((1..200).contains(&polls), "{polls} polls");
    }

    #[test]
    fn polling_resumes_once_waits_are_short() {
        let mut record = PollRecord::new(MOST);
        count(&mut record, false, LONG, 1_000);
        count(&mut record, true, SHORT, 2);
        assert_eq!(count(&mut record, true, SHORT, 100), 100);
    }

    #[test]
    fn first_poll_can_require_a_short_sleep() {
        assert_eq!(count(&mut PollRecord::after_a_short_sleep(MOST), true, LONG, 100), 0);
        assert_eq!(count(&mut PollRecord::after_a_short_sleep(MOST), true, SHORT, 100), 99);
    }
}
