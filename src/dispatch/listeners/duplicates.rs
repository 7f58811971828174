//! The memory of messages that were seen: each is delivered once, however often and in whatever way it comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::rtm::Target;

/// A message is remembered for this long,
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);
/// and while fewer than this many came after it,
const REMEMBERED_AT_LEAST: usize = 10_000;
/// but never once this many did: above 400 messages a second the memory is shorter than its time, and takes 16 MiB.
const REMEMBERED_AT_MOST: usize = 128 * 1024;

/// What tells one message from another. Its text plays no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MessageKey {
    pub target: Target,
    pub from: i64,
    pub mid: i64,
}

/// How a message was seen.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The number of the connection that it was pushed on, or that its room was caught up for.
    connection: u32,
    was_pushed: bool,
    was_caught_up: bool,
}

/// What a push turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushVerdict {
    New,
    /// Those listeners have it that caught up with the history after this connection was made.
    CaughtUp(u64),
    Duplicate,
}

/// What a row of the history turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowVerdict {
    New,
    /// It was delivered before.
    Seen,
    /// It was pushed on this connection, or a later one: from here on the pushes have everything.
    Pushed,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    seen: FxHashMap<MessageKey, Sighting>,
    /// The keys in the order of their first sighting.
    order: VecDeque<(Instant, MessageKey)>,
    forgotten_until: Option<Instant>,
}

impl Duplicates {
    /// Enters a message that was pushed on the connection of this number.
    pub(super) fn check_push(&mut self, key: MessageKey, connection: u64, now: Instant) -> PushVerdict {
        let connection = connection as u32;
        match self.seen.get_mut(&key) {
            None => {
                self.insert(key, Sighting { connection, was_pushed: true, was_caught_up: false }, now);
                PushVerdict::New
            }
            Some(sighting) if sighting.was_pushed => PushVerdict::Duplicate,
            Some(sighting) => {
                sighting.was_pushed = true;
                PushVerdict::CaughtUp(sighting.connection.into())
            }
        }
    }

    /// Enters a message of the history, read to catch up after the connection of this number was made.
    pub(super) fn check_row(&mut self, key: MessageKey, connection: u64, now: Instant) -> RowVerdict {
        let connection = connection as u32;
        match self.seen.get(&key) {
            None => {
                self.insert(key, Sighting { connection, was_pushed: false, was_caught_up: true }, now);
                RowVerdict::New
            }
            Some(sighting) if !sighting.was_caught_up && sighting.connection >= connection => RowVerdict::Pushed,
            Some(_) => RowVerdict::Seen,
        }
    }

    /// Whether every message that came at `seen_at` or later is still remembered.
    pub(super) fn reaches_back_to(&self, seen_at: Instant) -> bool {
        self.forgotten_until.is_none_or(|forgotten_until| forgotten_until < seen_at)
    }

    fn insert(&mut self, key: MessageKey, sighting: Sighting, now: Instant) {
        while self.order.front().is_some_and(|(seen_at, _)| self.may_forget(*seen_at, now)) {
            if let Some((seen_at, key)) = self.order.pop_front() {
                self.seen.remove(&key);
                self.forgotten_until = Some(seen_at);
            }
        }
        self.seen.insert(key, sighting);
        self.order.push_back((now, key));
    }

    fn may_forget(&self, seen_at: Instant, now: Instant) -> bool {
        let count = self.order.len();
        let is_old = now.saturating_duration_since(seen_at) >= REMEMBERED_FOR;
        (is_old && count >= REMEMBERED_AT_LEAST) || count >= REMEMBERED_AT_MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(mid: i64) -> MessageKey {
        MessageKey { target: Target::Room(1), from: 2, mid }
    }

    #[test]
    fn target_sender_and_id_tell_messages_apart() {
        let (mut memory, now) = (Duplicates::default(), Instant::now());
        let keys = [
            key(1),
            MessageKey { target: Target::Group(1), ..key(1) },
            MessageKey { target: Target::User(1), ..key(1) },
            MessageKey { target: Target::Room(2), ..key(1) },
            MessageKey { from: 3, ..key(1) },
            key(i64::MAX),
            key(i64::MAX - 1),
        ];
        for key in keys {
            assert_eq!(memory.check_push(key, 1, now), PushVerdict::New);
        }
        for key in keys {
            assert_eq!(memory.check_push(key, 2, now), PushVerdict::Duplicate, "{key:?}");
        }
    }

    #[test]
    fn messages_are_remembered_for_their_time_and_their_number() {
        let (mut memory, start) = (Duplicates::default(), Instant::now());
        memory.check_push(key(0), 1, start);
        let later = start + REMEMBERED_FOR;
        for mid in 1..REMEMBERED_AT_LEAST as i64 {
            assert_eq!(memory.check_push(key(mid), 1, later), PushVerdict::New);
        }
        assert_eq!(memory.check_push(key(0), 1, later), PushVerdict::Duplicate, "old, but among the last 10,000");
        memory.check_push(key(-1), 1, later);
        assert_eq!(memory.check_push(key(0), 1, later), PushVerdict::New);
        assert!(!memory.reaches_back_to(start) && memory.reaches_back_to(later));
    }

    #[test]
    fn memory_is_bounded_however_many_messages_come() {
        let (mut memory, now) = (Duplicates::default(), Instant::now());
        for mid in 0..3 * REMEMBERED_AT_MOST as i64 {
            memory.check_push(key(mid), 1, now);
        }
        assert_eq!((memory.seen.len(), memory.order.len()), (REMEMBERED_AT_MOST, REMEMBERED_AT_MOST));
    }

    #[test]
    fn row_is_told_from_what_was_pushed_before_and_since() {
        let (mut memory, now) = (Duplicates::default(), Instant::now());
        memory.check_push(key(1), 1, now);
        memory.check_push(key(3), 2, now);
        let verdicts = [1, 2, 3].map(|mid| memory.check_row(key(mid), 2, now));
        assert_eq!(verdicts, [RowVerdict::Seen, RowVerdict::New, RowVerdict::Pushed]);
        assert_eq!(memory.check_row(key(2), 2, now), RowVerdict::Seen, "read again by a repeated call");
        assert_eq!(memory.check_push(key(2), 2, now), PushVerdict::CaughtUp(2));
        assert_eq!(memory.check_push(key(2), 2, now), PushVerdict::Duplicate);
    }
}
