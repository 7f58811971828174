//! Positions of messages in the history of a room, and the last known position.
//!
//! Plain values, without I/O and without listeners. The history lists messages in the order in which the server pushes
//! them, which is not always the order of their times. Sender and id identify a message; its time locates it only to
//! within [`OVERLAP_MS`].

use std::time::Instant;

use crate::rtm::{Message, MessageId, UserId};

/// How far before the last message reading starts, in milliseconds. The servers' clocks may differ, so a message may
/// have an earlier time than one that was pushed before it.
pub(super) const OVERLAP_MS: i64 = 5_000;
/// How many messages of one millisecond [`LastMessage`] remembers.
const MOST_KEYS: usize = 1024;

/// The position of a message in the history of its room. Sender and id identify the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Position {
    /// In milliseconds.
    pub mtime: i64,
    pub from: UserId,
    pub mid: MessageId,
}

/// A message of the history, with its position.
#[derive(Debug)]
pub(super) struct Row {
    pub position: Position,
    pub message: Message,
}

/// The last known message of a room, which is the one with the latest time, or the fact that the room was empty.
#[derive(Debug, Clone)]
pub(super) struct LastMessage {
    /// In milliseconds; 0 if the room was empty.
    pub mtime: i64,
    /// The messages of that millisecond, by sender and id, in order of arrival.
    keys: Vec<(UserId, MessageId)>,
    /// Every message whose time lies within the overlap before the last one arrived no earlier than the first landmark.
    /// The second becomes the first once its time is at least the overlap before that of the last message.
    landmarks: [Landmark; 2],
}

/// A message that was the last of its room when it arrived.
#[derive(Debug, Clone, Copy)]
struct Landmark {
    mtime: i64,
    came_at: Instant,
}

impl Position {
    /// Returns the position of a message of the history. A message without a time gets the time of the one before it.
    pub(super) fn of_message(message: &Message, time_before: i64) -> Position {
        Position { mtime: message.mtime.unwrap_or(time_before), from: message.from, mid: message.mid }
    }

    /// Whether this is the position of the same message. Its time may differ, because a push may lack one.
    pub(super) fn is_same_message(self, other: Position) -> bool {
        (self.from, self.mid) == (other.from, other.mid)
    }
}

impl LastMessage {
    /// Makes this message the last.
    pub(super) fn of(Position { mtime, from, mid }: Position, came_at: Instant) -> LastMessage {
        LastMessage::of_keys(mtime, vec![(from, mid)], came_at)
    }

    /// Makes the messages of one millisecond the last; without any, the room was empty.
    pub(super) fn of_keys(mtime: i64, keys: Vec<(UserId, MessageId)>, came_at: Instant) -> LastMessage {
        LastMessage { mtime, keys, landmarks: [Landmark { mtime, came_at }; 2] }
    }

    /// Records another message.
    pub(super) fn record(&mut self, position: Position, now: Instant) {
        if position.mtime > self.mtime {
            self.landmarks = self.landmarks_with(Landmark { mtime: position.mtime, came_at: now });
            self.mtime = position.mtime;
            self.keys.clear();
        }
        // Bounded, because a server's clock may stand still.
        if position.mtime == self.mtime && self.keys.len() < MOST_KEYS {
            self.keys.push((position.from, position.mid));
        }
    }

    /// Returns the landmarks to use once this message is the last.
    fn landmarks_with(&self, last: Landmark) -> [Landmark; 2] {
        let begin = last.mtime.saturating_sub(OVERLAP_MS);
        match self.landmarks {
            _ if begin > self.mtime => [last; 2],
            [_, second] if begin >= second.mtime => [second, last],
            landmarks => landmarks,
        }
    }

    /// The earliest time at which messages within the overlap before the last message may have arrived.
    pub(super) fn overlap_came_at(&self) -> Instant {
        self.landmarks[0].came_at
    }

    /// Whether the room was empty when the subscription began.
    pub(super) fn was_room_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the position, or `None` if the room was empty. Of several messages in one millisecond, the latest
    /// arrival counts.
    pub(super) fn position(&self) -> Option<Position> {
        self.keys.last().map(|&(from, mid)| Position { mtime: self.mtime, from, mid })
    }

    /// Whether the message at this position is among those of the last millisecond.
    pub(super) fn includes(&self, position: Position) -> bool {
        self.mtime == position.mtime && self.keys.contains(&(position.from, position.mid))
    }
}
