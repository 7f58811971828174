//! The messages of the rooms: the last 500 of each.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::rtm::{Message, MessageBody, MessageId, RoomId, UserId};

/// How many messages of a room are kept: the service's limit of 2018.
const KEPT_PER_ROOM: usize = 500;
/// How many message ids are remembered in all rooms together, so that repeated ones are refused.
const REMEMBERED_IDS: usize = 1 << 20;

/// The messages of a project's rooms.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    rooms: FxHashMap<RoomId, VecDeque<Row>>,
    seen: SeenIds,
    last_id: i64,
    last_mtime: i64,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The cursor of the history: later messages have larger ones.
    pub id: i64,
    /// Whether it was deleted. Then its content is gone, but its place in the history stays.
    pub is_deleted: bool,
    /// When the gate accepted it, in milliseconds since the epoch.
    pub mtime: i64,
    /// The message. Its `mtime` is set.
    pub message: Message,
}

/// A time span in milliseconds since the epoch, including both ends. Zero leaves an end open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The earliest time.
    pub begin: i64,
    /// The latest time.
    pub end: i64,
}

/// Selects messages.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Those within this span.
    pub span: Span,
    /// Those of these types; empty for all.
    pub types: Vec<i64>,
}

impl Messages {
    /// Whether the sender has already used this id in this room.
    pub(crate) fn is_repeated(&self, room: RoomId, from: UserId, mid: MessageId) -> bool {
        self.seen.ids.contains(&(room, from, mid))
    }

    /// Stores a message, and sets its time, which never decreases.
    pub(crate) fn add(&mut self, room: RoomId, mut message: Message, now_ms: i64) -> &Row {
        self.seen.insert((room, message.from, message.mid));
        self.last_id += 1;
        self.last_mtime = self.last_mtime.max(now_ms);
        message.mtime = Some(self.last_mtime);
        let rows = self.rooms.entry(room).or_default();
        if rows.len() == KEPT_PER_ROOM {
            rows.pop_front();
        }
        rows.push_back(Row { id: self.last_id, is_deleted: false, mtime: self.last_mtime, message });
        &rows[rows.len() - 1]
    }

    /// Finds a message by its id, unless it was deleted.
    pub(crate) fn find(&self, room: RoomId, from: UserId, mid: MessageId) -> Option<&Row> {
        self.rooms.get(&room)?.iter().find(|row| row.is(from, mid))
    }

    /// Finds a message by its id, unless it was deleted, to change it.
    pub(crate) fn find_mut(&mut self, room: RoomId, from: UserId, mid: MessageId) -> Option<&mut Row> {
        self.rooms.get_mut(&room)?.iter_mut().find(|row| row.is(from, mid))
    }

    /// Deletes the messages of a room that `is_meant` selects.
    pub(crate) fn delete(&mut self, room: RoomId, is_meant: impl Fn(&Row) -> bool) {
        let rows = self.rooms.get_mut(&room).into_iter().flatten();
        rows.filter(|row| is_meant(row)).for_each(Row::delete);
    }

    /// Returns one page of a room's history, deleted rows included. It has at most `count` rows after the row `after`,
    /// or from the beginning if that is zero. `newest_first` is the direction.
    pub(crate) fn page<'a>(
        &'a self,
        room: RoomId,
        filter: &Filter,
        newest_first: bool,
        after: i64,
        count: usize,
    ) -> Vec<&'a Row> {
        let Some(rows) = self.rooms.get(&room) else { return Vec::new() };
        let matching = |row: &&Row| filter.matches(row);
        if newest_first {
            rows.iter().rev().filter(|row| after == 0 || row.id < after).filter(matching).take(count).collect()
        } else {
            rows.iter().filter(|row| row.id > after).filter(matching).take(count).collect()
        }
    }

    /// Counts the users who sent messages to a room, and the messages, without deleted ones.
    pub(crate) fn count(&self, room: RoomId, filter: &Filter) -> (usize, usize) {
        let rows = self.rooms.get(&room).into_iter().flatten();
        let mut senders = FxHashSet::default();
        let messages = rows.filter(|row| !row.is_deleted && filter.matches(row));
        let messages = messages.inspect(|row| _ = senders.insert(row.message.from)).count();
        (senders.len(), messages)
    }
}

impl Row {
    /// Deletes the message.
    pub(crate) fn delete(&mut self) {
        self.is_deleted = true;
        self.message.body = MessageBody::Text(String::new());
        self.message.attrs = String::new();
    }

    fn is(&self, from: UserId, mid: MessageId) -> bool {
        !self.is_deleted && (self.message.from, self.message.mid) == (from, mid)
    }
}

impl Span {
    /// Whether `time` is within the span.
    pub(crate) fn contains(self, time: i64) -> bool {
        time >= self.begin && (self.end == 0 || time <= self.end)
    }
}

impl Filter {
    fn matches(&self, row: &Row) -> bool {
        let mtype = i64::from(row.message.mtype.value());
        self.span.contains(row.mtime) && (self.types.is_empty() || self.types.contains(&mtype))
    }
}

/// The ids of messages; the oldest are forgotten first.
#[derive(Debug, Default)]
struct SeenIds {
    ids: FxHashSet<(RoomId, UserId, MessageId)>,
    order: VecDeque<(RoomId, UserId, MessageId)>,
}

impl SeenIds {
    fn insert(&mut self, id: (RoomId, UserId, MessageId)) {
        if !self.ids.insert(id) {
            return;
        }
        if self.order.len() == REMEMBERED_IDS {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        self.order.push_back(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtm::{MessageType, Target};

    fn message(from: UserId, mid: MessageId, mtype: i32) -> Message {
        let (target, body, attrs) = (Target::Room(1), "hello".into(), "{}".to_owned());
        Message { target, from, mid, mtype: MessageType::new(mtype), body, attrs, mtime: None }
    }

    fn mids(rows: &[&Row]) -> Vec<MessageId> {
        rows.iter().map(|row| row.message.mid).collect()
    }

    #[test]
    fn time_of_messages_never_decreases() {
        let mut messages = Messages::default();
        let times = [(1, 500), (2, 400), (3, 501)].map(|(mid, now)| messages.add(1, message(7, mid, 30), now).mtime);
        assert_eq!(times, [500, 500, 501]);
    }

    #[test]
    fn oldest_messages_of_a_room_make_room_for_new_ones() {
        let mut messages = Messages::default();
        for mid in 1..=501 {
            messages.add(1, message(7, mid, 30), mid);
        }
        messages.add(2, message(7, 1, 30), 600);
        assert_eq!(messages.count(1, &Filter::default()), (1, 500));
        assert!(messages.find(1, 7, 1).is_none());
        assert!(messages.find(1, 7, 2).is_some());
        assert!(messages.is_repeated(1, 7, 1), "an id counts as used when its message is gone");
    }

    #[test]
    fn pages_continue_where_the_last_one_ended_whatever_arrives() {
        let mut messages = Messages::default();
        for mid in 1..=5 {
            messages.add(1, message(7, mid, 30), 1000);
        }
        let filter = Filter::default();
        let newest = messages.page(1, &filter, true, 0, 2);
        let (seen, after) = (mids(&newest), newest[1].id);
        messages.add(1, message(7, 6, 30), 1000);
        assert_eq!((seen, mids(&messages.page(1, &filter, true, after, 9))), (vec![5, 4], vec![3, 2, 1]));
        let after = messages.page(1, &filter, false, 0, 5)[4].id;
        assert_eq!(mids(&messages.page(1, &filter, false, after, 9)), [6]);
    }

    #[test]
    fn filter_includes_both_ends_of_its_span_and_only_its_types() {
        let mut messages = Messages::default();
        for (mid, mtype) in [(1, 30), (2, 32), (3, 30), (4, 51)] {
            messages.add(1, message(mid, mid, mtype), mid * 100);
        }
        let page = |begin, end, types: &[i64]| {
            let filter = Filter { span: Span { begin, end }, types: types.to_vec() };
            (mids(&messages.page(1, &filter, false, 0, 9)), messages.count(1, &filter).1)
        };
        assert_eq!(page(200, 300, &[]), (vec![2, 3], 2));
        assert_eq!(page(0, 300, &[30]), (vec![1, 3], 2));
        assert_eq!(page(300, 0, &[30, 51]), (vec![3, 4], 2));
    }

    #[test]
    fn deleted_message_keeps_its_place_without_its_content() {
        let mut messages = Messages::default();
        messages.add(1, message(7, 1, 30), 1);
        messages.delete(1, |row| row.message.from == 7);
        assert!(messages.find(1, 7, 1).is_none());
        assert_eq!(messages.count(1, &Filter::default()), (0, 0));
        let rows = messages.page(1, &Filter::default(), false, 0, 9);
        assert!(rows[0].is_deleted);
        assert_eq!((rows[0].message.body.as_bytes(), &*rows[0].message.attrs), (&b""[..], ""));
    }
}
