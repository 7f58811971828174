//! Unique numbers: the salts of signatures, and the ids of messages.

use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The vendor's salts are signed 64-bit numbers, so ours stay below the sign bit.
const MASK: u64 = u64::MAX >> 1;

/// Returns a salt that this process has not used before, and that no other process is likely to use.
///
/// Salts count up from a random start among 2^63 numbers. Two processes share a salt only if their starts lie closer
/// together than the number of calls they make within the server's memory of a minute or two.
#[must_use]
pub fn next_salt() -> u64 {
    UniqueNumbers::of_this_process().next() & MASK
}

/// Makes a forked child count from a new start. This costs a system call, so it is not done for every call. A client
/// does not survive a fork, because its thread stays behind, so a check when a client is made is enough.
pub fn renew_after_fork() {
    UniqueNumbers::of_this_process().renew_for(process::id());
}

/// Changes the state of this process to that of a forked child.
#[cfg(test)]
pub fn pretend_to_be_forked() {
    UniqueNumbers::of_this_process().process.store(0, Ordering::Release);
}

/// A counter with a random start.
#[derive(Debug)]
struct UniqueNumbers {
    next: AtomicU64,
    /// The process for which the start was chosen.
    process: AtomicU32,
}

impl UniqueNumbers {
    fn of_this_process() -> &'static UniqueNumbers {
        static NUMBERS: OnceLock<UniqueNumbers> = OnceLock::new();
        NUMBERS.get_or_init(|| UniqueNumbers::of(process::id()))
    }

    fn of(process: u32) -> UniqueNumbers {
        UniqueNumbers { next: AtomicU64::new(random_start()), process: AtomicU32::new(process) }
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Two threads of a child may both choose a start. Both are random, and the later one wins.
    fn renew_for(&self, process: u32) {
        if self.process.load(Ordering::Acquire) != process {
            self.next.store(random_start(), Ordering::Relaxed);
            self.process.store(process, Ordering::Release);
        }
    }
}

fn random_start() -> u64 {
    // Without the system's random numbers, use the keys of the standard library's hash maps.
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn salts_are_unique_across_threads() {
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..10_000).map(|_| next_salt()).collect::<Vec<_>>())).collect();
        let salts: HashSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(salts.len(), 40_000);
        assert!(salts.iter().all(|&salt| i64::try_from(salt).is_ok()));
    }

    #[test]
    fn forked_child_chooses_another_start() {
        let numbers = UniqueNumbers::of(1);
        let before = numbers.next();
        numbers.renew_for(1);
        assert_eq!(numbers.next(), before + 1, "the same process goes on");

        // A fork copies the counter, and the parent keeps counting from there.
        let child = UniqueNumbers { next: AtomicU64::new(before + 2), process: AtomicU32::new(1) };
        child.renew_for(2);
        assert!(child.next().abs_diff(numbers.next()) > 1 << 32, "the starts are two random numbers");
        let after = child.next();
        child.renew_for(2);
        assert_eq!(child.next(), after + 1, "the child renews once");
    }
}
