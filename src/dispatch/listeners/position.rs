//! Positions of messages in the history of a room, and the last known position.
//!
//! Plain values, without I/O and without listeners. The history has messages in the order in which the server pushes them,
//! which is not always the order of their times. Sender and id identify a message; its time locates it only to within
//! [`OVERLAP_MS`].

use std::time::Instant;

use crate::rtm::Message;

/// The history is read again from this much before the last message, in milliseconds: where the servers' clocks differ,
/// a message may bear an earlier time than one that came before it.
pub(super) const OVERLAP_MS: i64 = 5_000;
/// The most messages of one millisecond that are told apart by it.
const MOST_KEYS: usize = 1024;

/// Where a message stands in the history of its room. Sender and id tell it from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Position {
    /// In milliseconds.
    pub mtime: i64,
    pub from: i64,
    pub mid: i64,
}

/// A message of the history, and where it stands there.
#[derive(Debug)]
pub(super) struct Row {
    pub position: Position,
    pub message: Message,
}

/// The last message that is known of a room: the one with the latest time, or the room's having been empty.
#[derive(Debug, Clone)]
pub(super) struct LastMessage {
    /// In milliseconds; 0 if the room was empty.
    pub mtime: i64,
    /// The messages of that very millisecond, by sender and id, in the order in which they came.
    keys: Vec<(i64, i64)>,
    /// Messages whose times lie at most the overlap before this one came no earlier than the first of these, which lie that far
    /// apart.
    landmarks: [Landmark; 2],
}

/// A message that was the last of its room when it came.
#[derive(Debug, Clone, Copy)]
struct Landmark {
    mtime: i64,
    came_at: Instant,
}

impl Position {
    /// Where this message stands that came out of the history. One without a time stands where the one before it does.
    pub(super) fn of_message(message: &Message, time_before: i64) -> Position {
        Position { mtime: message.mtime.unwrap_or(time_before), from: message.from, mid: message.mid }
    }

    /// Whether the same message stands there. Its time may differ: a push may come without one.
    pub(super) fn is_same_message(self, other: Position) -> bool {
        (self.from, self.mid) == (other.from, other.mid)
    }
}

impl LastMessage {
    /// This message is the last.
    pub(super) fn of(Position { mtime, from, mid }: Position, came_at: Instant) -> LastMessage {
        LastMessage::of_keys(mtime, vec![(from, mid)], came_at)
    }

    /// The last messages are those of one millisecond; none, if the room was empty.
    pub(super) fn of_keys(mtime: i64, keys: Vec<(i64, i64)>, came_at: Instant) -> LastMessage {
        LastMessage { mtime, keys, landmarks: [Landmark { mtime, came_at }; 2] }
    }

    /// Another message has come.
    pub(super) fn record(&mut self, position: Position, now: Instant) {
        if position.mtime > self.mtime {
            self.landmarks = self.landmarks_with(Landmark { mtime: position.mtime, came_at: now });
            self.mtime = position.mtime;
            self.keys.clear();
        }
        // A server whose clock stands still must not fill the memory.
        if position.mtime == self.mtime && self.keys.len() < MOST_KEYS {
            self.keys.push((position.from, position.mid));
        }
    }

    /// The landmarks once this message is the last.
    fn landmarks_with(&self, last: Landmark) -> [Landmark; 2] {
        let begin = last.mtime.saturating_sub(OVERLAP_MS);
        match self.landmarks {
            _ if begin > self.mtime => [last; 2],
            [_, second] if begin >= second.mtime => [second, last],
            landmarks => landmarks,
        }
    }

    /// Messages whose times lie at most the overlap before this one came then, or later.
    pub(super) fn overlap_came_at(&self) -> Instant {
        self.landmarks[0].came_at
    }

    /// Whether the room was empty when the listening began.
    pub(super) fn was_room_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Where it stands; `None` for a room that was empty. Of several in one millisecond, the one that came last.
    pub(super) fn position(&self) -> Option<Position> {
        self.keys.last().map(|&(from, mid)| Position { mtime: self.mtime, from, mid })
    }

    /// Whether the message that stands there is one of those of the last millisecond.
    pub(super) fn includes(&self, position: Position) -> bool {
        self.mtime == position.mtime && self.keys.contains(&(position.from, position.mid))
    }
}
