//! Counts what the gate has done.

use std::sync::atomic::{AtomicU64, Ordering};

use super::methods::{self, Handler};

/// What a [`Gate`](super::Gate) has done since it started, and how many connections it has.
///
/// A call is counted before its answer is sent, so whoever has the answer finds the call in the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStats {
    /// Connections accepted, including those that have ended.
    pub connections_accepted: u64,
    /// Connections that are open now.
    pub connections_open: u64,
    /// Quests that were answered with an error, or one-way quests that would have been.
    pub refused: u64,
    /// Pushes, including the gate's own `ping`: one per connection that got it.
    pub pushes_sent: u64,
    /// Pushes that were answered.
    pub pushes_answered: u64,
    executed: [u64; methods::COUNT],
}

impl Default for GateStats {
    fn default() -> GateStats {
        Counters::default().snapshot()
    }
}

impl GateStats {
    /// How many quests of one method were executed successfully. `method` is its wire name: `addroommember`, `*ping`.
    /// Zero for a method that the gate does not know.
    #[must_use]
    pub fn executed(&self, method: &str) -> u64 {
        methods::find(method.as_bytes()).map_or(0, |number| self.executed[number])
    }

    /// How many signed calls of all methods were executed successfully. Pings do not count.
    #[must_use]
    pub fn executed_in_all(&self) -> u64 {
        let is_signed = |number: usize| matches!(methods::ALL[number].handler, Handler::Signed(_));
        self.executed.iter().enumerate().filter(|&(number, _)| is_signed(number)).map(|(_, count)| count).sum()
    }
}

/// The live counters. Only the gate's thread updates them; any thread may read them.
#[derive(Debug)]
pub(super) struct Counters {
    accepted: Counter,
    open: AtomicU64,
    refused: Counter,
    pushes_sent: Counter,
    pushes_answered: Counter,
    executed: [Counter; methods::COUNT],
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            accepted: Counter::default(),
            open: AtomicU64::default(),
            refused: Counter::default(),
            pushes_sent: Counter::default(),
            pushes_answered: Counter::default(),
            executed: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Counters {
    /// Counts an accepted connection.
    pub(super) fn count_accepted(&self, open: usize) {
        self.accepted.add_one();
        self.set_open(open);
    }

    /// Sets the number of open connections.
    pub(super) fn set_open(&self, open: usize) {
        self.open.store(open as u64, Ordering::Release);
    }

    /// Counts a refused quest.
    pub(super) fn count_refused(&self) {
        self.refused.add_one();
    }

    /// Counts an executed quest of the method with this number.
    pub(super) fn count_executed(&self, number: usize) {
        self.executed[number].add_one();
    }

    /// Counts a push that was added to an outbox.
    pub(super) fn count_push_sent(&self) {
        self.pushes_sent.add_one();
    }

    /// Counts an answer to a push.
    pub(super) fn count_push_answered(&self) {
        self.pushes_answered.add_one();
    }

    /// Returns the current counts.
    pub(super) fn snapshot(&self) -> GateStats {
        GateStats {
            connections_accepted: self.accepted.value(),
            connections_open: self.open.load(Ordering::Acquire),
            refused: self.refused.value(),
            pushes_sent: self.pushes_sent.value(),
            pushes_answered: self.pushes_answered.value(),
            executed: std::array::from_fn(|index| self.executed[index].value()),
        }
    }
}

/// A counter that a single thread updates. So a separate read and write lose nothing, and cost less than an atomic
/// addition on every call.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add_one(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
