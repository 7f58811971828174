//! Yields to callers before the I/O thread sleeps and while it polls. Callers that were just answered are about to call
//! again, and others are submitting several calls. Their calls then need no wake and are sent together. With a single
//! call at a time there is nothing to batch.
//!
//! If other programs want the processor, a yield costs one of their time slices. That is some milliseconds, many times
//! what the yield saves. The duration of a yield shows this: after a long one, some waits have no yield.

use std::thread;
use std::time::{Duration, Instant};

/// How many calls make a yield worthwhile, counting those in flight and those completed since the last wait.
const SEVERAL: usize = 2;
/// A longer yield ran other programs: our callers need some microseconds each, but a time slice is longer.
const LONGEST_USEFUL: Duration = Duration::from_millis(2);
/// The most waits between two yields, however many were useless.
const MOST_SKIPPED: u32 = 1023;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// Calls completed since the last wait.
    completed: usize,
    /// How many waits without a yield the last useless yield required.
    penalty: u32,
    /// How many of them are left, including the current one.
    skips: u32,
    /// Whether the current wait had a yield.
    has_yielded: bool,
}

impl Yielding {
    /// Records a completed call, whose caller can now run.
    pub(super) fn record_completed(&mut self) {
        self.completed += 1;
    }

    /// Records the end of a wait.
    pub(super) fn record_wait(&mut self) {
        self.completed = 0;
        if std::mem::take(&mut self.has_yielded) && self.skips == 0 {
            // Shrinks much more slowly than it grows, because most yields are short even next to other programs.
            self.penalty = self.penalty.saturating_sub(1);
        }
        self.skips = self.skips.saturating_sub(1);
    }

    /// The number of calls in flight, plus the callers that are about to call again.
    pub(super) fn calls_under_way(&self, in_flight: usize) -> usize {
        in_flight + self.completed
    }

    /// Yields to callers if it is worthwhile.
    pub(super) fn yield_to_callers(&mut self, in_flight: usize) {
        if self.calls_under_way(in_flight) >= SEVERAL {
            self.yield_unless_useless();
        }
    }

    /// Yields to the callers of completed calls if this thread continues without a sleep. Otherwise the system might
    /// keep them waiting until this thread's time slice ends.
    pub(super) fn yield_to_completed(&mut self) {
        if self.completed > 0 {
            self.yield_unless_useless();
        }
    }

    fn yield_unless_useless(&mut self) {
        if self.skips == 0 {
            let begun = Instant::now();
            thread::yield_now();
            self.record_yield(begun.elapsed());
        }
    }

    fn record_yield(&mut self, took: Duration) {
        self.has_yielded = true;
        if took > LONGEST_USEFUL {
            self.penalty = (2 * self.penalty + 1).min(MOST_SKIPPED);
            // The rest of this wait, and then as many waits.
            self.skips = self.penalty + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(100);
    const TIME_SLICE: Duration = Duration::from_millis(4);

    /// Counts how many of `waits` waits have a yield, if each yield takes `took`.
    fn yields(yielding: &mut Yielding, took: Duration, waits: u32) -> u32 {
        let mut yields = 0;
        for _ in 0..waits {
            if yielding.skips == 0 {
                yields += 1;
                yielding.record_yield(took);
            }
            yielding.record_wait();
        }
        yields
    }

    #[test]
    fn turn_without_a_sleep_yields_only_after_completed_calls() {
        let mut yielding = Yielding::default();
        yielding.yield_to_completed();
        assert!(!yielding.has_yielded);
        yielding.record_completed();
        yielding.yield_to_completed();
        assert!(yielding.has_yielded);
    }

    #[test]
    fn single_call_at_a_time_gets_no_yield() {
        let mut yielding = Yielding::default();
        yielding.yield_to_callers(1);
        yielding.record_completed();
        yielding.yield_to_callers(0);
        assert!(!yielding.has_yielded);
        yielding.yield_to_callers(1);
        assert!(yielding.has_yielded);
    }

    #[test]
    fn short_yields_continue() {
        assert_eq!(yields(&mut Yielding::default(), SHORT, 1_000), 1_000);
    }

    #[test]
    fn yields_become_rare_while_other_programs_run() {
        let yields = yields(&mut Yielding::default(), TIME_SLICE, 10_000);
        assert!((10..30).contains(&yields), "{yields} yields");
    }

    #[test]
    fn long_yield_is_the_last_of_its_wait() {
        let mut yielding = Yielding::default();
        yielding.record_yield(TIME_SLICE);
        assert!(yielding.skips > 0);
    }

    #[test]
    fn yielding_resumes_once_yields_are_short() {
        let mut yielding = Yielding::default();
        yields(&mut yielding, TIME_SLICE, 10_000);
        yields(&mut yielding, SHORT, 2_000);
        assert_eq!(yields(&mut yielding, SHORT, 100), 100);
    }
}
