//! Salts: numbers that no other quest was signed with.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The vendor's salt is a signed 64-bit number; ours leave the sign alone.
const MASK: u64 = u64::MAX >> 1;

/// A number that this process has not used as a salt before, and that no other process is likely to use.
///
/// Salts count up from a random start. Two processes share a salt only if their starts lie closer together, among
/// 2^63 numbers, than the calls that they make within the server's memory of a minute or two.
#[must_use]
pub fn next_salt() -> u64 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU64::new(random_start()));
    next.fetch_add(1, Ordering::Relaxed) & MASK
}

fn random_start() -> u64 {
    // Without the system's random numbers, the keys of the standard library's hash maps are the next best.
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn salts_are_unique_among_threads() {
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..10_000).map(|_| next_salt()).collect::<Vec<_>>())).collect();
        let salts: HashSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(salts.len(), 40_000);
        assert!(salts.iter().all(|&salt| i64::try_from(salt).is_ok()));
    }
}
