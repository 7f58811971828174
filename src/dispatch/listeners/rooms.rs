//! The rooms that are caught up after a reconnect: how far each was seen, and what is to be read of its history.

use std::time::Instant;

use super::duplicates::Duplicates;
use crate::engine::ListenerId;

/// The history is read again from this much before the last message, in milliseconds: where the servers' clocks differ,
/// a message may bear an earlier time than one that came before it.
pub(super) const OVERLAP_MS: i64 = 5_000;
/// The most messages of one millisecond that are told apart by it.
const MOST_KEYS: usize = 1024;

/// The last message of a room that is known, by its time in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub mtime: i64,
    /// Sender and id of the messages of that very millisecond.
    pub keys: Vec<(i64, i64)>,
    seen_at: Instant,
}

/// How far a room was seen.
#[derive(Debug)]
pub(super) struct RoomTrack {
    /// Who catches the room up.
    pub listeners: Vec<ListenerId>,
    /// The number of the connection that the room was last granted on.
    pub granted: u64,
    /// Somebody is finding out what its newest messages are.
    pub awaits_newest: bool,
    /// The number of the connection that `last` was seen on.
    connection: u64,
    /// A message has come since that connection was made.
    has_news: bool,
    /// The last message; `None` while nothing is known of the room.
    last: Option<Position>,
    /// The last message of the connections before.
    before: Option<Position>,
    /// The newest messages when the listening began.
    newest: Option<Position>,
    /// Rows up to this time are settled: delivered, told as a gap, or older than the listening.
    settled: i64,
}

/// From where on a room is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub last: Position,
    newest: Option<Position>,
    /// Rows up to this time are not wanted.
    pub settled: i64,
}

impl RoomTrack {
    pub(super) fn new() -> RoomTrack {
        RoomTrack {
            listeners: Vec::new(),
            granted: 0,
            awaits_newest: false,
            connection: 0,
            has_news: false,
            last: None,
            before: None,
            newest: None,
            settled: i64::MIN,
        }
    }

    /// A new connection begins: what came before is what its catch-up starts from.
    pub(super) fn enter_connection(&mut self, connection: u64) {
        if self.connection < connection {
            self.connection = connection;
            self.has_news = false;
            self.before.clone_from(&self.last);
        }
    }

    /// Whether the connection of this number is the last, and no message has come since it was made.
    pub(super) fn is_quiet_since(&self, connection: u64) -> bool {
        self.connection == connection && !self.has_news
    }

    /// Whether nothing is known of the room.
    pub(super) fn is_unknown(&self) -> bool {
        self.last.is_none()
    }

    /// A message came, by push or out of the history.
    pub(super) fn record(&mut self, mtime: i64, from: i64, mid: i64, now: Instant) {
        self.has_news = true;
        match &mut self.last {
            Some(last) if mtime < last.mtime => last.seen_at = now,
            Some(last) if mtime == last.mtime => {
                last.seen_at = now;
                // A server whose clock stands still must not fill the memory.
                if last.keys.len() < MOST_KEYS {
                    last.keys.push((from, mid));
                }
            }
            Some(last) => *last = Position { mtime, keys: vec![(from, mid)], seen_at: now },
            None => {
                // What is older than the first message that was pushed is older than the listening.
                self.settled = self.settled.max(mtime - 1);
                self.last = Some(Position { mtime, keys: vec![(from, mid)], seen_at: now });
            }
        }
    }

    /// The newest messages that the history had when the listening began, by time, sender and id; none for an empty room.
    pub(super) fn record_newest(&mut self, newest: &[(i64, i64, i64)], now: Instant) {
        if self.last.is_some() {
            return;
        }
        let mtime = newest.iter().map(|(mtime, ..)| *mtime).max().unwrap_or(0);
        if mtime == 0 && !newest.is_empty() {
            // None of them has a time: where the room stands cannot be told.
            return;
        }
        let keys = newest.iter().filter(|row| row.0 == mtime).map(|&(_, from, mid)| (from, mid)).collect();
        self.settled = self.settled.max(mtime - 1);
        let newest = Position { mtime, keys, seen_at: now };
        self.newest = Some(newest.clone());
        self.last = Some(newest);
    }

    /// What came before is told as a gap: it is not looked for again.
    pub(super) fn settle(&mut self) {
        if let Some(last) = &self.last {
            self.settled = self.settled.max(last.mtime);
        }
    }

    /// Where a catch-up begins; `None` while nothing is known of the room.
    pub(super) fn base(&self, duplicates: &Duplicates) -> Option<Base> {
        let last = self.before.clone()?;
        // Where the memory of messages does not reach back far enough, rows before the last message cannot be told from
        // those that were delivered.
        let settled = if duplicates.reaches_back_to(last.seen_at) { self.settled } else { last.mtime - 1 };
        Some(Base { settled: settled.max(self.settled), newest: self.newest.clone(), last })
    }
}

impl Base {
    /// Whether a row need not be looked at: it was delivered, or is not wanted.
    pub(crate) fn covers(&self, mtime: i64, from: i64, mid: i64) -> bool {
        let is_of = |position: &Position| position.mtime == mtime && position.keys.contains(&(from, mid));
        mtime <= self.settled || is_of(&self.last) || self.newest.as_ref().is_some_and(is_of)
    }

    /// Whether a row shows that the history reaches back to what was seen.
    pub(crate) fn is_reached_by(&self, mtime: i64) -> bool {
        mtime <= self.last.mtime
    }

    /// Whether the room was empty when the listening began, so that no row can show that.
    pub(crate) fn is_beginning(&self) -> bool {
        self.last.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catch_up_begins_where_the_connection_before_ended() {
        let (duplicates, now) = (Duplicates::default(), Instant::now());
        let mut track = RoomTrack::new();
        track.enter_connection(1);
        track.record(1_000, 7, 1, now);
        track.record(1_000, 7, 2, now);
        track.record(900, 7, 3, now);
        track.enter_connection(2);
        track.record(2_000, 7, 4, now);
        let base = track.base(&duplicates).unwrap();
        assert_eq!(base.last.mtime, 1_000);
        assert!(base.covers(1_000, 7, 1) && base.covers(1_000, 7, 2));
        assert!(!base.covers(1_000, 7, 9), "another message of the same millisecond");
        assert!(base.covers(999, 7, 9), "older than the listening");
    }

    #[test]
    fn what_was_there_before_the_listening_is_not_caught_up() {
        let (duplicates, now) = (Duplicates::default(), Instant::now());
        let mut track = RoomTrack::new();
        assert!(track.is_unknown());
        track.record_newest(&[(1_000, 7, 2), (990, 7, 1)], now);
        track.record(1_100, 7, 4, now);
        track.enter_connection(2);
        let base = track.base(&duplicates).unwrap();
        assert!(base.covers(990, 7, 1) && base.covers(1_000, 7, 2));
        assert!(!base.covers(1_000, 7, 3) && !base.covers(1_101, 7, 5));
        assert!(!base.is_beginning() && base.is_reached_by(1_100) && !base.is_reached_by(1_101));
    }

    #[test]
    fn everything_in_a_room_that_was_empty_is_caught_up() {
        let mut track = RoomTrack::new();
        track.record_newest(&[], Instant::now());
        track.enter_connection(2);
        let base = track.base(&Duplicates::default()).unwrap();
        assert!(base.is_beginning() && !base.covers(1, 7, 1));
    }

    #[test]
    fn rows_told_as_a_gap_are_not_delivered_later() {
        let mut track = RoomTrack::new();
        track.record(1_000, 7, 1, Instant::now());
        track.record(2_000, 7, 2, Instant::now());
        track.settle();
        track.enter_connection(2);
        assert!(track.base(&Duplicates::default()).unwrap().covers(1_500, 7, 3));
    }
}
