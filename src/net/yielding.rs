//! Lets callers that were just answered run before the I/O thread goes on: they are about to call again, their calls need
//! no wake then, and go out together.
//!
//! A single caller is not worth it, since there is nothing to gather. Nor is it while other programs want the processor: a
//! yield then takes a time slice of theirs, some milliseconds, many times what it saves. That shows in how long it took.

use std::thread;
use std::time::{Duration, Instant};

/// So many callers, answered since the thread last waited, are worth a yield.
const SEVERAL: usize = 2;
/// A yield that took longer than this went to somebody else than our callers, who need some microseconds each.
const LONGEST_USEFUL: Duration = Duration::from_millis(1);
/// However many yields were useless, there is another after so many occasions.
const MOST_SKIPPED: u32 = 255;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// Calls that were completed since the thread last waited.
    completed: usize,
    /// How many yields a useless one was followed by that were skipped, the last time.
    penalty: u32,
    /// How many of them are still to come.
    skips: u32,
}

impl Yielding {
    /// A call was completed, so that its caller runs.
    pub(super) fn record_completed(&mut self) {
        self.completed += 1;
    }

    /// The thread has waited.
    pub(super) fn record_wait(&mut self) {
        self.completed = 0;
    }

    /// Yields to the callers that were answered, where that is worth it.
    pub(super) fn yield_to_callers(&mut self) {
        if self.is_worth_it() {
            let begun = Instant::now();
            thread::yield_now();
            self.record_yield(begun.elapsed());
        }
    }

    fn is_worth_it(&mut self) -> bool {
        if self.completed < SEVERAL {
            return false;
        }
        let is_skipped = self.skips > 0;
        self.skips = self.skips.saturating_sub(1);
        !is_skipped
    }

    fn record_yield(&mut self, took: Duration) {
        let was_useful = took <= LONGEST_USEFUL;
        self.penalty = if was_useful { self.penalty / 2 } else { (2 * self.penalty + 1).min(MOST_SKIPPED) };
        self.skips = if was_useful { 0 } else { self.penalty };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `waits` waits, each after `completed` calls, begin with a yield, if each takes so long.
    fn yields(yielding: &mut Yielding, completed: usize, took: Duration, waits: u32) -> u32 {
        let mut yields = 0;
        for _ in 0..waits {
            (0..completed).for_each(|_| yielding.record_completed());
            if yielding.is_worth_it() {
                yields += 1;
                yielding.record_yield(took);
            }
            yielding.record_wait();
        }
        yields
    }

    const SHORT: Duration = Duration::from_micros(100);
    const TIME_SLICE: Duration = Duration::from_millis(4);

    #[test]
    fn several_callers_are_let_in() {
        assert_eq!(yields(&mut Yielding::default(), 2, SHORT, 1_000), 1_000);
    }

    #[test]
    fn single_caller_is_not_yielded_to() {
        assert_eq!(yields(&mut Yielding::default(), 1, SHORT, 1_000), 0);
    }

    #[test]
    fn yields_become_rare_while_others_take_the_processor() {
        let yields = yields(&mut Yielding::default(), 8, TIME_SLICE, 10_000);
        assert!((10..60).contains(&yields), "{yields} yields");
    }

    #[test]
    fn yielding_begins_again_once_it_is_short() {
        let mut yielding = Yielding::default();
        yields(&mut yielding, 8, TIME_SLICE, 10_000);
        yields(&mut yielding, 8, SHORT, 1_000);
        assert_eq!(yields(&mut yielding, 8, SHORT, 100), 100);
    }
}
