//! Where messages stand in the history of a room, and which of them is the last that is known.
//!
//! Plain values, without I/O and without listeners. The history orders messages as the server pushes them, which is not always
//! the order of their times: two messages are told apart by sender and id, and a time says where to look only to within
//! [`OVERLAP_MS`].

use std::time::Instant;

use crate::rtm::Message;

/// The history is read again from this much before the last message, in milliseconds: where the servers' clocks differ,
/// a message may bear an earlier time than one that came before it.
pub(super) const OVERLAP_MS: i64 = 5_000;
/// The most messages of one millisecond that are told apart by it.
const MOST_KEYS: usize = 1024;

/// A message of a room, as a place in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    /// In milliseconds.
    pub mtime: i64,
    pub from: i64,
    pub mid: i64,
}

/// A message of the history, with its place.
#[derive(Debug)]
pub(super) struct Row {
    pub mark: Mark,
    pub message: Message,
}

/// The last message of a room that is known, by its time in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Position {
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
    /// This message is the last.
    pub(super) fn of(Mark { mtime, from, mid }: Mark, came_at: Instant) -> Position {
        Position::of_keys(mtime, vec![(from, mid)], came_at)
    }

    /// The last messages are those of one millisecond; none, if the room was empty.
    pub(super) fn of_keys(mtime: i64, keys: Vec<(i64, i64)>, came_at: Instant) -> Position {
        Position { mtime, keys, landmarks: [Landmark { mtime, came_at }; 2] }
    }

    /// Another message has come.
    pub(super) fn record(&mut self, mark: Mark, now: Instant) {
        if mark.mtime > self.mtime {
            let landmarks = self.landmarks_with(Landmark { mtime: mark.mtime, came_at: now });
            *self = Position { landmarks, ..Position::of(mark, now) };
            return;
        }
        // A server whose clock stands still must not fill the memory.
        if mark.mtime == self.mtime && self.keys.len() < MOST_KEYS {
            self.keys.push((mark.from, mark.mid));
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
    pub(super) fn is_beginning(&self) -> bool {
        self.keys.is_empty()
    }

    /// The last of its messages; `None` for a room that was empty.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.keys.last().map(|&(from, mid)| Mark { mtime: self.mtime, from, mid })
    }

    /// Whether this is one of its messages.
    pub(super) fn is_of(&self, mark: Mark) -> bool {
        self.mtime == mark.mtime && self.keys.contains(&(mark.from, mark.mid))
    }
}
