//! Counts the bytes of answers that nobody has taken yet, and determines when reading must pause.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::engine::Outcome;

/// Answers of up to this many bytes are not counted, because they reuse the memory of their calls.
const SMALL: usize = 512;

/// The count of one client.
pub(crate) struct Undelivered {
    limit: usize,
    bytes: AtomicUsize,
    /// Whether the I/O thread has stopped reading and waits to be woken.
    is_paused: AtomicBool,
    resume: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The bytes of one answer, until it is taken.
#[derive(Debug)]
pub(super) struct Charge {
    undelivered: Arc<Undelivered>,
    bytes: usize,
}

/// An outcome that nobody has taken yet.
#[derive(Debug)]
pub(super) struct ChargedOutcome {
    outcome: Outcome,
    /// Boxed, because few outcomes have one, and every call in flight has space for it.
    charge: Option<Box<Charge>>,
}

impl Undelivered {
    /// Creates a count with a limit of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Undelivered {
        Undelivered { limit, bytes: AtomicUsize::new(0), is_paused: AtomicBool::new(false), resume: OnceLock::new() }
    }

    /// Sets the function to call when reading may resume after [`must_pause`](Self::must_pause). The thread that takes
    /// an answer calls it.
    pub(crate) fn on_resume(&self, resume: impl Fn() + Send + Sync + 'static) {
        // Set once, for the I/O thread.
        let _ = self.resume.set(Box::new(resume));
    }

    /// Whether reading must pause now.
    pub(crate) fn must_pause(&self) -> bool {
        if self.bytes.load(Ordering::SeqCst) <= self.limit {
            return false;
        }
        // Sets the flag before it checks again. A thread that takes an answer does these in the opposite order.
        self.is_paused.store(true, Ordering::SeqCst);
        self.bytes.load(Ordering::SeqCst) > self.limit
    }

    /// The number of bytes that nobody has taken yet.
    #[cfg(feature = "metrics")]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts the outcome until it is taken or dropped.
    pub(super) fn charge(self: &Arc<Self>, outcome: Outcome) -> ChargedOutcome {
        let bytes = outcome.as_ref().map_or(0, |answer| answer.payload.len());
        let charge = (bytes > SMALL).then(|| {
            self.bytes.fetch_add(bytes, Ordering::SeqCst);
            Box::new(Charge { undelivered: Arc::clone(self), bytes })
        });
        ChargedOutcome { outcome, charge }
    }
}

impl ChargedOutcome {
    pub(super) fn take(self) -> Outcome {
        drop(self.charge);
        self.outcome
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let Undelivered { limit, bytes, is_paused, resume } = &*self.undelivered;
        let left = bytes.fetch_sub(self.bytes, Ordering::SeqCst) - self.bytes;
        if left <= *limit && is_paused.load(Ordering::SeqCst) && is_paused.swap(false, Ordering::SeqCst) {
            resume.get().into_iter().for_each(|resume| resume());
        }
    }
}

impl fmt::Debug for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered").field("limit", &self.limit).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RawAnswer;

    fn answer(bytes: usize) -> Outcome {
        Ok(RawAnswer { payload: vec![0; bytes].into(), ..RawAnswer::default() })
    }

    #[test]
    fn reading_pauses_above_the_limit_until_answers_are_taken() {
        let undelivered = Arc::new(Undelivered::new(2_000));
        let resumed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&resumed);
        undelivered.on_resume(move || _ = count.fetch_add(1, Ordering::SeqCst));

        let (first, second) = (undelivered.charge(answer(2_000)), undelivered.charge(answer(SMALL)));
        assert!(!undelivered.must_pause());
        let third = undelivered.charge(answer(1_000));
        assert!(undelivered.must_pause());
        drop(second);
        assert_eq!(resumed.load(Ordering::SeqCst), 0);
        drop(third.take());
        assert_eq!(resumed.load(Ordering::SeqCst), 1);
        assert!(!undelivered.must_pause());
        drop(first);
        assert_eq!(resumed.load(Ordering::SeqCst), 1, "nobody waits any more");
    }
}
