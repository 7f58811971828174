//! Decides whether the I/O thread polls for work ("looks") before it sleeps. Waking a sleeping thread takes the system
//! longer than a fast server takes to answer; a look that finds nothing wastes processor time.
//!
//! Recent waits decide. After a look that finds nothing the thread sleeps, and the more looks have failed, the more
//! sleeps must be short before the next look. So a long wait costs at most one look, and a server that is always slow
//! costs none.

use std::time::Duration;

/// A sleep of up to this many times the length of a look might have been saved by looking: it contains the time that
/// the system took to wake the thread.
const SHORT_SLEEP: u32 = 4;
/// After so many short sleeps there is another look, however many failed.
const MOST_SKIPPED: u32 = 63;
/// With more calls than these under way there is no look: while the thread sleeps, calls and answers gather that go out
/// and come in together, which saves more than the wake costs.
const FEW_CALLS: usize = 16;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct BusyPoll {
    limit: Duration,
    for_answers: Record,
    for_commands: Record,
}

/// What the thread waits for. A caller may think for a while between calls whose answers come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitingFor {
    /// Calls are in flight.
    Answers,
    /// None is: only a caller can give the thread work.
    Commands,
}

/// How looking has fared lately.
#[derive(Debug)]
struct Record {
    /// How many short sleeps a failed look was followed by, the last time.
    penalty: u32,
    /// How many of them are still to come.
    skips: u32,
}

impl BusyPoll {
    /// Looks for at most `limit` at a time; for a limit of zero, never.
    pub(super) fn new(limit: Duration) -> BusyPoll {
        BusyPoll {
            limit,
            for_answers: Record { penalty: 0, skips: 0 },
            // An idle client does not look, not even once.
            for_commands: Record { penalty: 0, skips: 1 },
        }
    }

    /// How long to look now, if at all, with so many calls under way.
    pub(super) fn look(&self, what: WaitingFor, calls: usize) -> Option<Duration> {
        let record = match what {
            WaitingFor::Answers => &self.for_answers,
            WaitingFor::Commands => &self.for_commands,
        };
        (record.skips == 0 && calls <= FEW_CALLS && !self.limit.is_zero()).then_some(self.limit)
    }

    /// Whether it matters how long the thread sleeps.
    pub(super) fn is_on(&self) -> bool {
        !self.limit.is_zero()
    }

    /// The thread looked, and found work in time or not.
    pub(super) fn record_look(&mut self, what: WaitingFor, has_paid: bool) {
        let record = self.record(what);
        record.penalty = if has_paid { record.penalty / 2 } else { (2 * record.penalty + 1).min(MOST_SKIPPED) };
        record.skips = if has_paid { 0 } else { record.penalty };
    }

    /// The thread slept without a look before.
    pub(super) fn record_sleep(&mut self, what: WaitingFor, slept: Duration) {
        if slept <= self.limit * SHORT_SLEEP {
            let record = self.record(what);
            record.skips = record.skips.saturating_sub(1);
        }
    }

    fn record(&mut self, what: WaitingFor) -> &mut Record {
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

    /// How many of `waits` waits begin with a look, if each look has the same result and each sleep the same length.
    fn looks(busy_poll: &mut BusyPoll, what: WaitingFor, has_paid: bool, slept: Duration, waits: u32) -> u32 {
        let mut looks = 0;
        for _ in 0..waits {
            if busy_poll.look(what, 1).is_some() {
                looks += 1;
                busy_poll.record_look(what, has_paid);
            } else {
                busy_poll.record_sleep(what, slept);
            }
        }
        looks
    }

    #[test]
    fn looks_that_pay_go_on() {
        assert_eq!(looks(&mut BusyPoll::new(LIMIT), Answers, true, SHORT, 100), 100);
    }

    #[test]
    fn slow_server_costs_one_look() {
        assert_eq!(looks(&mut BusyPoll::new(LIMIT), Answers, false, LONG, 1_000), 1);
    }

    #[test]
    fn looks_that_never_pay_become_rare_however_short_the_sleeps() {
        let looks = looks(&mut BusyPoll::new(LIMIT), Answers, false, SHORT, 10_000);
        assert!((1..200).contains(&looks), "{looks} looks");
    }

    #[test]
    fn looking_begins_again_once_waits_are_short() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        looks(&mut busy_poll, Answers, false, LONG, 1_000);
        looks(&mut busy_poll, Answers, true, SHORT, 2);
        assert_eq!(looks(&mut busy_poll, Answers, true, SHORT, 100), 100);
    }

    #[test]
    fn idle_client_never_looks() {
        assert_eq!(looks(&mut BusyPoll::new(LIMIT), Commands, false, LONG, 1_000), 0);
    }

    #[test]
    fn callers_that_think_between_calls_do_not_end_the_looks_for_answers() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        looks(&mut busy_poll, Commands, false, LONG, 1_000);
        assert_eq!(looks(&mut busy_poll, Answers, true, SHORT, 100), 100);
    }

    #[test]
    fn crowd_of_calls_is_not_looked_for() {
        let busy_poll = BusyPoll::new(LIMIT);
        assert_eq!(busy_poll.look(Answers, FEW_CALLS), Some(LIMIT));
        assert_eq!(busy_poll.look(Answers, FEW_CALLS + 1), None);
    }

    #[test]
    fn limit_of_zero_turns_it_off() {
        assert_eq!(looks(&mut BusyPoll::new(Duration::ZERO), Answers, true, Duration::ZERO, 100), 0);
    }
}
