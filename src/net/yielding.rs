//! Yields to callers before the I/O thread sleeps and while it polls: callers that were just answered are about to call
//! again, others are submitting one call after the other. Their calls then need no wake and leave together. With a
//! single call at a time there is nothing to batch.
//!
//! If other programs want the processor, a yield costs one of their time slices, some milliseconds, many times what it
//! saves. The duration of a yield shows that: after a long one, waits go by without a yield.

use std::thread;
use std::time::{Duration, Instant};

/// So many calls, in flight or completed since the thread last waited, are worth a yield.
const SEVERAL: usize = 2;
/// A yield that took longer than this went to somebody else than our callers, who need some microseconds each. A time
/// slice is longer.
const LONGEST_USEFUL: Duration = Duration::from_millis(2);
/// However many yields were useless, there is another after so many waits.
const MOST_SKIPPED: u32 = 1023;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// Calls that were completed since the thread last waited.
    completed: usize,
    /// How many waits a useless yield was followed by that went without one, the last time.
    penalty: u32,
    /// How many of them are still to come, this one included.
    skips: u32,
    /// Whether this wait had a yield.
    has_yielded: bool,
}

impl Yielding {
    /// A call was completed, so its caller can run.
    pub(super) fn record_completed(&mut self) {
        self.completed += 1;
    }

    /// The wait is over.
    pub(super) fn record_wait(&mut self) {
        self.completed = 0;
        if std::mem::take(&mut self.has_yielded) && self.skips == 0 {
            // Much slower than it grows: beside other programs, too, most yields are short.
            self.penalty = self.penalty.saturating_sub(1);
        }
        self.skips = self.skips.saturating_sub(1);
    }

    /// How many calls are under way, with those whose callers are about to call again.
    pub(super) fn calls_under_way(&self, in_flight: usize) -> usize {
        in_flight + self.completed
    }

    /// Yields to the callers if that is worth it.
    pub(super) fn yield_to_callers(&mut self, in_flight: usize) {
        if self.calls_under_way(in_flight) >= SEVERAL {
            self.yield_unless_useless();
        }
    }

    /// Yields to those whose calls were completed, where this thread goes on without a sleep: the system may have put
    /// them behind it, until its time slice ends.
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
            // The rest of this wait, and then as many.
            self.skips = self.penalty + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(100);
    const TIME_SLICE: Duration = Duration::from_millis(4);

    /// How many of `waits` waits have a yield, if each takes so long.
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
    fn going_on_without_a_sleep_yields_only_to_the_completed() {
        let mut yielding = Yielding::default();
        yielding.yield_to_completed();
        assert!(!yielding.has_yielded);
        yielding.record_completed();
        yielding.yield_to_completed();
        assert!(yielding.has_yielded);
    }

    #[test]
    fn single_call_at_a_time_is_not_worth_a_yield() {
        let mut yielding = Yielding::default();
        yielding.yield_to_callers(1);
        yielding.record_completed();
        yielding.yield_to_callers(0);
        assert!(!yielding.has_yielded);
        yielding.yield_to_callers(1);
        assert!(yielding.has_yielded);
    }

    #[test]
    fn short_yields_go_on() {
        assert_eq!(yields(&mut Yielding::default(), SHORT, 1_000), 1_000);
    }

    #[test]
    fn yields_become_rare_while_others_take_the_processor() {
        let yields = yields(&mut Yielding::default(), TIME_SLICE, 10_000);
        assert!((10..30).contains(&yields), "{yields} yields");
    }

    #[test]
    fn one_wait_has_one_yield_that_goes_to_others() {
        let mut yielding = Yielding::default();
        yielding.record_yield(TIME_SLICE);
        assert!(yielding.skips > 0);
    }

    #[test]
    fn yielding_begins_again_once_it_is_short() {
        let mut yielding = Yielding::default();
        yields(&mut yielding, TIME_SLICE, 10_000);
        yields(&mut yielding, SHORT, 2_000);
        assert_eq!(yields(&mut yielding, SHORT, 100), 100);
    }
}
