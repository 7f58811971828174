//! What the client requests from the server, and when.

use std::time::Duration;

use rmpv::Value;
use rtm_server_sdk::{Error, Listen};

use crate::common::fixtures;
use crate::common::pushing::{agree, ids, next_quest, room_push};
use crate::common::scripted::ScriptedServer;
use crate::common::watchdog::guarded;
use crate::common::wire;
use crate::{Pair, ROOM, code, next_mid};

#[test]
fn all_four_kinds_are_named_each_time() {
    guarded(|| {
        let pair = Pair::new();
        let listen = Listen::new().rooms(&[2, 1]).all_groups().event("login");
        let quest = std::thread::scope(|scope| {
            let starting = scope.spawn(|| pair.client.listen(listen).start());
            let quest = agree(&pair.connection);
            drop(starting.join().unwrap().unwrap());
            quest
        });
        assert_eq!(ids(&quest, "rids"), [1, 2]);
        assert_eq!(ids(&quest, "uids"), [] as [i64; 0]);
        assert_eq!(quest.get("group"), Some(Value::from(true)));
        assert_eq!(quest.get("events"), Some(Value::Array(vec!["login".into()])));
        let keys: Vec<String> = quest.params().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["pid", "sign", "salt", "ts", "uids", "group", "rids", "events"]);
    });
}

#[test]
fn union_grows_and_shrinks_with_the_listeners() {
    guarded(|| {
        let pair = Pair::new();
        let one = pair.listen(Listen::new().rooms(&[1, 2]));
        let two = std::thread::scope(|scope| {
            let starting = scope.spawn(|| pair.client.listen(Listen::new().rooms(&[2, 3])).start());
            assert_eq!(ids(&agree(&pair.connection), "rids"), [1, 2, 3]);
            starting.join().unwrap().unwrap()
        });
        drop(one);
        assert_eq!(ids(&agree(&pair.connection), "rids"), [2, 3]);
        drop(two);
        assert_eq!(ids(&agree(&pair.connection), "rids"), [] as [i64; 0]);
    });
}

#[test]
fn listener_covered_by_the_granted_union_needs_no_quest() {
    guarded(|| {
        let pair = Pair::new();
        let _all = pair.listen(Listen::new().all_rooms());
        let _one = pair.client.listen(Listen::new().room(1)).start().unwrap();
    });
}

#[test]
fn refusal_fails_only_its_own_listener() {
    guarded(|| {
        let pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        let error = std::thread::scope(|scope| {
            let starting = scope.spawn(|| pair.client.listen(Listen::new().room(13)).start());
            let quest = next_quest(&pair.connection);
            assert_eq!(ids(&quest, "rids"), [13, ROOM]);
            pair.connection.send(&wire::error_answer(quest.seq(), 200_021, "not yours"));
            starting.join().unwrap().unwrap_err()
        });
        assert!(matches!(&error, Error::Answer(answer) if answer.message() == "not yours"), "{error:?}");
        pair.connection.send(&room_push(1, ROOM, 1));
        assert_eq!(next_mid(&listener), 1);
    });
}

#[test]
fn server_that_does_not_answer_is_waited_for_no_longer_than_the_timeout() {
    guarded(|| {
        let pair = Pair::new();
        let started = std::time::Instant::now();
        let listening = pair.client.listen(Listen::new().room(1)).timeout(Duration::from_millis(50));
        assert_eq!(code(listening.start()), 20_003);
        assert!(started.elapsed() >= Duration::from_millis(50));
    });
}

#[test]
fn listening_connects_by_itself_and_before_any_call() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| client.listen(Listen::new().room(1)).start());
            let connection = server.accept();
            let pending = client.get_room_info(1).submit();
            agree(&connection);
            drop(starting.join().unwrap().unwrap());
            let call = std::iter::repeat_with(|| next_quest(&connection)).find(|quest| quest.method == "getroominfo");
            connection.answer(&call.unwrap());
            pending.wait().unwrap();
        });
    });
}

#[test]
fn every_connection_sends_setlisten_before_any_call() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM).event("login"));
        pair.drop_connection();
        let pending = pair.client.get_room_info(1).submit();
        let quest = next_quest(&pair.connection);
        assert_eq!((&*quest.method, ids(&quest, "rids")), ("setlisten", vec![ROOM]));
        assert!(pair.connection.next_within(Duration::from_millis(50)).is_none(), "calls wait for the answer");
        pair.connection.send(&wire::empty_answer(quest.seq()));
        pair.connection.answer(&next_quest(&pair.connection));
        pending.wait().unwrap();
        pair.connection.send(&room_push(1, ROOM, 1));
        assert_eq!(crate::heard(&listener, 2), ["Reconnected since None", "1"]);
    });
}

#[test]
fn impossible_subscription_is_refused_before_anything_is_sent() {
    guarded(|| {
        let pair = Pair::new();
        assert_eq!(code(pair.client.listen(Listen::new()).start()), 200_034);
        assert_eq!(code(pair.client.listen(Listen::new().rooms(&[])).callback(|_| {})), 200_034);
        assert_eq!(code(pair.client.listen(Listen::new().room(1)).queue(0).start()), 200_034);
        let pending = pair.client.get_room_info(1).submit();
        let quest = next_quest(&pair.connection);
        assert_eq!(quest.method, "getroominfo");
        pair.connection.answer(&quest);
        pending.wait().unwrap();
    });
}

#[test]
fn listening_fails_like_a_call_if_no_server_can_be_reached() {
    guarded(|| {
        let client = fixtures::client("127.0.0.1:1");
        assert_eq!(code(client.listen(Listen::new().room(1)).start()), 20_012);
        let client = fixtures::builder("127.0.0.1:1").auto_connect(false).build().unwrap();
        assert!(matches!(client.listen(Listen::new().room(1)).start(), Err(Error::NotConnected(_))));
        client.close();
        assert!(matches!(client.listen(Listen::new().room(1)).start(), Err(Error::Closed(_))));
    });
}

#[test]
fn many_listeners_that_start_at_once_are_all_granted() {
    guarded(|| {
        let pair = Pair::new();
        let (done, is_done) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            let starting: Vec<_> = (0..64)
                .map(|rid| {
                    let done = done.clone();
                    let client = &pair.client;
                    scope.spawn(move || {
                        let listener = client.listen(Listen::new().room(rid)).start();
                        drop(done);
                        listener.unwrap()
                    })
                })
                .collect();
            drop(done);
            let mut union = Vec::new();
            loop {
                crossbeam_channel::select! {
                    recv(pair.connection.packets()) -> quest => {
                        let quest = quest.unwrap();
                        union = ids(&quest, "rids");
                        pair.connection.send(&wire::empty_answer(quest.seq()));
                    }
                    recv(is_done) -> _ => break,
                }
            }
            assert_eq!(union, (0..64).collect::<Vec<_>>());
            starting.into_iter().for_each(|listener| drop(listener.join().unwrap()));
        });
    });
}
