//! Whatever is sent, deleted and requested, the pages of a room's history equal those of a plain model: in both
//! directions, with every page size, and with messages that arrive or are deleted between two pages. The iterator
//! yields every row once, whichever rows cannot be read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::{Config, TestRunner};
use rmpv::Value;
use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, History, Message, MessageBody, MessageType, NewMessage, Target};

use common::answering::AnsweringServer;
use common::fixtures::{self, PID, SECRET};
use common::watchdog::guarded;
use common::wire::{self, Packet};

const SENDERS: std::ops::Range<i64> = 1..4;
const TYPES: [i32; 4] = [30, 32, 51, 100];

#[derive(Debug, Clone)]
enum Change {
    Send { from: i64, mtype: i32, is_binary: bool },
    Delete(Index),
    DeleteAllOf(i64),
    Clean(Index),
}

#[derive(Debug, Clone)]
struct Query {
    newest_first: bool,
    count: u16,
    types: Option<Vec<i32>>,
    /// From the time of one message to that of another.
    times: Option<(Index, Index)>,
}

#[derive(Debug, Clone)]
struct Case {
    before: Vec<Change>,
    query: Query,
    /// What happens between the pages; nothing once the list is used up.
    between: Vec<Vec<Change>>,
}

fn a_change() -> impl Strategy<Value = Change> {
    let send = (SENDERS, prop::sample::select(&TYPES[..]), any::<bool>());
    prop_oneof![
        12 => send.prop_map(|(from, mtype, is_binary)| Change::Send { from, mtype, is_binary }),
        3 => any::<Index>().prop_map(Change::Delete),
        1 => SENDERS.prop_map(Change::DeleteAllOf),
        1 => any::<Index>().prop_map(Change::Clean),
    ]
}

fn a_case() -> impl Strategy<Value = Case> {
    let query =
        (any::<bool>(), 1..=20_u16, option::of(subsequence(&TYPES[..], 0..=4)), option::of(any::<(Index, Index)>()))
            .prop_map(|(newest_first, count, types, times)| Query { newest_first, count, types, times });
    (vec(a_change(), 0..80), query, vec(vec(a_change(), 0..4), 0..6)).prop_map(|(before, query, between)| Case {
        before,
        query,
        between,
    })
}

/// A room, and its expected content.
struct Room<'a> {
    client: &'a Client,
    rid: i64,
    /// In the order of sending, deleted ones included.
    rows: Vec<Row>,
}

struct Row {
    message: Message,
    is_deleted: bool,
}

impl Room<'_> {
    fn change(&mut self, change: &Change) {
        let (client, rid) = (self.client, self.rid);
        match change {
            Change::Send { from, mtype, is_binary } => self.send(*from, MessageType::new(*mtype), *is_binary),
            Change::Delete(index) => {
                let alive: Vec<usize> = (0..self.rows.len()).filter(|&row| !self.rows[row].is_deleted).collect();
                if !alive.is_empty() {
                    let row = &mut self.rows[*index.get(&alive)];
                    client.delete_room_message(rid, row.message.from, row.message.mid).call().unwrap();
                    row.is_deleted = true;
                }
            }
            Change::DeleteAllOf(from) => {
                client.delete_conversation_messages(rid, *from).call().unwrap();
                self.rows.iter_mut().filter(|row| row.message.from == *from).for_each(|row| row.is_deleted = true);
            }
            Change::Clean(index) if !self.rows.is_empty() => {
                let mtime = index.get(&self.rows).message.mtime;
                client.clean_room_message(rid, mtime.unwrap(), mtime.unwrap()).call().unwrap();
                self.rows.iter_mut().filter(|row| row.message.mtime == mtime).for_each(|row| row.is_deleted = true);
            }
            Change::Clean(_) => {}
        }
    }

    fn send(&mut self, from: i64, mtype: MessageType, is_binary: bool) {
        let text = format!("message {}", self.rows.len());
        let body: MessageBody = if is_binary { text.into_bytes().into() } else { text.into() };
        let attrs = format!("{{\"from\":{from}}}");
        let message = NewMessage::new(mtype, body.clone()).attrs(attrs.clone());
        let sent = self.client.send_room_message(self.rid, from, &message).call().unwrap();
        let (target, mid) = (Target::Room(self.rid), message.mid());
        let message = Message { target, from, mid, mtype, body, attrs, mtime: sent.mtime };
        self.rows.push(Row { message, is_deleted: false });
    }

    /// The rows that match a query, in its order, after the row `after`.
    fn rows_behind(&self, query: &Query, times: Option<(i64, i64)>, after: Option<usize>) -> Vec<usize> {
        let is_meant = |&row: &usize| {
            let message = &self.rows[row].message;
            let is_of_type = |types: &Vec<i32>| types.is_empty() || types.contains(&message.mtype.value());
            let is_in_time = |(begin, end)| (begin..=end).contains(&message.mtime.unwrap());
            query.types.as_ref().is_none_or(is_of_type) && times.is_none_or(is_in_time)
        };
        if query.newest_first {
            (0..after.unwrap_or(self.rows.len())).rev().filter(is_meant).collect()
        } else {
            (after.map_or(0, |row| row + 1)..self.rows.len()).filter(is_meant).collect()
        }
    }

    fn messages(&self, rows: &[usize]) -> Vec<Message> {
        rows.iter().filter(|&&row| !self.rows[row].is_deleted).map(|&row| self.rows[row].message.clone()).collect()
    }
}

fn check(client: &Client, rid: i64, case: &Case) {
    for from in SENDERS {
        client.add_room_member(rid, from).call().unwrap();
    }
    let mut room = Room { client, rid, rows: Vec::new() };
    case.before.iter().for_each(|change| room.change(change));

    let query = &case.query;
    let times = query.times.filter(|_| !room.rows.is_empty()).map(|(one, other)| {
        let (one, other) = (one.get(&room.rows).message.mtime.unwrap(), other.get(&room.rows).message.mtime.unwrap());
        (one.min(other), one.max(other))
    });
    let asked = if query.newest_first { History::latest() } else { History::oldest() }.count(query.count);
    let asked = times.map_or(asked.clone(), |(begin, end)| asked.between(begin, end));
    let types = query.types.as_ref().map(|types| types.iter().copied().map(MessageType::new).collect::<Vec<_>>());
    let asked = types.map_or(asked.clone(), |types| asked.types(&types));

    let (mut next, mut after) = (Some(asked.clone()), None);
    let mut between = case.between.iter();
    while let Some(query_of_page) = next {
        let due: Vec<usize> = room.rows_behind(query, times, after);
        let due = &due[..due.len().min(query.count.into())];
        let page = client.get_room_message(rid, &query_of_page).call().unwrap();
        assert_eq!(page.messages, room.messages(due));
        assert_eq!(page.next.is_some(), due.len() == usize::from(query.count));
        (next, after) = (page.next, due.last().copied().or(after));
        between.next().into_iter().flatten().for_each(|change| room.change(change));
    }

    // A room that does not change: the iterator and the count.
    let all = room.messages(&room.rows_behind(query, times, None));
    let iterated: Vec<Message> = client.room_messages(rid, asked.clone()).collect::<Result<_, _>>().unwrap();
    assert_eq!(iterated, all);
    let count = client.get_room_message_num(rid, &asked).call().unwrap();
    let mut senders: Vec<i64> = all.iter().map(|message| message.from).collect();
    senders.sort_unstable();
    senders.dedup();
    assert_eq!((count.messages, count.senders), (all.len() as i64, senders.len() as i64));
}

#[test]
fn pages_of_a_history_are_those_of_a_plain_model() {
    guarded(|| {
        let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
        let client = fixtures::client(gate.endpoint());
        let mut rids = 1..;
        let rids = std::cell::RefCell::new(&mut rids);
        let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
        runner
            .run(&a_case(), |case| {
                let rid = rids.borrow_mut().next().unwrap();
                check(&client, rid, &case);
                Ok(())
            })
            .unwrap();
    });
}

/// A row of a scripted server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Sound,
    Deleted,
    /// Only its id can be read.
    CutShort,
    /// Not even its id can be read. All of these have the same bytes.
    Nil,
    /// Neither can be read, but each has its own bytes.
    IdIsText,
}

#[derive(Debug, Clone)]
struct Script {
    kinds: Vec<Kind>,
    /// What the server sends instead of the cursor; `None` if it does send the cursor.
    in_place_of_cursor: Option<Value>,
}

fn a_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Sound),
        1 => Just(Kind::Deleted),
        1 => Just(Kind::CutShort),
        2 => Just(Kind::Nil),
        2 => Just(Kind::IdIsText),
    ]
}

fn a_script() -> impl Strategy<Value = Script> {
    let no_cursor = option::weighted(0.8, prop::sample::select(vec![Value::Nil, Value::from(0)]));
    (vec(a_kind(), 0..60), no_cursor)
        .prop_map(|(kinds, in_place_of_cursor)| Script { kinds, in_place_of_cursor })
        .prop_filter("a page of 20 has an id that can be read", |script| {
            let has_id = |kinds: &[Kind]| kinds.iter().any(|kind| !matches!(kind, Kind::Nil | Kind::IdIsText));
            script.in_place_of_cursor.is_none() || script.kinds.windows(20).all(has_id)
        })
}

impl Kind {
    fn row(self, id: i64) -> Value {
        match self {
            Kind::Nil => Value::Nil,
            Kind::IdIsText => Value::Array(vec![id.to_string().into(); 8]),
            Kind::CutShort => Value::Array(vec![id.into(), 1.into()]),
            Kind::Sound | Kind::Deleted => {
                let (is_deleted, text, empty) = (self == Kind::Deleted, "hello".into(), "".into());
                Value::Array(vec![id.into(), 1.into(), 30.into(), id.into(), is_deleted.into(), text, empty, id.into()])
            }
        }
    }
}

impl Script {
    /// Returns the id of row `index`.
    fn id(index: usize) -> i64 {
        10 * (index as i64 + 1)
    }

    fn in_order(&self, newest_first: bool) -> Vec<usize> {
        if newest_first { (0..self.kinds.len()).rev().collect() } else { (0..self.kinds.len()).collect() }
    }

    fn answer(&self, quest: &Packet) -> Value {
        let int = |key| quest.get(key).and_then(|value| value.as_i64());
        let newest_first = quest.get("desc").unwrap().as_bool().unwrap();
        let is_behind = |index: &usize| match int("lastid").filter(|id| *id != 0) {
            Some(last) if newest_first => Script::id(*index) < last,
            Some(last) => Script::id(*index) > last,
            None => true,
        };
        let count = int("num").unwrap();
        assert!((1..=20).contains(&count), "a page of {count}");
        let rows: Vec<usize> = self.in_order(newest_first).into_iter().filter(is_behind).take(count as usize).collect();
        let cursor = rows.last().map_or(Value::from(0), |index| Script::id(*index).into());
        wire::map([
            ("lastid", self.in_place_of_cursor.clone().unwrap_or(cursor)),
            ("msgs", Value::Array(rows.into_iter().map(|index| self.kinds[index].row(Script::id(index))).collect())),
        ])
    }

    /// Returns the `mid` of every message, and `None` for every unreadable row.
    fn told(&self, newest_first: bool) -> Vec<Option<i64>> {
        let is_there = |index: &usize| self.kinds[*index] != Kind::Deleted;
        let told = |index: usize| (self.kinds[index] == Kind::Sound).then(|| Script::id(index));
        self.in_order(newest_first).into_iter().filter(is_there).map(told).collect()
    }
}

#[test]
fn iterator_tells_every_row_once_whichever_cannot_be_read() {
    guarded(|| {
        let script = Arc::new(Mutex::new(Script { kinds: Vec::new(), in_place_of_cursor: None }));
        let answers = Arc::clone(&script);
        let server =
            AnsweringServer::with(move |quest| Some(wire::answer(quest.seq(), &answers.lock().unwrap().answer(quest))));
        let client = fixtures::client(server.endpoint());
        let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
        runner
            .run(&(a_script(), any::<bool>(), 1..=20_u16), |(case, newest_first, count)| {
                *script.lock().unwrap() = case.clone();
                let query = if newest_first { History::latest() } else { History::oldest() }.count(count);
                let items = client.room_messages(42, query).take(2 * case.kinds.len() + 1);
                let told: Vec<_> = items.map(|item| item.ok().map(|message| message.mid)).collect();
                prop_assert_eq!(told, case.told(newest_first));
                Ok(())
            })
            .unwrap();
    });
}

/// The pages that a server sends one after the other, again and again, whatever is requested: rows, and a cursor.
type Pages = Vec<(Vec<(Kind, i64)>, Option<i64>)>;

#[test]
fn iterator_ends_whatever_a_server_says() {
    const IDS: std::ops::Range<i64> = 0..10;
    // A cursor advances with each page, or a page has one more row without a readable id than the one before.
    const MOST_PAGES: usize = 10 * 20;
    guarded(|| {
        let script = Arc::new(Mutex::new((Pages::new(), 0)));
        let answers = Arc::clone(&script);
        let server = AnsweringServer::with(move |quest| {
            let (pages, asked) = &mut *answers.lock().unwrap();
            let (rows, cursor) = &pages[*asked % pages.len()];
            *asked += 1;
            if *asked > MOST_PAGES {
                return Some(wire::error_answer(quest.seq(), 200_999, "asked for ever"));
            }
            let rows = rows.iter().map(|(kind, id)| kind.row(*id)).collect();
            let cursor = cursor.map_or(Value::Nil, Value::from);
            Some(wire::answer(quest.seq(), &wire::map([("msgs", Value::Array(rows)), ("lastid", cursor)])))
        });
        let client = fixtures::client(server.endpoint());
        let pages = vec((vec((a_kind(), IDS), 1..6), option::of(IDS)), 1..5);
        let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
        runner
            .run(&(pages, any::<bool>(), 1..4_u16), |(pages, newest_first, count)| {
                *script.lock().unwrap() = (pages, 0);
                let query = if newest_first { History::latest() } else { History::oldest() }.count(count);
                client.room_messages(42, query).for_each(drop);
                prop_assert!(script.lock().unwrap().1 <= MOST_PAGES);
                Ok(())
            })
            .unwrap();
    });
}
