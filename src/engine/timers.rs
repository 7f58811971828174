//! The deadlines of the calls, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

/// Below this size, clearing ended calls does not pay.
const WORTH_CLEARING: usize = 1024;

/// Finds the next deadline. An ended call is removed when it would be next, or when more than half of the calls have
/// ended.
///
/// Most calls have the same timeout, so their deadlines arrive in order. A queue of their sequence numbers suffices, at
/// four bytes each. Only the others go into a heap.
///
/// The deadlines are stored with the calls. Callers pass a function that looks them up, and returns `None` for an ended
/// call.
#[derive(Debug, Default)]
pub(super) struct Timers {
    in_order: VecDeque<u32>,
    /// The latest deadline in the queue.
    latest_in_order: Option<Instant>,
    out_of_order: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Timers {
    /// Adds the call `seq`. `live_len` is the number of calls that have not ended.
    pub(super) fn add(
        &mut self,
        deadline: Instant,
        seq: u32,
        live_len: usize,
        deadline_of: impl Fn(u32) -> Option<Instant>,
    ) {
        if self.in_order.len() + self.out_of_order.len() >= WORTH_CLEARING + 2 * live_len {
            self.in_order.retain(|&seq| deadline_of(seq).is_some());
            self.out_of_order.retain(|&Reverse((_, seq))| deadline_of(seq).is_some());
        }
        if self.in_order.is_empty() || self.latest_in_order <= Some(deadline) {
            self.in_order.push_back(seq);
            self.latest_in_order = Some(deadline);
        } else {
            self.out_of_order.push(Reverse((deadline, seq)));
        }
    }

    /// Removes a call whose deadline has passed.
    pub(super) fn pop_due(&mut self, now: Instant, deadline_of: impl Fn(u32) -> Option<Instant>) -> Option<u32> {
        if self.next_in_order(&deadline_of).is_some_and(|due| due <= now) {
            return self.in_order.pop_front();
        }
        let due = self.next_out_of_order(&deadline_of)?;
        if due <= now { self.out_of_order.pop().map(|Reverse((_, seq))| seq) } else { None }
    }

    /// The earliest deadline of a call that has not ended.
    pub(super) fn next_due(&mut self, deadline_of: impl Fn(u32) -> Option<Instant>) -> Option<Instant> {
        let dues = [self.next_in_order(&deadline_of), self.next_out_of_order(&deadline_of)];
        dues.into_iter().flatten().min()
    }

    fn next_in_order(&mut self, deadline_of: impl Fn(u32) -> Option<Instant>) -> Option<Instant> {
        loop {
            match deadline_of(*self.in_order.front()?) {
                Some(deadline) => return Some(deadline),
                None => self.in_order.pop_front(),
            };
        }
    }

    fn next_out_of_order(&mut self, deadline_of: impl Fn(u32) -> Option<Instant>) -> Option<Instant> {
        loop {
            let &Reverse((_, seq)) = self.out_of_order.peek()?;
            match deadline_of(seq) {
                Some(deadline) => return Some(deadline),
                None => self.out_of_order.pop(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Returns the deadlines of calls whose numbers are their deadlines in milliseconds.
    fn deadlines(start: Instant) -> impl Fn(u32) -> Option<Instant> + Copy {
        move |seq| Some(start + Duration::from_millis(seq.into()))
    }

    fn add_all(timers: &mut Timers, seqs: &[u32], deadline_of: impl Fn(u32) -> Option<Instant>) {
        for &seq in seqs {
            timers.add(deadline_of(seq).unwrap(), seq, seqs.len(), &deadline_of);
        }
    }

    #[test]
    fn calls_expire_in_the_order_of_their_deadlines() {
        let at = deadlines(Instant::now());
        let mut timers = Timers::default();
        add_all(&mut timers, &[30, 10, 40, 20, 50], at);
        assert_eq!(timers.pop_due(at(9).unwrap(), at), None);
        for seq in [10, 20, 30, 40, 50] {
            assert_eq!(timers.next_due(at), at(seq));
            assert_eq!(timers.pop_due(at(seq - 1).unwrap(), at), None);
            assert_eq!(timers.pop_due(at(seq).unwrap(), at), Some(seq));
        }
        assert_eq!(timers.next_due(at), None);
    }

    #[test]
    fn ended_calls_do_not_expire() {
        let at = deadlines(Instant::now());
        let mut timers = Timers::default();
        add_all(&mut timers, &[30, 10, 40, 20], at);
        let only_20 = |seq| at(seq).filter(|_| seq == 20);
        assert_eq!(timers.next_due(only_20), at(20));
        assert_eq!(timers.pop_due(at(100).unwrap(), only_20), Some(20));
        assert_eq!(timers.pop_due(at(100).unwrap(), only_20), None);
    }

    #[test]
    fn ended_calls_do_not_accumulate() {
        let start = Instant::now();
        // After the first, every second call is out of order.
        let deadline = |seq: u32| start + Duration::from_secs(if seq % 2 == 0 { 60 } else { 30 });
        let mut timers = Timers::default();
        for seq in 0..100_000 {
            let only_this = |live| (live == seq).then(|| deadline(live));
            timers.add(deadline(seq), seq, 1, only_this);
        }
        let kept = timers.in_order.len() + timers.out_of_order.len();
        assert!(kept <= WORTH_CLEARING + 3, "{kept} calls are kept");
    }
}
