//! Remembers the messages seen, so that each is delivered once, however often and by whatever way it arrives.
//!
//! Pushes and history rows are entered here, once for all listeners. For each message, the memory knows how and on
//! which connection it was seen. A forgotten message counts as new; [`Duplicates::reaches_back_to`] tells since when
//! none has been forgotten.

mod seen;

use std::time::{Duration, Instant};

pub(super) use seen::MessageKey;
use seen::{KeyHash, KeyHasher, Seen, Sighting};

/// A message is remembered for at least this long
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);
/// and until at least this many others have arrived,
const REMEMBERED_AT_LEAST: usize = 10_000;
/// unless a generation reaches this size. So, above 200 messages a second, the memory covers less time, but at least
/// the last 65,536 messages. It takes 6 MiB.
const LARGEST_GENERATION: usize = seen::MOST_SIGHTINGS;

/// What a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushVerdict {
    New,
    /// Listeners that caught up after this connection was made have it. The others do not.
    CaughtUp(u64),
    Duplicate,
}

/// What a history row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowVerdict {
    New,
    /// Listeners that caught up after this earlier connection was made have it. It was never pushed.
    CaughtUp(u64),
    /// It was delivered.
    Seen,
    /// It was pushed on this connection or a later one. Everything after it was pushed.
    Pushed,
}

/// See the [module](self). Messages are forgotten a generation at a time, so there is no need to keep an order or to
/// remove them one by one.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    young: Generation,
    old: Generation,
    hasher: KeyHasher,
    forgotten_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Generation {
    seen: Seen,
    /// When the first and the last message were entered.
    times: Option<(Instant, Instant)>,
}

impl Duplicates {
    /// Enters a message that was pushed on this connection.
    pub(super) fn check_push(&mut self, key: MessageKey, connection: u64, now: Instant) -> PushVerdict {
        let connection = connection as u32;
        match self.enter(key, Sighting { connection, was_pushed: true, was_caught_up: false }, now) {
            None => PushVerdict::New,
            Some(sighting) if sighting.was_pushed => PushVerdict::Duplicate,
            Some(sighting) => {
                sighting.was_pushed = true;
                PushVerdict::CaughtUp(sighting.connection.into())
            }
        }
    }

    /// Enters a message of the history that was read to catch up after this connection was made.
    pub(super) fn check_row(&mut self, key: MessageKey, connection: u64, now: Instant) -> RowVerdict {
        let connection = connection as u32;
        match self.enter(key, Sighting { connection, was_pushed: false, was_caught_up: true }, now) {
            None => RowVerdict::New,
            Some(sighting) if !sighting.was_caught_up && sighting.connection >= connection => RowVerdict::Pushed,
            Some(sighting) if !sighting.was_pushed && sighting.connection < connection => {
                RowVerdict::CaughtUp(sighting.connection.into())
            }
            Some(_) => RowVerdict::Seen,
        }
    }

    /// Records that listeners that catch up after this connection also have a message that was caught up earlier.
    pub(super) fn record_caught_up(&mut self, key: MessageKey, connection: u64) {
        let hash = self.hasher.hash(&key);
        if let Some(sighting) = self.get_mut(&key, hash) {
            sighting.connection = connection as u32;
        }
    }

    /// Whether every message entered at `came_at` or later is still remembered.
    pub(super) fn reaches_back_to(&self, came_at: Instant) -> bool {
        self.forgotten_until.is_none_or(|forgotten_until| forgotten_until < came_at)
    }

    /// Returns the sighting of a remembered message.
    fn get_mut(&mut self, key: &MessageKey, hash: KeyHash) -> Option<&mut Sighting> {
        [&mut self.young, &mut self.old].into_iter().find_map(|generation| {
            let index = generation.seen.find(hash, key)?;
            Some(generation.seen.sighting_mut(index))
        })
    }

    /// Enters a message with this sighting, unless it is remembered. Then returns its earlier sighting.
    fn enter(&mut self, key: MessageKey, sighting: Sighting, now: Instant) -> Option<&mut Sighting> {
        let hash = self.hasher.hash(&key);
        if [&self.young, &self.old].into_iter().any(|generation| generation.seen.find(hash, &key).is_some()) {
            return self.get_mut(&key, hash);
        }
        if self.young.is_full(now) {
            self.begin_generation();
        }
        self.young.seen.insert(key, sighting, hash, &self.hasher);
        // Several threads enter messages, so the times may be slightly out of order.
        let (first, last) = self.young.times.unwrap_or((now, now));
        self.young.times = Some((first, last.max(now)));
        None
    }

    fn begin_generation(&mut self) {
        std::mem::swap(&mut self.young, &mut self.old);
        // Forgets the old generation, but reuses its memory.
        self.young.seen.clear();
        self.forgotten_until = self.young.times.take().map(|(_, last)| last).or(self.forgotten_until);
    }
}

impl Generation {
    /// Whether the next message begins a new generation. That forgets the previous one, so this one must be large and
    /// old enough.
    fn is_full(&self, now: Instant) -> bool {
        let is_old = self.times.is_some_and(|(first, _)| now.saturating_duration_since(first) >= REMEMBERED_FOR);
        (is_old && self.seen.len() >= REMEMBERED_AT_LEAST) || self.seen.len() >= LARGEST_GENERATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtm::Target;

    fn key(mid: i64) -> MessageKey {
        MessageKey { target: Target::Room(1), from: 2, mid }
    }

    #[test]
    fn messages_differ_by_target_sender_and_id() {
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
    fn messages_are_remembered_for_a_time_and_a_number_of_others() {
        let (mut memory, start) = (Duplicates::default(), Instant::now());
        let long_after = |generations: u32| start + generations * (REMEMBERED_FOR + Duration::from_secs(1));
        memory.check_push(key(0), 1, start);
        // Few messages: even an old one is among the last 10,000.
        for mid in 1..REMEMBERED_AT_LEAST as i64 {
            assert_eq!(memory.check_push(key(mid), 1, long_after(1)), PushVerdict::New);
        }
        assert_eq!(memory.check_push(key(0), 1, long_after(1)), PushVerdict::Duplicate);
        // Many messages, but within five minutes.
        for mid in 1..2 * REMEMBERED_AT_LEAST as i64 {
            memory.check_push(key(-mid), 1, long_after(1));
        }
        assert_eq!(memory.check_push(key(1), 1, long_after(1)), PushVerdict::Duplicate);
        assert!(memory.reaches_back_to(start));
        // Another five minutes and 10,000 messages later it is gone.
        memory.check_push(key(i64::MAX), 1, long_after(3));
        assert!(!memory.reaches_back_to(start) && memory.reaches_back_to(long_after(2)));
        assert_eq!(memory.check_push(key(0), 1, long_after(3)), PushVerdict::New);
    }

    #[test]
    fn memory_is_bounded_however_many_messages_come() {
        let (mut memory, now) = (Duplicates::default(), Instant::now());
        for mid in 0..5 * LARGEST_GENERATION as i64 {
            memory.check_push(key(mid), 1, now);
        }
        assert!(memory.young.seen.len() + memory.old.seen.len() <= 2 * LARGEST_GENERATION);
        let last = 5 * LARGEST_GENERATION as i64 - 1;
        let oldest = last - LARGEST_GENERATION as i64 + 1;
        assert_eq!(memory.check_push(key(oldest), 1, now), PushVerdict::Duplicate);
    }

    #[test]
    fn row_is_distinguished_from_earlier_and_later_pushes() {
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
