//! The iterator over a room's history requests only what is wanted, when it is wanted, and continues past unreadable
//! rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use rmpv::Value;
use rtm_server_sdk::{Error, History, Message};

use common::answering::AnsweringServer;
use common::fixtures;
use common::watchdog::guarded;
use common::wire::{self, Packet};

const ROOM: i64 = 42;

fn row(id: i64) -> Value {
    let fields: [Value; 8] =
        [id.into(), 1001.into(), 30.into(), id.into(), false.into(), "hello".into(), "".into(), id.into()];
    Value::Array(fields.to_vec())
}

fn page(rows: Vec<Value>, last_id: Value) -> Value {
    wire::map([("msgs", Value::Array(rows)), ("lastid", last_id), ("begin", 0.into()), ("end", 0.into())])
}

/// The position at which a quest continues; 0 for the first page.
fn cursor(quest: &Packet) -> i64 {
    quest.get("lastid").and_then(|id| id.as_i64()).unwrap_or_default()
}

/// Answers with the page after the cursor of a quest; without one, with an error.
fn server(page_behind: impl Fn(i64) -> Option<Value> + Send + Sync + 'static) -> AnsweringServer {
    AnsweringServer::with(move |quest| {
        Some(match page_behind(cursor(quest)) {
            Some(page) => wire::answer(quest.seq(), &page),
            None => wire::error_answer(quest.seq(), 200_999, "no such page"),
        })
    })
}

fn mids(items: &[Result<Message, Error>]) -> Vec<Option<i64>> {
    items.iter().map(|item| item.as_ref().ok().map(|message| message.mid)).collect()
}

#[test]
fn unreadable_row_is_reported_in_its_place_among_the_others() {
    guarded(|| {
        let server = server(|cursor| {
            Some(match cursor {
                0 => page(vec![row(1), row(2)], 2.into()),
                2 => page(vec![row(3), Value::Nil], 4.into()),
                _ => page(vec![row(5)], 5.into()),
            })
        });
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::oldest().count(2)).collect();
        assert_eq!(mids(&items), [Some(1), Some(2), Some(3), None, Some(5)]);
        let error = items[3].as_ref().unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error:?}");
        assert!(error.to_string().contains("getroommsg") && error.to_string().contains("row 1"), "{error}");
        assert_eq!(client.stats().undecodable, 1);
        assert_eq!(server.received().len(), 3);
    });
}

#[test]
fn unreadable_row_is_reported_once_even_without_a_cursor() {
    guarded(|| {
        let server = server(|cursor| {
            Some(match cursor {
                0 => page(vec![row(1), Value::Array(vec![2.into(), "cut short".into()])], Value::Nil),
                2 => page(vec![row(3)], Value::Nil),
                _ => return None,
            })
        });
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::oldest().count(2)).collect();
        assert_eq!(mids(&items), [Some(1), None, Some(3)]);
        assert_eq!(client.stats().undecodable, 1);
    });
}

#[test]
fn row_without_a_readable_id_is_reported_once_even_if_it_comes_again() {
    guarded(|| {
        let rows = [row(1), Value::Nil, row(3), row(4)];
        let server = AnsweringServer::with(move |quest| {
            let (behind, count) = (cursor(quest), quest.get("num").unwrap().as_i64().unwrap());
            let rows = rows.iter().zip(1..).filter(|(_, id)| *id > behind).take(count as usize);
            Some(wire::answer(quest.seq(), &page(rows.map(|(row, _)| row.clone()).collect(), Value::Nil)))
        });
        let client = fixtures::client(server.endpoint());
        for count in 1..=4 {
            let items: Vec<_> = client.room_messages(ROOM, History::oldest().count(count)).collect();
            assert_eq!(mids(&items), [Some(1), None, Some(3), Some(4)], "{count} a page");
        }
    });
}

#[test]
fn page_of_nothing_but_rows_without_readable_ids_ends_the_history() {
    guarded(|| {
        let server = server(|_| Some(page(vec![Value::Nil; 20], Value::Nil)));
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::oldest()).collect();
        assert_eq!(mids(&items), [None; 20]);
        assert_eq!(server.received().len(), 1);
    });
}

#[test]
fn page_whose_cursor_is_unreadable_is_the_last_item() {
    guarded(|| {
        let server = server(|cursor| {
            Some(match cursor {
                0 => page(vec![row(1), row(2)], 2.into()),
                _ => page(vec![row(3), Value::Nil], "four".into()),
            })
        });
        let client = fixtures::client(server.endpoint());
        let mut messages = client.room_messages(ROOM, History::oldest().count(2));
        let items: Vec<_> = messages.by_ref().collect();
        assert_eq!(mids(&items), [Some(1), Some(2), None]);
        assert!(messages.next().is_none());
        assert_eq!(server.received().len(), 2);
    });
}

#[test]
fn failed_call_is_the_last_item() {
    guarded(|| {
        let server = server(|cursor| (cursor == 0).then(|| page(vec![row(1), row(2)], 2.into())));
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::oldest().count(2)).collect();
        assert_eq!(mids(&items), [Some(1), Some(2), None]);
        assert_eq!(items[2].as_ref().unwrap_err().code(), 200_999);
    });
}

#[test]
fn page_is_requested_only_once_the_previous_one_was_taken() {
    guarded(|| {
        let server = server(|cursor| Some(page(vec![row(cursor + 1), row(cursor + 2)], (cursor + 2).into())));
        let client = fixtures::client(server.endpoint());
        let mut messages = client.room_messages(ROOM, History::oldest().count(2));
        // A call on the same connection would be seen behind any page that was requested before it.
        let asked = || {
            client.get_room_info(1).call().unwrap();
            server.received().iter().filter(|packet| packet.method == "getroommsg").count()
        };
        assert_eq!(asked(), 0);
        messages.next().unwrap().unwrap();
        assert_eq!(asked(), 1);
        messages.next().unwrap().unwrap();
        assert_eq!(asked(), 0, "all of the first page was taken, and nothing more is wanted");
        messages.next().unwrap().unwrap();
        assert_eq!(asked(), 1);
    });
}

#[test]
fn iterator_ends_if_the_server_repeats_a_page() {
    guarded(|| {
        let server = server(|_| Some(page(vec![row(1), row(2)], 2.into())));
        let client = fixtures::client(server.endpoint());
        assert!(client.room_messages(ROOM, History::latest().count(2)).count() <= 4);
    });
}

#[test]
fn iterator_ends_if_the_server_leads_it_in_circles() {
    guarded(|| {
        let deleted = |id: i64| {
            let Value::Array(mut fields) = row(id) else { unreachable!() };
            fields[4] = true.into();
            Value::Array(fields)
        };
        let server = server(move |cursor| Some(page(vec![deleted(1), deleted(2)], (3 - cursor.max(1)).into())));
        let client = fixtures::client(server.endpoint());
        for query in [History::latest(), History::oldest()] {
            assert_eq!(client.room_messages(ROOM, query.count(2)).count(), 0);
        }
    });
}

#[test]
fn cursor_of_zero_is_none() {
    guarded(|| {
        let server = server(|cursor| {
            Some(match cursor {
                0 => page(vec![row(1), row(2)], 0.into()),
                _ => page(vec![row(3)], 0.into()),
            })
        });
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::oldest().count(2)).collect();
        assert_eq!(mids(&items), [Some(1), Some(2), Some(3)]);
    });
}

#[test]
fn query_that_can_never_work_is_one_item_and_sends_nothing() {
    guarded(|| {
        let server = server(|_| None);
        let client = fixtures::client(server.endpoint());
        let items: Vec<_> = client.room_messages(ROOM, History::latest().count(21)).collect();
        assert!(matches!(items[..], [Err(Error::InvalidArgument(_))]), "{items:?}");
        assert_eq!(server.accepted(), 0);
    });
}
