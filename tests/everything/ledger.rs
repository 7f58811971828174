//! Accounts for every call: each has one outcome, or was abandoned by its caller.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtm_server_sdk::Error;

use crate::common::eventually;

/// What became of the calls of one round.
#[derive(Debug, Default)]
pub struct Ledger {
    made: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    lost: AtomicU64,
    pushes: AtomicU64,
}

/// Stands for one call. One that is dropped without an outcome is lost.
#[derive(Debug)]
pub struct Entry {
    ledger: Arc<Ledger>,
    is_settled: bool,
}

/// The sums of several rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub made: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub abandoned: u64,
    pub pushes: u64,
}

impl Ledger {
    /// A call is about to be made.
    pub fn enter(self: &Arc<Self>) -> Entry {
        self.made.fetch_add(1, Ordering::SeqCst);
        Entry { ledger: Arc::clone(self), is_settled: false }
    }

    pub fn count_push(&self) {
        self.pushes.fetch_add(1, Ordering::SeqCst);
    }

    /// How many calls have no outcome yet.
    pub fn unsettled(&self) -> u64 {
        let Totals { made, succeeded, failed, abandoned, .. } = self.totals();
        made.saturating_sub(succeeded + failed + abandoned)
    }

    /// Waits until every call is accounted for; the test fails if one is lost.
    pub fn settle(&self) -> Totals {
        eventually("every call is accounted for", || {
            assert_eq!(self.lost.load(Ordering::SeqCst), 0, "callbacks were dropped and never run");
            self.unsettled() == 0
        });
        self.totals()
    }

    fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Totals {
            made: read(&self.made),
            succeeded: read(&self.succeeded),
            failed: read(&self.failed),
            abandoned: read(&self.abandoned),
            pushes: read(&self.pushes),
        }
    }
}

impl Entry {
    pub fn settle<T>(self, outcome: &Result<T, Error>) {
        let counter = if outcome.is_ok() { &self.ledger.succeeded } else { &self.ledger.failed };
        counter.fetch_add(1, Ordering::SeqCst);
        self.mark_settled();
    }

    /// Whoever made the call does not want to know.
    pub fn abandon(self) {
        self.ledger.abandoned.fetch_add(1, Ordering::SeqCst);
        self.mark_settled();
    }

    fn mark_settled(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_settled {
            self.ledger.lost.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.made += other.made;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.pushes += other.pushes;
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Totals>>(rounds: I) -> Totals {
        rounds.fold(Totals::default(), |mut sum, round| {
            sum += round;
            sum
        })
    }
}
