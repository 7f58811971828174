//! The calls in flight, by sequence number. Knows nothing about connections.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use slab::Slab;

use super::timers::Timers;
use super::token::Token;

/// Below this length, clearing ended calls out of the queue does not pay.
const WORTH_CLEARING: usize = 1024;

/// A call that enters the engine.
#[derive(Debug)]
pub struct NewCall<T> {
    /// The whole frame, except for its sequence number.
    pub frame: Vec<u8>,
    /// When the call times out.
    pub deadline: Instant,
    /// The timeout, for the error.
    pub timeout: Duration,
    /// Whether the call waits for the next connection if other calls would fail.
    pub wait_for_ready: bool,
    /// Represents the waiting caller.
    pub token: T,
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    /// Represents the waiting caller.
    pub token: T,
    /// When the call times out.
    pub deadline: Instant,
    /// The timeout, for the error.
    pub timeout: Duration,
    /// Whether the call outlasts a failed attempt to connect.
    pub wait_for_ready: bool,
    /// Whether the call was sent.
    pub send_state: SendState,
}

impl<T> InFlight<T> {
    /// Whether its frame was passed to a connection.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.send_state, SendState::Sent(_))
    }

    /// Takes the memory of its frame, to be reused for the answer. Empty if the call was not sent.
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        match &mut self.send_state {
            SendState::Sent(sent) => std::mem::take(&mut sent.spare),
            SendState::Queued(_) => Vec::new(),
        }
    }
}

/// Whether a call was sent.
#[derive(Debug)]
pub(super) enum SendState {
    /// The frame has not been sent.
    Queued(Vec<u8>),
    /// The frame was passed to a connection.
    Sent(Sent),
}

/// A frame that was passed to a connection.
#[derive(Debug)]
pub(super) struct Sent {
    /// The position of the frame in the connection's output.
    pub position: u64,
    /// The frame's memory, reused for the answer.
    pub spare: Vec<u8>,
}

/// All calls in flight, sent or not. A sequence number in use is never assigned again.
#[derive(Debug)]
pub(super) struct Calls<T> {
    table: Table<T>,
    timers: Timers,
    last_seq: u32,
    /// The unsent calls, in order. Some may have ended.
    queue: VecDeque<u32>,
    /// How many of them have not ended.
    unsent: usize,
}

impl<T> Calls<T> {
    pub(super) fn new() -> Calls<T> {
        Calls {
            table: Table { calls: Slab::new(), places: FxHashMap::default() },
            timers: Timers::default(),
            last_seq: 0,
            queue: VecDeque::new(),
            unsent: 0,
        }
    }

    /// The number of calls in flight.
    pub(super) fn len(&self) -> usize {
        self.table.calls.len()
    }

    /// The length of the queue of unsent calls, including ended ones.
    pub(super) fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Whether any call is waiting to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// Returns a sequence number that neither a call nor `is_in_use` uses.
    pub(super) fn next_seq(&mut self, is_in_use: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.last_seq = self.last_seq.wrapping_add(1);
            if !self.table.contains(self.last_seq) && !is_in_use(self.last_seq) {
                return self.last_seq;
            }
        }
    }

    /// Adds a call under `seq`. An unsent call joins the queue.
    pub(super) fn insert(&mut self, seq: u32, call: InFlight<T>) {
        if !call.is_sent() {
            self.queue.push_back(seq);
            self.unsent += 1;
        }
        let table = &self.table;
        self.timers.add(call.deadline, seq, table.calls.len(), |seq| table.deadline_of(seq));
        self.table.insert(seq, call);
    }

    /// Removes the next number from the queue. If the call has not ended and its caller has not given up, sends its
    /// frame with `send`. A call that was given up stays until it expires.
    pub(super) fn send_next(&mut self, send: impl FnOnce(u32, Vec<u8>) -> Sent)
    where
        T: Token,
    {
        let Some(seq) = self.queue.pop_front() else { return };
        let Some(call) = self.table.get_mut(seq) else { return };
        if !call.token.begin_sending() {
            return;
        }
        if let SendState::Queued(frame) = &mut call.send_state {
            let frame = std::mem::take(frame);
            call.send_state = SendState::Sent(send(seq, frame));
            self.unsent -= 1;
        }
    }

    /// Removes the call that an answer belongs to. The call must have been sent.
    pub(super) fn remove_sent(&mut self, seq: u32) -> Option<InFlight<T>> {
        self.table.remove_if(seq, InFlight::is_sent)
    }

    /// Removes all sent calls, in order.
    pub(super) fn remove_all_sent(&mut self) -> Vec<InFlight<T>> {
        self.remove_where(InFlight::is_sent)
    }

    /// Removes the unsent calls that do not wait for the next connection, in order.
    pub(super) fn remove_unsent_not_waiting(&mut self) -> Vec<InFlight<T>> {
        let removed = self.remove_where(|call| !call.is_sent() && !call.wait_for_ready);
        if !self.has_unsent() {
            self.queue.clear();
        }
        removed
    }

    /// Removes all calls, in order.
    pub(super) fn remove_all(&mut self) -> Vec<InFlight<T>> {
        self.queue.clear();
        self.remove_where(|_| true)
    }

    /// Removes one call that has timed out.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<InFlight<T>> {
        let table = &self.table;
        let seq = self.timers.pop_due(now, |seq| table.deadline_of(seq))?;
        self.remove(seq)
    }

    /// Clears ended calls out of the queue once there are many. They expire there if the server does not read.
    pub(super) fn tidy_queue(&mut self) {
        let table = &self.table;
        if self.queue.len() > WORTH_CLEARING + 2 * table.calls.len() {
            self.queue.retain(|&seq| table.contains(seq));
        }
    }

    /// When the next call times out.
    pub(super) fn next_due(&mut self) -> Option<Instant> {
        let table = &self.table;
        self.timers.next_due(|seq| table.deadline_of(seq))
    }

    fn remove(&mut self, seq: u32) -> Option<InFlight<T>> {
        let call = self.table.remove_if(seq, |_| true)?;
        if !call.is_sent() {
            self.unsent -= 1;
        }
        Some(call)
    }

    fn remove_where(&mut self, belongs: impl Fn(&InFlight<T>) -> bool) -> Vec<InFlight<T>> {
        let mut seqs = self.table.seqs_where(belongs);
        seqs.sort_unstable();
        seqs.into_iter().filter_map(|seq| self.remove(seq)).collect()
    }
}

/// The calls by sequence number.
///
/// The calls are stored in a slab, which grows in place, and the map from sequence numbers to slab indices is small. So
/// many calls in flight take little memory.
#[derive(Debug)]
struct Table<T> {
    calls: Slab<InFlight<T>>,
    places: FxHashMap<u32, u32>,
}

impl<T> Table<T> {
    fn insert(&mut self, seq: u32, call: InFlight<T>) {
        let place = self.calls.insert(call);
        // More than 2^32 calls do not fit into memory.
        self.places.insert(seq, place as u32);
    }

    fn contains(&self, seq: u32) -> bool {
        self.places.contains_key(&seq)
    }

    fn get_mut(&mut self, seq: u32) -> Option<&mut InFlight<T>> {
        let place = *self.places.get(&seq)?;
        self.calls.get_mut(place as usize)
    }

    fn deadline_of(&self, seq: u32) -> Option<Instant> {
        let place = *self.places.get(&seq)?;
        self.calls.get(place as usize).map(|call| call.deadline)
    }

    fn remove_if(&mut self, seq: u32, condition: impl Fn(&InFlight<T>) -> bool) -> Option<InFlight<T>> {
        let Entry::Occupied(entry) = self.places.entry(seq) else { return None };
        let place = *entry.get() as usize;
        if !condition(self.calls.get(place)?) {
            return None;
        }
        entry.remove();
        self.calls.try_remove(place)
    }

    fn seqs_where(&self, belongs: impl Fn(&InFlight<T>) -> bool) -> Vec<u32> {
        let belongs = |place: u32| self.calls.get(place as usize).is_some_and(&belongs);
        self.places.iter().filter(|&(_, &place)| belongs(place)).map(|(&seq, _)| seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(deadline: Instant) -> InFlight<()> {
        InFlight {
            token: (),
            deadline,
            timeout: Duration::ZERO,
            wait_for_ready: false,
            send_state: SendState::Queued(Vec::new()),
        }
    }

    #[test]
    fn used_sequence_numbers_are_skipped_after_the_wrap() {
        let mut calls = Calls::new();
        let deadline = Instant::now();
        for seq in [u32::MAX, 0, 2] {
            calls.insert(seq, call(deadline));
        }
        calls.last_seq = u32::MAX - 1;
        assert_eq!((calls.next_seq(|seq| seq == 1), calls.next_seq(|_| false)), (3, 4));
    }

    #[test]
    fn queued_call_is_not_taken_by_an_answer() {
        let mut calls = Calls::new();
        calls.insert(7, call(Instant::now()));
        assert!(calls.remove_sent(7).is_none());
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn call_expires_once_at_its_deadline() {
        let start = Instant::now();
        let mut calls = Calls::new();
        calls.insert(1, call(start + Duration::from_millis(5)));
        assert!(calls.pop_expired(start + Duration::from_millis(4)).is_none());
        assert!(calls.pop_expired(start + Duration::from_millis(5)).is_some());
        assert!(calls.pop_expired(start + Duration::from_millis(9)).is_none());
    }
}
