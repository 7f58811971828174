//! The calls that wait for something, each under its sequence number.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use slab::Slab;

use super::link::Link;
use super::timers::Timers;

/// One call under way.
#[derive(Debug)]
pub struct InFlight<T> {
    /// Who waits for its outcome.
    pub token: T,
    /// When its time runs out.
    pub deadline: Instant,
    /// The time that it had.
    pub timeout: Duration,
    /// How far it has got.
    pub progress: Progress,
}

impl<T> InFlight<T> {
    /// Whether its frame went to the out-buffer.
    pub fn is_sent(&self) -> bool {
        matches!(self.progress, Progress::Sent { .. })
    }
}

/// How far a call has got.
#[derive(Debug)]
pub enum Progress {
    /// Its frame waits to be sent.
    Queued(Vec<u8>),
    /// Its frame went to the out-buffer.
    Sent {
        /// Where the frame begins in the connection's output.
        position: u64,
        /// The frame's memory, kept for the answer.
        spare: Vec<u8>,
    },
}

impl Progress {
    /// Whether any byte of the call has gone to the operating system, over the link that carried it.
    pub fn has_left(&self, link: Option<&Link>) -> bool {
        match self {
            Progress::Queued(_) => false,
            Progress::Sent { position, .. } => link.is_none_or(|link| link.out.has_left(*position)),
        }
    }
}

/// All calls under way. A live sequence number is never given out again.
///
/// The calls themselves lie in a slab, which grows in place, and the table from sequence numbers to their places is
/// small: many calls in flight take little memory.
#[derive(Debug)]
pub struct Calls<T> {
    calls: Slab<InFlight<T>>,
    places: FxHashMap<u32, u32>,
    timers: Timers,
    last_seq: u32,
}

impl<T> Calls<T> {
    pub fn new() -> Calls<T> {
        Calls { calls: Slab::new(), places: FxHashMap::default(), timers: Timers::default(), last_seq: 0 }
    }

    /// Whether a call is under way.
    pub fn contains(&self, seq: u32) -> bool {
        self.places.contains_key(&seq)
    }

    /// How many calls are under way.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// A sequence number that no call has, and that is none of `taken`.
    pub fn next_seq(&mut self, taken: &[u32]) -> u32 {
        loop {
            self.last_seq = self.last_seq.wrapping_add(1);
            if !self.places.contains_key(&self.last_seq) && !taken.contains(&self.last_seq) {
                return self.last_seq;
            }
        }
    }

    /// Takes a call in under `seq`.
    pub fn insert(&mut self, seq: u32, call: InFlight<T>) {
        let places = &self.places;
        self.timers.add(call.deadline, seq, places.len(), |seq| places.contains_key(&seq));
        let place = self.calls.insert(call);
        // A slab of more than 2^32 calls would not fit the memory of any machine.
        self.places.insert(seq, place as u32);
    }

    pub fn get_mut(&mut self, seq: u32) -> Option<&mut InFlight<T>> {
        let place = *self.places.get(&seq)?;
        self.calls.get_mut(place as usize)
    }

    pub fn remove(&mut self, seq: u32) -> Option<InFlight<T>> {
        let place = self.places.remove(&seq)?;
        self.calls.try_remove(place as usize)
    }

    /// Takes out a call that was sent: the only kind that an answer can belong to.
    pub fn remove_sent(&mut self, seq: u32) -> Option<InFlight<T>> {
        match self.get_mut(seq)?.progress {
            Progress::Sent { .. } => self.remove(seq),
            Progress::Queued(_) => None,
        }
    }

    /// Takes out one call whose time has run out.
    pub fn pop_expired(&mut self, now: Instant) -> Option<InFlight<T>> {
        loop {
            let seq = self.timers.pop_due(now)?;
            // The number of a call that is over may have been given out again, after four thousand million others.
            if self.get_mut(seq).is_some_and(|call| call.deadline <= now) {
                return self.remove(seq);
            }
        }
    }

    /// Takes out all calls for which `belongs` holds.
    pub fn remove_where(&mut self, belongs: impl Fn(&InFlight<T>) -> bool) -> Vec<InFlight<T>> {
        let mut seqs: Vec<u32> = self
            .places
            .iter()
            .filter(|&(_, &place)| self.calls.get(place as usize).is_some_and(&belongs))
            .map(|(&seq, _)| seq)
            .collect();
        seqs.sort_unstable();
        seqs.into_iter().filter_map(|seq| self.remove(seq)).collect()
    }

    /// When the next call expires.
    pub fn next_due(&mut self) -> Option<Instant> {
        let places = &self.places;
        self.timers.next_due(|seq| places.contains_key(&seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(deadline: Instant) -> InFlight<()> {
        InFlight { token: (), deadline, timeout: Duration::ZERO, progress: Progress::Queued(Vec::new()) }
    }

    #[test]
    fn live_sequence_numbers_are_passed_over_after_the_wrap() {
        let mut calls = Calls::new();
        let deadline = Instant::now();
        for seq in [u32::MAX, 0, 2] {
            calls.insert(seq, call(deadline));
        }
        calls.last_seq = u32::MAX - 1;
        assert_eq!((calls.next_seq(&[1]), calls.next_seq(&[])), (3, 4));
    }

    #[test]
    fn queued_call_is_not_taken_by_an_answer() {
        let mut calls = Calls::new();
        calls.insert(7, call(Instant::now()));
        assert!(calls.remove_sent(7).is_none());
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn call_expires_at_its_deadline_and_once() {
        let start = Instant::now();
        let mut calls = Calls::new();
        calls.insert(1, call(start + Duration::from_millis(5)));
        assert!(calls.pop_expired(start + Duration::from_millis(4)).is_none());
        assert!(calls.pop_expired(start + Duration::from_millis(5)).is_some());
        assert!(calls.pop_expired(start + Duration::from_millis(9)).is_none());
    }
}
