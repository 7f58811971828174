//! The ids of rooms, users and messages.

use super::salt::{next_salt, renew_after_fork};

/// A room's id: the vendor's int64. Any value is legal.
pub type RoomId = i64;

/// A user's id: the vendor's int64. Any value is legal.
pub type UserId = i64;

/// A message's id: the vendor's int64. It names a message within its room and sender; the sender chooses it.
pub type MessageId = i64;

/// Returns a message id that this process has not used before, and that no other process is likely to use. Positive,
/// because the vendor's SDKs treat 0 as "none".
///
/// Message ids and salts come from one counter, which does not limit their rate. A forked child chooses a new start.
#[must_use]
pub(super) fn next_mid() -> MessageId {
    renew_after_fork();
    loop {
        if let Ok(mid @ 1..) = MessageId::try_from(next_salt()) {
            return mid;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn message_ids_are_positive_and_unique_across_threads() {
        let make = || (0..10_000).map(|_| next_mid()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let mids: HashSet<MessageId> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(mids.len(), 40_000);
        assert!(mids.iter().all(|&mid| mid > 0));
    }
}
