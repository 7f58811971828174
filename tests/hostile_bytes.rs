//! Promise 7: hostile bytes are survived. Whatever the peer sends, no panic and no unbounded memory: the connection is
//! closed, calls in flight fail with an error that says why, and the next call makes a new connection.
//!
//! What they cost in memory is the subject of `memory.rs`; the hostile frames of `vectors/invalid.json` are that of `vectors_invalid.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use rmpv::Value;
use rtm_server_sdk::error::{CloseReason, ProtocolError};
use rtm_server_sdk::{Client, Error, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::eventually;
use common::fixtures::{self, sent_and_timed_out};
use common::proxy::{Direction, Event, Fault, FaultProxy};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::wire::{self, ANSWER, MSGPACK, Packet};

const MIB: usize = 1024 * 1024;

fn eager(server: &ScriptedServer) -> Client {
    fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap()
}

/// Returns the rule that the server broke, from the error of a call that ended with its connection.
fn protocol_error<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ProtocolError {
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), 20_002);
    let Error::ConnectionClosed(closed) = &error else { panic!("{error:?}") };
    let CloseReason::Protocol(reason) = closed.reason() else { panic!("{error:?}") };
    assert!(error.to_string().contains(&reason.to_string()), "`{error}` does not say why");
    reason.clone()
}

fn check_next_call(server: &ScriptedServer, client: &Client) {
    let next = client.get_room_info(2).submit();
    let connection = server.accept();
    connection.answer(&connection.next());
    assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("o"));
}

#[test]
fn every_call_in_flight_gets_the_reason() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending: Vec<_> = (0..50).map(|rid| client.get_room_info(rid).submit()).collect();
        let connection = server.accept();
        connection.take(50);
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        for pending in pending {
            assert_eq!(protocol_error(pending.wait()), ProtocolError::BadMagic(*b"HTTP"));
        }
        connection.wait_closed();
        check_next_call(&server, &client);
    });
}

#[test]
fn one_wrong_byte_is_enough() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        connection.next();
        // No complete header ever arrives.
        connection.send(b"X");
        assert!(matches!(protocol_error(pending.wait()), ProtocolError::BadMagic(_)));
        connection.wait_closed();
        check_next_call(&server, &client);
    });
}

#[test]
fn hostile_bytes_without_a_call_in_flight_are_survived() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        for hostile in [&b"garbage"[..], &wire::raw_frame(MSGPACK, 9, 0, 0, &[]), &[0; 1000], &[0xff; 1000]] {
            client.connect().unwrap();
            let connection = server.accept();
            _ = connection.try_send(hostile);
            connection.wait_closed();
            eventually("the client notices", || !client.is_connected());
        }
        check_next_call(&server, &client);
    });
}

/// Reproducible noise: complete frames, parts of frames, and bytes that are neither.
fn noise(random: &mut fastrand::Rng, live: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..6) {
        let payload: Vec<u8> = (0..random.usize(..60)).map(|_| random.u8(..)).collect();
        let seq = if random.bool() { live } else { random.u32(..) };
        let mut frame = match random.u8(..4) {
            0 => wire::answer_of_bytes(seq, random.u8(..), &payload),
            1 => wire::two_way_quest(seq, "some", &Value::Binary(payload)),
            2 => wire::raw_frame(random.u8(..), random.u8(..4), random.u8(..), random.u32(..200), &payload),
            _ => payload,
        };
        if random.u8(..3) == 0 && !frame.is_empty() {
            let at = random.usize(..frame.len());
            frame[at] ^= 1 << random.u8(..8);
        }
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn noise_is_survived() {
    guarded(|| {
        let mut random = fastrand::Rng::with_seed(20_261_123);
        let server = ScriptedServer::start();
        let client = eager(&server);
        for round in 0..300 {
            let pending = client.get_room_info(1).submit();
            let connection = server.accept();
            let live = connection.next().seq();
            _ = connection.try_send(&noise(&mut random, live));
            connection.half_close();
            // The noise may contain an answer with the right number, which may even be valid.
            match pending.wait() {
                Ok(_) | Err(Error::Answer { .. } | Error::Decode { .. } | Error::ConnectionClosed { .. }) => {}
                Err(error) => panic!("round {round}: {error:?}"),
            }
            connection.wait_closed();
            eventually("the client notices", || !client.is_connected());
        }
        check_next_call(&server, &client);
    });
}

#[test]
fn any_bit_of_an_answer_may_be_turned_over() {
    guarded(|| {
        let server = AnsweringServer::start();
        let len = wire::answer(1, &wire::plausible_result("getroominfo")).len();
        for offset in 0..len {
            let fault = Fault::Flip(Direction::ToClient, offset, (offset % 8) as u8);
            let proxy = FaultProxy::first(server.address(), fault);
            let client = fixtures::builder(proxy.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap();
            let call = || client.get_room_info(1).timeout(Duration::from_millis(50)).call();
            let is_sent = |outcome: &Result<_, Error>| outcome.as_ref().err().is_none_or(Error::may_have_executed);
            let outcome = std::iter::repeat_with(call).find(is_sent).unwrap();
            if let Err(error) = &outcome {
                let expected = matches!(
                    error,
                    Error::Answer(_) | Error::Decode(_) | Error::ConnectionClosed(_) | Error::Timeout(_)
                );
                assert!(expected, "offset {offset}: {error:?}");
            }
            proxy.wait_for(Event::Struck(0));
            // After a header that announces more than there is, the rest of the connection counts as payload, which no
            // client can detect. The client ends this by closing a connection that does not answer.
            if matches!(outcome, Err(Error::Timeout(_))) {
                continue;
            }
            client.get_room_info(1).call().unwrap_or_else(|error| panic!("after offset {offset}: {error:?}"));
        }
    });
}

#[test]
fn payload_over_the_limit_closes_the_connection_by_its_announcement() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client =
            fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).max_payload(1000).build().unwrap();
        // At the limit, it is accepted.
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        let info = "x".repeat(1000 - wire::encode(&wire::map([("oinfo", "".into())])).len() - 2);
        let payload = wire::encode(&wire::map([("oinfo", info.as_str().into())]));
        assert_eq!(payload.len(), 1000);
        connection.send(&wire::answer_of_bytes(connection.next().seq(), 0, &payload));
        assert_eq!(pending.wait().unwrap().oinfo, Some(info));
        // One byte more is refused, although none of its bytes has arrived.
        let pending = client.get_room_info(1).submit();
        let seq = connection.next().seq();
        connection.send(&wire::raw_frame(MSGPACK, ANSWER, 0, 1001, &seq.to_le_bytes()));
        let reason = protocol_error(pending.wait());
        assert_eq!(reason, ProtocolError::PayloadTooLarge { size: 1001, limit: 1000 });
        connection.wait_closed();
        check_next_call(&server, &client);
    });
}

#[test]
fn large_answer_is_read_within_the_limit() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_members(1).submit();
        let connection = server.accept();
        let uids: Vec<Value> = (0..1_000_000_i64).map(|uid| (uid << 20).into()).collect();
        connection.send(&wire::answer(connection.next().seq(), &wire::map([("uids", Value::Array(uids))])));
        let uids = pending.wait().unwrap();
        assert!(uids.len() == 1_000_000 && uids[999_999] == 999_999 << 20);
        let next = client.get_room_info(1).submit();
        connection.answer(&connection.next());
        next.wait().unwrap();
    });
}

#[test]
fn flood_of_one_way_quests_does_not_stop_calls() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        let live = connection.next();
        let push = wire::one_way_quest("pushroommsg", &wire::map([("msg", "x".repeat(200).into())]));
        connection.flood(&push, 16 * MIB);
        connection.answer(&live);
        pending.wait().unwrap();
        assert!(client.stats().quests_from_server > 10_000);
        let next = client.get_room_info(1).submit();
        connection.answer(&connection.next());
        next.wait().unwrap();
    });
}

#[test]
fn connection_that_is_never_quiet_still_lets_calls_out() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        client.connect().unwrap();
        let connection = std::sync::Arc::new(server.accept());
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (theirs, stopping) = (std::sync::Arc::clone(&connection), std::sync::Arc::clone(&stop));
        let noise = std::thread::spawn(move || {
            let push = wire::one_way_quest("pushroommsg", &wire::map([("msg", "x".into())])).repeat(1000);
            while !stopping.load(std::sync::atomic::Ordering::SeqCst) && theirs.try_send(&push).is_ok() {}
        });
        for _ in 0..5 {
            // Not answered, because the answer could land in the middle of a frame.
            sent_and_timed_out(|| client.get_room_info(1).timeout(Duration::from_millis(500)).call());
            assert_eq!(connection.next().method, "getroominfo");
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        noise.join().unwrap();
    });
}

#[test]
fn errors_with_endless_texts_are_read() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        let text = "é".repeat(2 * MIB);
        connection.send(&wire::error_answer(connection.next().seq(), 1, &text));
        let Err(Error::Answer(error)) = pending.wait() else { panic!("an error answer") };
        assert!(error.message() == text);
    });
}

#[test]
fn quests_with_odd_methods_are_answered() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = eager(&server);
        client.connect().unwrap();
        let connection = server.accept();
        for method in [&[][..], &[0xff, 0xfe], &[0; 255], &[b'%'; 255], b"\x1b[31m"] {
            let rest = [&9_u32.to_le_bytes()[..], method, &[0x80]].concat();
            connection.send(&wire::raw_frame(MSGPACK, wire::TWO_WAY, method.len() as u8, 1, &rest));
            let answer: Packet = connection.next();
            assert_eq!((answer.mtype, answer.seq(), answer.int("code")), (ANSWER, 9, 20_004));
        }
        assert!(client.is_connected());
    });
}

#[test]
fn answer_of_a_dropped_pending_that_cannot_be_read_is_counted() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).connect().unwrap();
        let connection = server.accept();
        let unreadable = |seq| wire::answer_of_bytes(seq, 0, &[0xc1]);
        drop(client.get_room_info(1).submit());
        connection.send(&unreadable(connection.next().seq()));
        eventually("the answer that came after the drop is counted", || client.stats().undecodable == 1);

        let there = client.get_room_info(1).submit();
        connection.send(&unreadable(connection.next().seq()));
        eventually("the answer is there", || client.stats().in_flight == 0);
        let behind = client.add_room_member(1, 1).submit();
        connection.answer(&connection.next());
        behind.wait().unwrap();
        drop(there);
        assert_eq!(client.stats().undecodable, 2);

        drop(client.get_room_info(1).submit());
        connection.answer(&connection.next());
        eventually("the last answer is there", || client.stats().in_flight == 0);
        assert_eq!(client.stats().undecodable, 2);
    });
}
