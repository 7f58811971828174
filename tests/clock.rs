//! A machine with a wrong clock: after a call is refused because of its time stamp, the client signs with the server's
//! time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rmpv::Value;
use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, Error, ErrorCode, Listen, Push, Retry};

use common::answering::AnsweringServer;
use common::fixtures::{self, PID, SECRET};
use common::watchdog::{guarded, waiting_for};
use common::wire::{self, Packet, map};

const ROOM: i64 = 42;
/// More than the gate tolerates.
const OFF_BY: Duration = Duration::from_secs(90);
const REFUSED: i64 = 200_008;

/// The refusal of a time stamp, and whether a retry helps.
fn retry_of<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Retry {
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RTM_EC_INVALID_SERVER_TIME, "{error}");
    error.retry()
}

/// A gate whose clock is ahead of this machine's.
fn gate_ahead() -> Gate {
    let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
    gate.advance(OFF_BY);
    gate
}

/// A server whose clock is behind this machine's, and that refuses quests signed with any other time. It answers pings
/// with what `pong` makes of its time.
fn server_behind(pong: impl Fn(i64) -> Value + Send + Sync + 'static) -> AnsweringServer {
    AnsweringServer::with(move |quest| {
        let server_ms = unix_ms() - i64::try_from(OFF_BY.as_millis()).unwrap();
        if quest.method == "*ping" {
            return Some(wire::answer(quest.seq(), &pong(server_ms)));
        }
        Some(answer_if_signed_at(quest, server_ms))
    })
}

fn answer_if_signed_at(quest: &Packet, server_ms: i64) -> Vec<u8> {
    if (quest.int("ts") - server_ms / 1000).abs() <= 60 {
        wire::answer(quest.seq(), &wire::plausible_result(&quest.method))
    } else {
        wire::error_answer(quest.seq(), REFUSED, "Invalid server time")
    }
}

fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

#[test]
fn first_call_is_refused_and_the_next_one_passes() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        assert_eq!(retry_of(client.add_room_member(ROOM, 1001).call()), Retry::Now);
        client.add_room_member(ROOM, 1001).call().unwrap();
        assert_eq!(client.get_room_members(ROOM).call().unwrap(), [1001]);
    });
}

#[test]
fn clock_that_is_ahead_is_corrected_too() {
    guarded(|| {
        let server = server_behind(|ms| map([("ts", ms.into())]));
        let client = fixtures::client(server.endpoint());
        assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Now);
        client.get_room_members(ROOM).call().unwrap();
    });
}

#[test]
fn every_call_in_flight_learns_that_a_retry_helps() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        let calls: Vec<_> = (0..500).map(|uid| client.add_room_member(ROOM, uid).submit()).collect();
        for call in calls {
            // Calls submitted late may already have been signed with the server's time.
            match call.wait() {
                Ok(()) => {}
                refused => assert_eq!(retry_of(refused), Retry::Now),
            }
        }
        client.get_room_members(ROOM).call().unwrap();
    });
}

#[test]
fn callback_that_tries_again_at_once_is_signed_with_the_servers_time() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        let (sender, outcomes) = crossbeam_channel::unbounded();
        let again = client.clone();
        client.add_room_member(ROOM, 1001).callback(move |outcome| {
            assert_eq!(retry_of(outcome), Retry::Now);
            again.add_room_member(ROOM, 1001).callback(fixtures::into(&sender));
        });
        common::receive(&outcomes, "the second callback").unwrap();
    });
}

#[test]
fn correction_outlives_its_connection() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Now);
        gate.disconnect_all();
        client.get_room_members(ROOM).wait_for_ready(true).call().unwrap();
    });
}

#[test]
fn clock_that_goes_off_again_is_corrected_again() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Now);
        gate.advance(OFF_BY);
        assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Now);
        client.get_room_members(ROOM).call().unwrap();
    });
}

#[test]
fn client_that_does_not_correct_stays_refused() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::builder(gate.endpoint()).correct_clock(false).build().unwrap();
        for _ in 0..3 {
            assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Never);
        }
        assert!(client.listen(Listen::new().room(ROOM)).start().is_err());
    });
}

#[test]
fn server_that_tells_no_time_or_nonsense_changes_nothing() {
    guarded(|| {
        let nonsense: [fn(i64) -> Value; 6] = [
            |_| map([]),
            |ms| map([("time", ms.into())]),
            |_| map([("ts", "noon".into())]),
            |_| map([("ts", Value::Nil)]),
            |ms| map([("ts", (ms / 1000).into())]),
            |_| map([("ts", (-1).into())]),
        ];
        for pong in nonsense {
            let server = server_behind(pong);
            let client = fixtures::client(server.endpoint());
            for _ in 0..2 {
                assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Never);
            }
            let asked = server.received().iter().filter(|quest| quest.method == "*ping").count();
            assert_eq!(asked, 2, "once a refusal");
        }
    });
}

#[test]
fn server_whose_clock_agrees_changes_nothing() {
    guarded(|| {
        let server = AnsweringServer::with(|quest| match quest.method.as_str() {
            "*ping" => Some(wire::answer(quest.seq(), &map([("ts", unix_ms().into())]))),
            _ => Some(wire::error_answer(quest.seq(), REFUSED, "Invalid server time")),
        });
        let client = fixtures::client(server.endpoint());
        assert_eq!(retry_of(client.get_room_members(ROOM).call()), Retry::Never);
    });
}

#[test]
fn refused_call_ends_in_time_even_if_pings_are_not_answered() {
    guarded(|| {
        let server = AnsweringServer::with(|quest| {
            (quest.method != "*ping").then(|| wire::error_answer(quest.seq(), REFUSED, "Invalid server time"))
        });
        let client = fixtures::client(server.endpoint());
        let call = || client.get_room_members(ROOM).timeout(Duration::from_millis(200)).call();
        let _note = waiting_for("a refusal that comes in time, for a loaded machine may hold it up");
        let in_time = std::iter::repeat_with(call).find(|outcome| !matches!(outcome, Err(Error::Timeout(_))));
        assert_eq!(retry_of(in_time.unwrap()), Retry::Never);
    });
}

#[test]
fn listening_works_with_a_wrong_clock() {
    guarded(|| {
        let gate = gate_ahead();
        let client = fixtures::client(gate.endpoint());
        let listener = client.listen(Listen::new().event("login")).start().unwrap();
        gate.push_event("login", 1001);
        assert!(matches!(listener.recv().unwrap(), Push::Event(event) if event.uid == 1001));
        // The clock becomes wrong once more, unnoticed by the listener.
        gate.advance(OFF_BY);
        let second = client.listen(Listen::new().event("logout")).start().unwrap();
        gate.push_event("logout", 1002);
        assert!(matches!(second.recv().unwrap(), Push::Event(event) if event.uid == 1002));
    });
}

#[test]
fn first_quest_after_a_correction_carries_the_servers_time() {
    guarded(|| {
        let ahead = i64::try_from(OFF_BY.as_millis()).unwrap();
        let stamps = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(AtomicI64::new(0));
        let (log, pings) = (Arc::clone(&stamps), Arc::clone(&asked));
        let server = AnsweringServer::with(move |quest| {
            let server_ms = unix_ms() + ahead;
            if quest.method == "*ping" {
                pings.fetch_add(1, Ordering::SeqCst);
                return Some(wire::answer(quest.seq(), &map([("ts", server_ms.into())])));
            }
            log.lock().unwrap().push(server_ms / 1000 - quest.int("ts"));
            Some(answer_if_signed_at(quest, server_ms))
        });
        let client: Client = fixtures::client(server.endpoint());
        let outcomes: Vec<_> = (0..3).map(|_| client.get_room_members(ROOM).call().is_ok()).collect();
        assert_eq!((outcomes, asked.load(Ordering::SeqCst)), (vec![false, true, true], 1));
        let stamps = stamps.lock().unwrap();
        assert!((89..=95).contains(&stamps[0]), "{stamps:?}");
        assert!(stamps[1..].iter().all(|late_by| (-1..=5).contains(late_by)), "{stamps:?}");
    });
}
