//! Pushes are delivered in order, once, to every listener that subscribed to them.

use std::time::Duration;

use rtm_server_sdk::{Error, Listen, Push};

use crate::common::pushing::{agree, event_push, next_quest, room_push};
use crate::common::scripted::Connection;
use crate::common::watchdog::guarded;
use crate::common::wire::{self, ANSWER, Packet};
use crate::{Pair, ROOM, heard, next, next_mid};

/// Returns the client's next answer.
fn next_answer(connection: &Connection) -> Packet {
    std::iter::repeat_with(|| connection.next()).find(|packet| packet.mtype == ANSWER).unwrap()
}

#[test]
fn push_is_answered_even_if_nobody_listens() {
    guarded(|| {
        let pair = Pair::new();
        for method in ["pushmsg", "pushgroupmsg", "pushroommsg", "pushevent", "ping"] {
            pair.connection.send(&wire::two_way_quest(7, method, &wire::map([])));
            let answer = next_answer(&pair.connection);
            assert_eq!((answer.seq(), answer.status(), answer.params()), (7, 0, vec![]), "{method}");
        }
        pair.connection.send(&wire::two_way_quest(8, "pushchat", &wire::map([])));
        let answer = next_answer(&pair.connection);
        assert_eq!((answer.seq(), answer.int("code")), (8, 20_004));
    });
}

#[test]
fn push_is_answered_while_the_listener_is_busy() {
    guarded(|| {
        let pair = Pair::new();
        let (release, blocked) = crossbeam_channel::bounded::<()>(0);
        let _guard = pair.callback(Listen::new().room(ROOM), move |_| _ = blocked.recv());
        for mid in 1..=3 {
            pair.connection.send(&room_push(mid as u32, ROOM, mid));
            assert_eq!(next_answer(&pair.connection).seq(), mid as u32);
        }
        drop(release);
    });
}

#[test]
fn each_listener_gets_what_it_subscribed_to_once_and_in_order() {
    guarded(|| {
        let pair = Pair::new();
        let room = pair.listen(Listen::new().room(1));
        let both = pair.listen(Listen::new().rooms(&[1, 2]).event("login"));
        let (mut bytes, mut seq) = (Vec::new(), 0);
        for mid in 1..=500 {
            for rid in [1, 2, 1] {
                seq += 1;
                bytes.extend(room_push(seq, rid, mid));
            }
        }
        bytes.extend(event_push(seq + 1, "login", 1));
        bytes.extend(event_push(seq + 2, "logout", 1));
        bytes.extend(event_push(seq + 3, "login", 2));
        pair.connection.send(&bytes);
        assert_eq!((1..=500).map(|_| next_mid(&room)).collect::<Vec<_>>(), (1..=500).collect::<Vec<_>>());
        let expected: Vec<i64> = (1..=500).flat_map(|mid| [mid, mid]).collect();
        assert_eq!((1..=1000).map(|_| next_mid(&both)).collect::<Vec<_>>(), expected);
        assert_eq!(heard(&both, 2), ["login", "login"]);
        assert!(room.try_recv().unwrap().is_none() && both.try_recv().unwrap().is_none());
        let stats = pair.client.stats();
        assert_eq!((stats.pushes_received, stats.pushes_duplicate, stats.pushes_delivered), (1503, 500, 1502));
    });
}

#[test]
fn broken_push_is_answered_and_harms_nothing() {
    guarded(|| {
        let pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        let broken = wire::map([("from", 1.into()), ("rid", ROOM.into()), ("mid", 1.into()), ("msg", 5.into())]);
        pair.connection.send(&wire::two_way_quest(1, "pushroommsg", &broken));
        assert_eq!(next_answer(&pair.connection).seq(), 1);
        pair.connection.send(&room_push(2, ROOM, 1));
        assert_eq!(next_mid(&listener), 1);
    });
}

#[test]
fn listener_waits_and_polls() {
    guarded(|| {
        let pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        assert!(listener.try_recv().unwrap().is_none());
        assert!(listener.recv_timeout(Duration::from_millis(20)).unwrap().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| listener.recv().unwrap());
            pair.connection.send(&room_push(1, ROOM, 1));
            assert!(matches!(waiting.join().unwrap(), Push::Message(message) if message.mid == 1));
        });
    });
}

#[test]
fn closed_client_ends_its_listeners_after_queued_pushes() {
    guarded(|| {
        let pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        pair.connection.send(&[room_push(1, ROOM, 1), room_push(2, ROOM, 2)].concat());
        assert_eq!(next_answer(&pair.connection).seq(), 1);
        assert_eq!(next_answer(&pair.connection).seq(), 2);
        pair.client.close();
        assert_eq!(listener.iter().count(), 2);
        assert!(matches!(listener.recv(), Err(Error::Closed(_))));
        assert!(matches!(listener.try_recv(), Err(Error::Closed(_))));
        assert!(matches!(listener.recv_timeout(Duration::from_secs(60)), Err(Error::Closed(_))));
    });
}

#[test]
fn last_client_that_is_dropped_wakes_a_waiting_listener() {
    guarded(|| {
        let Pair { server: _server, client, connection: _connection } = {
            let pair = Pair::new();
            let listener = pair.listen(Listen::new().room(ROOM));
            let waiting = std::thread::spawn(move || listener.iter().count());
            let Pair { server, client, connection } = pair;
            drop(client);
            assert_eq!(waiting.join().unwrap(), 0);
            let client = crate::common::fixtures::client(server.endpoint());
            Pair { server, client, connection }
        };
        drop(client);
    });
}

#[test]
fn dropped_listener_gets_nothing_more_and_others_continue() {
    guarded(|| {
        let pair = Pair::new();
        let one = pair.listen(Listen::new().room(1));
        let two = pair.listen(Listen::new().room(2));
        drop(one);
        agree(&pair.connection);
        pair.connection.send(&[room_push(1, 1, 1), room_push(2, 2, 2)].concat());
        assert_eq!(next_mid(&two), 2);
    });
}

#[test]
fn slow_listener_loses_what_does_not_fit_and_gets_a_gap() {
    guarded(|| {
        let pair = Pair::new();
        let slow = pair.start(|listening| listening.queue(10), Listen::new().room(ROOM));
        let quick = pair.client.listen(Listen::new().room(ROOM)).start().unwrap();
        let bytes: Vec<u8> = (1..=1000).flat_map(|mid| room_push(mid as u32, ROOM, mid)).collect();
        pair.connection.send(&bytes);
        assert_eq!((1..=1000).map(|_| next_mid(&quick)).collect::<Vec<_>>(), (1..=1000).collect::<Vec<_>>());
        let pending = pair.client.get_room_info(1).submit();
        let quest = next_quest(&pair.connection);
        pair.connection.answer(&quest);
        pending.wait().unwrap();
        assert_eq!((1..=10).map(|_| next_mid(&slow)).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        let Push::Gap(gap) = next(&slow) else { panic!("no gap") };
        assert_eq!(
            (gap.reason(), gap.missed(), gap.since()),
            (rtm_server_sdk::GapReason::Overflow, Some(990), Some(10))
        );
        assert_eq!((pair.client.stats().pushes_overflowed, pair.client.stats().gaps), (990, 1));
        pair.connection.send(&room_push(1, ROOM, 2000));
        assert_eq!(next_mid(&slow), 2000);
    });
}
