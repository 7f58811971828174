//! Whether the I/O thread busy-polls for work before it sleeps, and for how long.

use std::time::Duration;

use crate::dispatch::PollRecord;

/// The most short sleeps between two polls, however many polls have failed.
const MOST_SKIPPED: u32 = 63;
/// With more calls in flight than this, there is no poll. While the thread sleeps, calls and answers accumulate, and
/// then travel together. That saves more than the wake costs.
const FEW_CALLS: usize = 16;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct BusyPoll {
    limit: Duration,
    for_answers: PollRecord,
    for_commands: PollRecord,
}

/// What the thread waits for. These are separate because a caller may pause between calls that are answered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// Calls are in flight.
    Answers,
    /// No calls are in flight, so only a caller can create work.
    Commands,
}

impl BusyPoll {
    /// Creates the state for polls of up to `limit`. A limit of zero disables them.
    pub(super) fn new(limit: Duration) -> BusyPoll {
        BusyPoll {
            limit,
            for_answers: PollRecord::new(MOST_SKIPPED),
            // An idle client must never poll, not even once.
            for_commands: PollRecord::after_a_short_sleep(MOST_SKIPPED),
        }
    }

    /// How long to poll now, if at all, with `calls` calls in flight.
    pub(super) fn time_to_poll(&self, what: WaitingFor, calls: usize) -> Option<Duration> {
        let record = match what {
            WaitingFor::Answers => &self.for_answers,
            WaitingFor::Commands => &self.for_commands,
        };
        (record.is_due() && calls <= FEW_CALLS && !self.limit.is_zero()).then_some(self.limit)
    }

    /// Whether the length of sleeps matters.
    pub(super) fn is_on(&self) -> bool {
        !self.limit.is_zero()
    }

    /// Records a poll. `found_work` tells whether it found work in time.
    pub(super) fn record_poll(&mut self, what: WaitingFor, found_work: bool) {
        self.record(what).record_poll(found_work);
    }

    /// Records a sleep without a poll before it.
    pub(super) fn record_sleep(&mut self, what: WaitingFor, slept: Duration) {
        let limit = self.limit;
        self.record(what).record_sleep(slept, limit);
    }

    fn record(&mut self, what: WaitingFor) -> &mut PollRecord {
        match what {
            WaitingFor::Answers => &mut self.for_answers,
            WaitingFor::Commands => &mut self.for_commands,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::WaitingFor::{Answers, Commands};
    use super::*;

    const LIMIT: Duration = Duration::from_micros(50);
    const SHORT: Duration = Duration::from_micros(120);
    const LONG: Duration = Duration::from_millis(1);

    /// Counts how many of `waits` waits begin with a poll, if all polls have the same result and all sleeps the same
    /// length.
    fn polls(busy_poll: &mut BusyPoll, what: WaitingFor, found_work: bool, slept: Duration, waits: u32) -> u32 {
        let mut polls = 0;
        for _ in 0..waits {
            if busy_poll.time_to_poll(what, 1).is_some() {
                polls += 1;
                busy_poll.record_poll(what, found_work);
            } else {
                busy_poll.record_sleep(what, slept);
            }
        }
        polls
    }

    #[test]
    fn idle_client_never_polls() {
        assert_eq!(polls(&mut BusyPoll::new(LIMIT), Commands, false, LONG, 1_000), 0);
    }

    #[test]
    fn pauses_between_calls_do_not_end_the_polls_for_answers() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        polls(&mut busy_poll, Commands, false, LONG, 1_000);
        assert_eq!(polls(&mut busy_poll, Answers, true, SHORT, 100), 100);
    }

    #[test]
    fn many_calls_prevent_polls() {
        let busy_poll = BusyPoll::new(LIMIT);
        assert_eq!(busy_poll.time_to_poll(Answers, FEW_CALLS), Some(LIMIT));
        assert_eq!(busy_poll.time_to_poll(Answers, FEW_CALLS + 1), None);
    }

    #[test]
    fn limit_of_zero_disables_polls() {
        assert_eq!(polls(&mut BusyPoll::new(Duration::ZERO), Answers, true, Duration::ZERO, 100), 0);
    }
}
