//! The deadlines of the calls, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Below this size, deadlines of calls that are over are not worth clearing away.
const WORTH_CLEARING: usize = 1024;

/// A heap of deadlines. A call that is over leaves its deadline behind; it is cleared away when it would be the next to
/// come due, or when more than half of the deadlines are such. Calls mostly have the same timeout, so that deadlines come in
/// order, which costs a heap next to nothing.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Timers {
    /// Adds the deadline of the call `seq`. `live` tells which calls are not over, `live_len` how many there are.
    pub(super) fn add(&mut self, deadline: Instant, seq: u32, live_len: usize, live: impl Fn(u32) -> bool) {
        if self.heap.len() >= WORTH_CLEARING + 2 * live_len {
            self.heap.retain(|Reverse((_, seq))| live(*seq));
        }
        self.heap.push(Reverse((deadline, seq)));
    }

    /// Takes out a call whose deadline has come. It may be over already.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        match self.heap.peek() {
            Some(Reverse((deadline, _))) if *deadline <= now => self.heap.pop().map(|Reverse((_, seq))| seq),
            _ => None,
        }
    }

    /// The earliest deadline of a live call. Those before it are cleared away: nobody is to be woken for them.
    pub(super) fn next_due(&mut self, live: impl Fn(u32) -> bool) -> Option<Instant> {
        loop {
            match self.heap.peek() {
                Some(Reverse((deadline, seq))) if live(*seq) => return Some(*deadline),
                Some(_) => _ = self.heap.pop(),
                None => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn deadlines_come_out_in_their_order() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut timers = Timers::default();
        for (seq, millis) in [(1, 30), (2, 10), (3, 20)] {
            timers.add(at(millis), seq, 3, |_| true);
        }
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.next_due(|_| true), Some(at(10)));
        assert_eq!(timers.next_due(|seq| seq != 2), Some(at(20)));
        timers.add(at(10), 2, 3, |_| true);
        assert_eq!([timers.pop_due(at(20)), timers.pop_due(at(20)), timers.pop_due(at(20))], [Some(2), Some(3), None]);
    }

    #[test]
    fn deadlines_of_past_calls_do_not_pile_up() {
        let later = Instant::now() + Duration::from_secs(30);
        let mut timers = Timers::default();
        for seq in 0..100_000 {
            timers.add(later, seq, 1, |live| live == seq);
        }
        assert!(timers.heap.len() <= WORTH_CLEARING + 3, "{} deadlines", timers.heap.len());
    }
}
