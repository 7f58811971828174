//! What the gate has done, counted, for tests to look at.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use super::methods::METHODS;

/// The counters, as they are kept.
#[derive(Debug)]
pub struct Counters {
    executed: [AtomicU64; METHODS.len()],
    refused: AtomicU64,
    accepted: AtomicU64,
    open: AtomicU64,
}

impl Counters {
    pub fn new() -> Counters {
        Counters {
            executed: array::from_fn(|_| AtomicU64::new(0)),
            refused: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
        }
    }

    pub fn executed(&self, method: usize) {
        self.executed[method].fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub fn opened(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> GateStats {
        GateStats {
            executed: array::from_fn(|method| self.executed[method].load(Ordering::Relaxed)),
            refused: self.refused.load(Ordering::Relaxed),
            connections_accepted: self.accepted.load(Ordering::Relaxed),
            connections_open: self.open.load(Ordering::Relaxed),
        }
    }
}

/// What a [`Gate`](super::Gate) has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateStats {
    executed: [u64; METHODS.len()],
    /// Quests that were answered with an error.
    pub refused: u64,
    /// Connections that were accepted.
    pub connections_accepted: u64,
    /// Connections that are open now.
    pub connections_open: u64,
}

impl GateStats {
    /// How often a method of the wire, such as `addroommember`, was executed; 0 for one that the gate does not know.
    #[must_use]
    pub fn executed(&self, method: &str) -> u64 {
        METHODS.iter().position(|known| *known == method).map_or(0, |number| self.executed[number])
    }

    /// How many room methods were executed, all together.
    #[must_use]
    pub fn executed_in_all(&self) -> u64 {
        self.executed.iter().sum::<u64>() - self.executed("*ping")
    }
}
