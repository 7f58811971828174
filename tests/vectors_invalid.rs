//! Every invalid frame is refused: the call that it ends gets an error soon, and the next call works.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::error::Error as _;
use std::time::Instant;

use rtm_server_sdk::Error;
use rtm_server_sdk::error::CloseReason;

use common::SOON;
use common::fixtures::{self, Arguments, Outcome, Waiting};
use common::scripted::{Connection, ScriptedServer};
use common::vectors::{self, Invalid, Scope};
use common::watchdog::guarded;
use common::wire::{self, ANSWER, ONE_WAY, Packet};

/// The bytes of a vector for a call that waits with the number `live`. Other numbers keep their distance to it.
fn frame_for(vector: &Invalid, live: u32) -> Vec<u8> {
    let bytes = vector.frame.bytes();
    let Some(seq) = bytes.get(12..16).filter(|_| bytes[6] != ONE_WAY) else { return bytes };
    let seq = u32::from_le_bytes(seq.try_into().unwrap());
    let pending = vector.pending_seq;
    if seq == pending {
        return wire::with_seq(&bytes, live);
    }
    let moved = match seq {
        _ if seq == pending + 1 => live.wrapping_add(1),
        _ if seq == pending - 1 => live.wrapping_sub(1),
        _ if seq == pending.swap_bytes() => live.swap_bytes(),
        _ if seq == pending ^ 1 << 31 => live ^ 1 << 31,
        _ => seq,
    };
    wire::with_seq(&bytes, if moved == live { live.wrapping_add(0x5555) } else { moved })
}

fn of(scope: Scope) -> Vec<Invalid> {
    vectors::invalid().into_iter().filter(|vector| vector.expected.scope == scope).collect()
}

/// Returns the next quest, and skips the client's answers to the server's own quests.
fn next_quest(connection: &Connection) -> Packet {
    loop {
        let packet = connection.next();
        if packet.mtype != ANSWER {
            return packet;
        }
    }
}

fn pending_call(server: &ScriptedServer, vector: &Invalid) -> (rtm_server_sdk::Client, Waiting, Connection, u32) {
    let client = fixtures::client(server.endpoint());
    let waiting = fixtures::submit(&client, &vector.function, &Arguments::default());
    let connection = server.accept();
    let live = connection.next().seq();
    (client, waiting, connection, live)
}

#[test]
fn broken_framing_closes_the_connection_with_a_reason() {
    guarded(|| {
        let server = ScriptedServer::start();
        let vectors = of(Scope::Connection);
        assert_eq!(vectors.len(), 24);
        for vector in &vectors {
            let name = &vector.name;
            let (client, waiting, connection, live) = pending_call(&server, vector);
            let started = Instant::now();
            connection.send(&frame_for(vector, live));
            let error = waiting().expect_err(name);
            assert!(started.elapsed() < SOON, "{name} took {:?}", started.elapsed());
            connection.wait_closed();

            assert_eq!(error.code(), 20_002, "{name}: {error}");
            assert!(error.may_have_executed(), "{name}");
            let Error::ConnectionClosed(closed) = &error else { panic!("{name}: {error:?}") };
            let CloseReason::Protocol(reason) = closed.reason() else { panic!("{name}: {error:?}") };
            assert!(error.to_string().contains(&reason.to_string()), "{name}: `{error}` does not say why");
            assert!(error.source().is_none(), "{name}: its text has said why");

            let next = fixtures::submit(&client, &vector.function, &Arguments::default());
            let connection = server.accept();
            connection.answer(&connection.next());
            assert!(next().is_ok(), "after {name}");
            // Dropped before its connection ends, so that it does not reconnect for the next vector.
            client.close();
        }
    });
}

#[test]
fn answer_without_sense_ends_its_call_and_nothing_else() {
    guarded(|| {
        let server = ScriptedServer::start();
        let vectors = of(Scope::Quest);
        assert_eq!(vectors.len(), 116);
        let client = fixtures::client(server.endpoint());
        client.connect().unwrap();
        let connection = server.accept();
        for vector in &vectors {
            let name = &vector.name;
            let waiting = fixtures::submit(&client, &vector.function, &Arguments::default());
            // A second call is in flight, which the bad answer must not affect.
            let other = client.get_room_info(1).submit();
            let (quest, other_quest) = (connection.next(), connection.next());
            let started = Instant::now();
            connection.send(&frame_for(vector, quest.seq()));
            match waiting() {
                Ok(_) => assert!(vector.optional, "{name} was taken for a good answer"),
                Err(error @ Error::Decode { .. }) => {
                    assert_eq!(error.code(), 20_006, "{name}");
                    assert!(error.may_have_executed(), "{name}");
                }
                Err(error) => panic!("{name} came out as {error:?}"),
            }
            assert!(started.elapsed() < SOON, "{name} took {:?}", started.elapsed());
            connection.answer(&other_quest);
            assert_eq!(other.wait().unwrap().oinfo.as_deref(), Some("o"), "{name}");
        }
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn frame_that_nobody_waits_for_leaves_the_pending_call_alone() {
    guarded(|| {
        let server = ScriptedServer::start();
        let vectors = of(Scope::Frame);
        assert_eq!(vectors.len(), 15);
        for vector in &vectors {
            let name = &vector.name;
            let (client, waiting, connection, live) = pending_call(&server, vector);
            connection.send(&frame_for(vector, live));
            let good = wire::map([("oinfo", "the real one".into())]);
            connection.send(&wire::answer(live, &good));
            let real = Outcome::Info { oinfo: Some("the real one".into()), pinfo: None };
            assert_eq!(waiting().expect(name), real, "{name}");

            let next = fixtures::submit(&client, &vector.function, &Arguments::default());
            connection.answer(&next_quest(&connection));
            assert!(next().is_ok(), "after {name}");
            // Dropped before its connection ends, so that it does not reconnect for the next vector.
            client.close();
        }
        assert_eq!(server.accepted(), vectors.len());
    });
}
