//! Both sides send quests on one connection: the server's quests are answered and do not disturb calls.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use rmpv::Value;
use rtm_server_sdk::{Error, KeepAlive, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::fixtures::{self, connected};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::wire::{self, ANSWER, MSGPACK};
use common::{PATIENCE, eventually};

#[test]
fn ping_of_the_server_is_answered() {
    guarded(|| {
        let (_server, _client, connection) = connected();
        for (seq, method) in [(0, "ping"), (7, "*ping"), (u32::MAX, "ping")] {
            connection.send(&wire::two_way_quest(seq, method, &wire::map([])));
            let answer = connection.next();
            assert_eq!((answer.mtype, answer.flag, answer.seq(), answer.status()), (ANSWER, MSGPACK, seq, 0));
            assert_eq!(answer.params(), []);
        }
    });
}

#[test]
fn unknown_quest_is_answered_with_an_error() {
    guarded(|| {
        let (_server, client, connection) = connected();
        connection.send(&wire::two_way_quest(5, "nosuchmethod", &wire::map([("a", 1.into())])));
        let answer = connection.next();
        assert_eq!((answer.mtype, answer.seq(), answer.int("code")), (ANSWER, 5, 20_004));
        assert_ne!(answer.status(), 0);
        assert!(matches!(answer.get("ex"), Some(Value::String(_))));
        assert!(client.is_connected());
    });
}

#[test]
fn one_way_quest_gets_no_answer() {
    guarded(|| {
        let (_server, client, connection) = connected();
        connection.send(&wire::one_way_quest("ping", &wire::map([])));
        connection.send(&wire::one_way_quest("pushroommsg", &wire::map([("msg", "hello".into())])));
        // Answers arrive in order, so nothing was sent before this one.
        connection.send(&wire::two_way_quest(9, "ping", &wire::map([])));
        assert_eq!(connection.next().seq(), 9);
        assert_eq!(client.stats().quests_from_server, 3);
    });
}

#[test]
fn quest_with_the_number_of_a_pending_call_does_not_end_it() {
    guarded(|| {
        let (_server, client, connection) = connected();
        let pending = client.get_room_info(1).submit();
        let quest = connection.next();
        connection.send(&wire::two_way_quest(quest.seq(), "ping", &wire::map([("oinfo", "not this".into())])));
        let answer = connection.next();
        assert_eq!((answer.mtype, answer.seq()), (ANSWER, quest.seq()));
        connection.answer(&quest);
        assert_eq!(pending.wait().unwrap().oinfo.as_deref(), Some("o"));
    });
}

#[test]
fn quests_and_answers_mix_in_both_directions() {
    guarded(|| {
        let (_server, client, connection) = connected();
        let pending: Vec<_> = (0..200).map(|rid| client.get_room_info(rid).submit()).collect();
        let mut answered = 0;
        for seq in 0..200 {
            connection.send(&wire::two_way_quest(seq, "ping", &wire::map([])));
        }
        let mut pings = 0;
        while answered < 200 || pings < 200 {
            let packet = connection.next();
            if packet.mtype == ANSWER {
                pings += 1;
            } else {
                connection.answer(&packet);
                answered += 1;
            }
        }
        pending.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    });
}

fn brisk() -> KeepAlive {
    KeepAlive::default().interval(Duration::from_millis(50)).timeout(Duration::from_millis(50)).tries(3)
}

#[test]
fn silent_server_is_pinged_and_kept() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).keep_alive(brisk().timeout(PATIENCE)).connect().unwrap();
        let connection = server.accept();
        for _ in 0..5 {
            let ping = connection.next();
            assert_eq!((&ping.method[..], ping.mtype), ("*ping", wire::TWO_WAY));
            assert_eq!(ping.params(), []);
            connection.send(&wire::answer(ping.seq(), &wire::map([("ts", 1_700_000_000_000_i64.into())])));
        }
        assert!(client.is_connected());
        assert_eq!(client.stats().late_answers, 0, "the answer to a ping is no late answer");
    });
}

#[test]
fn dead_server_is_detected_and_the_error_says_so() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).keep_alive(brisk()).build().unwrap();
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        let error = pending.wait().unwrap_err();
        let Error::ConnectionClosed(closed) = &error else { panic!("{error:?}") };
        let reason = closed.reason();
        assert!(matches!(reason, rtm_server_sdk::error::CloseReason::KeepAlive(_)), "{reason:?}");
        connection.wait_closed();
        let methods: Vec<_> = connection.packets().try_iter().map(|packet| packet.method).collect();
        assert_eq!(methods, ["getroominfo", "*ping", "*ping", "*ping"]);
        eventually("the client notices", || client.stats().failed_closed == 1);
    });
}

/// The client stops reading at the first answer that is not taken.
#[test]
fn silence_of_a_client_that_does_not_read_is_not_its_servers() {
    guarded(|| {
        let server = AnsweringServer::with(|quest| {
            let result = match quest.method.as_str() {
                "getroominfo" => wire::map([("oinfo", "x".repeat(1_000).into())]),
                other => wire::plausible_result(other),
            };
            Some(wire::answer(quest.seq(), &result))
        });
        let builder = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never());
        let client = builder.keep_alive(brisk()).max_undelivered(1).build().unwrap();
        // On a busy machine, the client may give up on the server before it answers, and reconnect.
        let untaken = loop {
            let pending = client.get_room_info(1).submit();
            eventually("the call has ended", || client.stats().in_flight == 0);
            if client.is_connected() {
                break pending;
            }
        };
        let connections = client.stats().connections;
        // Several times as long as a silent server gets.
        let behind = client.add_room_member(1, 1).timeout(Duration::from_secs(1)).call();
        assert!(matches!(behind, Err(Error::Timeout(_))), "{behind:?}");
        assert!(client.is_connected());
        assert_eq!(untaken.wait().unwrap().oinfo.map(|info| info.len()), Some(1_000));
        assert_eq!(client.stats().connections, connections);
    });
}

#[test]
fn disabled_keep_alive_sends_nothing() {
    guarded(|| {
        let server = ScriptedServer::start();
        let keep_alive = KeepAlive::disabled().interval(Duration::from_millis(1));
        let _client = fixtures::builder(server.endpoint()).keep_alive(keep_alive).connect().unwrap();
        assert_eq!(server.accept().next_within(Duration::from_millis(100)), None);
    });
}
