//! Promise 3: a late answer does no harm. It is counted and dropped, and the connection stays in use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use rmpv::Value;
use rtm_server_sdk::{Client, Error};

use common::answering::AnsweringServer;
use common::eventually;
use common::fixtures::{self, Outcome, connected, sent_and_timed_out};
use common::scripted::Connection;
use common::watchdog::guarded;
use common::wire::{self, Packet};

const SHORT: Duration = Duration::from_millis(50);

/// Returns the quest of a call that timed out.
fn timed_out(client: &Client, connection: &Connection) -> Packet {
    sent_and_timed_out(|| client.get_room_info(1).timeout(SHORT).call());
    // On a busy machine, the caller may give up before the I/O thread does. No answer counts as late before that.
    eventually("the I/O thread has ended the call", || client.stats().in_flight == 0);
    connection.next()
}

fn info(text: &str) -> Value {
    wire::map([("oinfo", text.into())])
}

/// Checks that a call on the same connection still gets its own answer.
fn check_next_call(client: &Client, connection: &Connection) {
    let next = client.get_room_info(2).submit();
    connection.send(&wire::answer(connection.next().seq(), &info("mine")));
    assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("mine"));
}

#[test]
fn late_answer_is_counted_and_dropped() {
    guarded(|| {
        let (server, client, connection) = connected();
        let quest = timed_out(&client, &connection);
        connection.send(&wire::answer(quest.seq(), &info("too late")));
        check_next_call(&client, &connection);
        assert_eq!(client.stats().late_answers, 1);
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn late_answer_goes_to_no_other_call() {
    guarded(|| {
        let (server, client, connection) = connected();
        let late = timed_out(&client, &connection);
        // Another call is in flight when the late answer arrives, and its own answer follows.
        let next = client.get_room_info(2).submit();
        let quest = connection.next();
        assert_ne!(quest.seq(), late.seq());
        connection.send(&wire::answer(late.seq(), &info("too late")));
        connection.send(&wire::answer(quest.seq(), &info("mine")));
        assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("mine"));
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn late_errors_and_late_nonsense_are_dropped_too() {
    guarded(|| {
        let (server, client, connection) = connected();
        let seq = timed_out(&client, &connection).seq();
        connection.send(&wire::error_answer(seq, 200_020, "late"));
        connection.send(&wire::answer_of_bytes(seq, 0, &[0xc1]));
        connection.send(&wire::answer_of_bytes(seq, 1, &[]));
        check_next_call(&client, &connection);
        assert_eq!(client.stats().late_answers, 3);
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn second_answer_to_an_answered_call_is_dropped() {
    guarded(|| {
        let (server, client, connection) = connected();
        let pending = client.get_room_info(1).submit();
        let seq = connection.next().seq();
        connection.send(&wire::answer(seq, &info("first")));
        connection.send(&wire::answer(seq, &info("second")));
        assert_eq!(pending.wait().unwrap().oinfo.as_deref(), Some("first"));
        check_next_call(&client, &connection);
        assert_eq!(client.stats().late_answers, 1);
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn late_answers_reach_no_call() {
    guarded(|| {
        let (server, client, connection) = connected();
        // Long enough for all of them to be sent, even on a busy machine.
        let late: Vec<_> = (0..500).map(|rid| client.get_room_info(rid).timeout(40 * SHORT).submit()).collect();
        let late_quests = connection.take(late.len());
        for pending in late {
            assert!(matches!(pending.wait(), Err(Error::Timeout { .. })));
        }
        let live: Vec<_> = (0..500).map(|rid| client.get_room_members(rid).submit()).collect();
        let live_quests = connection.take(live.len());
        let seqs: HashSet<u32> = late_quests.iter().chain(&live_quests).map(Packet::seq).collect();
        assert_eq!(seqs.len(), 1000, "a number was given out again");
        for (late, live) in late_quests.iter().zip(&live_quests) {
            connection.send(&wire::answer(late.seq(), &wire::map([("uids", Value::Array(vec![(-1).into()]))])));
            let uids = Value::Array(vec![live.int("rid").into()]);
            connection.send(&wire::answer(live.seq(), &wire::map([("uids", uids)])));
        }
        for (rid, pending) in (0..500).zip(live) {
            assert_eq!(pending.wait().unwrap(), [rid]);
        }
        assert_eq!((client.stats().late_answers, server.accepted()), (500, 1));
    });
}

#[test]
fn late_answer_of_an_earlier_connection_meets_a_new_one() {
    guarded(|| {
        let (server, client, connection) = connected();
        let quest = timed_out(&client, &connection);
        connection.close();
        let connection = server.accept();
        let next = client.get_room_info(2).submit();
        let live = connection.next();
        // The number is arbitrary, unless it happens to be the live one.
        if live.seq() != quest.seq() {
            connection.send(&wire::answer(quest.seq(), &info("too late")));
        }
        connection.send(&wire::answer(live.seq(), &info("mine")));
        assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("mine"));
    });
}

#[test]
fn blocking_calls_of_one_thread_never_swap_answers() {
    guarded(|| {
        // Every third answer is held back until the next quest arrives, by which time its call has timed out.
        let held = std::sync::Mutex::new(None::<Vec<u8>>);
        let server = AnsweringServer::with(move |quest| {
            let rid = quest.int("rid");
            let answer = wire::answer(quest.seq(), &wire::map([("uids", Value::Array(vec![rid.into()]))]));
            let mut held = held.lock().unwrap();
            let before = held.take().unwrap_or_default();
            if rid % 3 == 0 {
                *held = Some(answer);
                return Some(before);
            }
            Some([before, answer].concat())
        });
        let client = fixtures::client(server.endpoint());
        for rid in 1..60 {
            let timeout = if rid % 3 == 0 { Duration::from_millis(10) } else { Duration::ZERO };
            match client.get_room_members(rid).timeout(timeout).call() {
                Ok(uids) => assert_eq!(Outcome::Members(uids), Outcome::Members(vec![rid])),
                Err(error) => assert!(rid % 3 == 0 && matches!(error, Error::Timeout { .. }), "{rid}: {error:?}"),
            }
        }
        assert_eq!(server.accepted(), 1);
    });
}
