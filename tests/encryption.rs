//! Encrypted sessions, from the client's API to the gate and back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use rtm_server_sdk::error::{ConnectCause, Stage};
use rtm_server_sdk::gate::{Curve, Gate, GateBuilder, GateKey};
use rtm_server_sdk::{CipherMode, Client, ClientBuilder, Encryption, Error, KeepAlive, KeyBits, ReconnectPolicy};

use common::fixtures::{self, PID, SECRET};
use common::proxy::{Direction, Fault, FaultProxy};
use common::watchdog::{guarded, guarded_for};
use common::{PATIENCE, SOON, eventually, receive};

use Direction::{ToClient, ToServer};

const WAIT: Duration = Duration::from_millis(30);

fn gate() -> GateBuilder {
    Gate::builder().project(PID, SECRET)
}

fn encryption(key: &GateKey) -> Encryption {
    Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap()
}

/// A client that detects a dead server soon, and reconnects at once.
fn builder(endpoint: &str, encryption: &Encryption) -> ClientBuilder {
    fixtures::builder(endpoint)
        .encryption(encryption.clone())
        .connect_timeout(40 * WAIT)
        .keep_alive(KeepAlive::default().interval(10 * WAIT).timeout(10 * WAIT).tries(2))
        .reconnect(ReconnectPolicy::never())
}

fn run_the_nine_functions(client: &Client) -> Result<(), Error> {
    client.add_room_member(42, 1001).call()?;
    client.add_room_member(42, 1002).call()?;
    client.delete_room_member(42, 1002).call()?;
    assert_eq!(client.get_room_members(42).call()?, [1001]);
    assert_eq!(client.get_room_count(&[42, 43]).call()?[&42], 1);
    client.set_room_info(42, Some(&"public ".repeat(1000)), Some("private")).call()?;
    assert_eq!(client.get_room_info(42).call()?.oinfo.unwrap().len(), 7000);
    client.add_room_ban(None, 1001, None).call()?;
    assert!(client.is_ban_of_room(42, 1001).call()?);
    client.remove_room_ban(None, 1001).call()?;
    assert!(!client.is_ban_of_room(42, 1001).call()?);
    Ok(())
}

#[test]
fn every_curve_key_size_and_mode_runs_the_nine_functions_and_a_reconnect() {
    guarded(|| {
        for curve in Curve::ALL {
            let key = GateKey::generate(curve).unwrap();
            for (bits, mode) in [KeyBits::Aes128, KeyBits::Aes256]
                .into_iter()
                .flat_map(|bits| [(bits, CipherMode::Stream), (bits, CipherMode::Package)])
            {
                let first = gate().key(key.clone()).bind("127.0.0.1:0").unwrap();
                let endpoint = first.endpoint().to_owned();
                let (sender, closed) = unbounded();
                let client = fixtures::builder(endpoint.clone())
                    .encryption(encryption(&key).key_bits(bits).mode(mode))
                    .on_closed(move |_, _| _ = sender.send(()))
                    .connect()
                    .unwrap();
                run_the_nine_functions(&client).unwrap();

                drop(first);
                receive(&closed, "the end of the connection");
                let _second = gate().key(key.clone()).bind(&endpoint).unwrap();
                client.connect().unwrap();
                run_the_nine_functions(&client).unwrap();
            }
        }
    });
}

#[test]
fn plain_and_encrypted_clients_share_a_port() {
    guarded(|| {
        let key = GateKey::generate(Curve::Secp256r1).unwrap();
        let gate = gate().key(key.clone()).bind("127.0.0.1:0").unwrap();
        let plain = fixtures::client(gate.endpoint());
        let encrypted = fixtures::builder(gate.endpoint()).encryption(encryption(&key)).build().unwrap();
        plain.add_room_member(1, 7).call().unwrap();
        assert_eq!(encrypted.get_room_members(1).call().unwrap(), [7]);
    });
}

#[test]
fn gate_that_requires_encryption_turns_plain_clients_away() {
    guarded(|| {
        let key = GateKey::generate(Curve::Secp256k1).unwrap();
        let gate = gate().key(key.clone()).require_encryption().bind("127.0.0.1:0").unwrap();
        let plain = fixtures::client(gate.endpoint());
        assert!(matches!(plain.get_room_info(1).call(), Err(Error::ConnectionClosed(_))));
        let encrypted = fixtures::builder(gate.endpoint()).encryption(encryption(&key)).build().unwrap();
        run_the_nine_functions(&encrypted).unwrap();
    });
}

#[test]
fn wrong_server_key_fails_the_connection_and_says_so() {
    guarded(|| {
        let gate = gate().key(GateKey::generate(Curve::Secp256k1).unwrap()).bind("127.0.0.1:0").unwrap();
        let stranger = GateKey::generate(Curve::Secp256k1).unwrap();
        for mode in [CipherMode::Stream, CipherMode::Package] {
            let client = builder(gate.endpoint(), &encryption(&stranger).mode(mode)).build().unwrap();
            let error = client.get_room_info(1).call().unwrap_err();
            assert!(matches!(&error, Error::Connect(_)), "{error:?}");
            assert!(error.to_string().contains("key"), "{error}");
            assert!(!error.may_have_executed());
        }
    });
}

#[test]
fn server_that_refuses_the_key_exchange_fails_the_connection() {
    guarded(|| {
        // A gate without a key closes the connection, as the reference server does.
        let gate = gate().bind("127.0.0.1:0").unwrap();
        let key = GateKey::generate(Curve::Secp224r1).unwrap();
        let client = builder(gate.endpoint(), &encryption(&key)).build().unwrap();
        let Err(Error::Connect(error)) = client.connect() else { panic!("connected without a key") };
        assert!(matches!(error.cause(), ConnectCause::KeyExchange(_)), "{error}");
    });
}

#[test]
fn nothing_but_the_key_exchange_leaves_before_the_session_is_keyed() {
    guarded(|| {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let key = GateKey::generate(Curve::Secp256k1).unwrap();
        let client = builder(&silent.local_addr().unwrap().to_string(), &encryption(&key))
            .connect_timeout(2 * PATIENCE)
            .build()
            .unwrap();
        let is_in_key_exchange =
            |error: &Error| matches!(error, Error::Timeout(error) if error.stage() == Stage::KeyExchange);
        eventually("calls wait for the key exchange", || {
            is_in_key_exchange(&client.add_room_member(1, 0).timeout(WAIT).call().unwrap_err())
        });
        let calls: Vec<_> = (0..10).map(|uid| client.add_room_member(1, uid).timeout(5 * WAIT).submit()).collect();
        let (mut connection, _) = silent.accept().unwrap();
        for call in calls {
            let error = call.wait().unwrap_err();
            assert!(is_in_key_exchange(&error), "{error}");
            assert!(!error.may_have_executed());
        }
        drop(client);
        let mut received = Vec::new();
        // A reset after the bytes is as good as a clean end.
        let _ = connection.read_to_end(&mut received);
        let payload_len = u32::from_le_bytes(received[8..12].try_into().unwrap()) as usize;
        assert_eq!(&received[16..20], b"*key");
        assert_eq!(received.len(), 20 + payload_len, "one frame and no more");
    });
}

#[test]
fn every_fault_over_an_encrypted_session_ends_in_time_and_the_next_call_works() {
    let faults = [
        (Fault::None, true),
        (Fault::Delay(ToServer, WAIT), true),
        (Fault::Delay(ToClient, WAIT), true),
        (Fault::Split(ToServer, 1), true),
        (Fault::Split(ToClient, 1), true),
        (Fault::CloseAtOnce, false),
        (Fault::ResetAtOnce, false),
        (Fault::Cut(ToServer, 1), false),
        (Fault::Cut(ToServer, 60), false),
        (Fault::Cut(ToServer, 150), false),
        (Fault::Cut(ToClient, 1), false),
        (Fault::Cut(ToClient, 16), false),
        (Fault::Reset(ToServer, 1), false),
        (Fault::Reset(ToClient, 16), false),
        (Fault::Stall(ToServer, 0), false),
        (Fault::Stall(ToServer, 60), false),
        (Fault::Stall(ToClient, 0), false),
        (Fault::Stall(ToClient, 16), false),
        (Fault::RepeatBytes(ToClient, 0, 8), false),
        (Fault::RepeatBytes(ToServer, 0, 8), false),
    ];
    guarded(move || {
        let key = GateKey::generate(Curve::Secp256k1).unwrap();
        let gate = gate().key(key.clone()).bind("127.0.0.1:0").unwrap();
        let mut done = 0;
        for mode in [CipherMode::Stream, CipherMode::Package] {
            for (fault, is_harmless) in faults {
                let what = format!("{fault:?}, {mode:?}");
                let proxy = FaultProxy::first(gate.local_addr(), fault);
                let client = builder(&proxy.endpoint(), &encryption(&key).mode(mode)).build().unwrap();
                let started = Instant::now();
                let outcome = client.add_room_member(1, done).call();
                assert!(started.elapsed() < SOON, "{what} took {:?}", started.elapsed());
                assert_eq!(outcome.is_ok(), is_harmless, "{what}: {outcome:?}");
                done += 1;
                let again = client.add_room_member(1, done).call();
                assert!(again.is_ok(), "the call after {what}: {again:?}");
                done += 1;
            }
        }
    });
}

#[test]
fn flipped_bit_is_never_mistaken_for_another_answer() {
    guarded_for(Duration::from_secs(100), || {
        let key = GateKey::generate(Curve::Secp256k1).unwrap();
        let gate = gate().key(key.clone()).bind("127.0.0.1:0").unwrap();
        for (mode, session_len) in [(CipherMode::Stream, 34), (CipherMode::Package, 42)] {
            for offset in 0..session_len {
                for bit in [offset % 8, (offset + 3) % 8] {
                    // A flipped length makes the client wait for bytes that never arrive, but only for few and not for
                    // long.
                    let proxy = FaultProxy::first(gate.local_addr(), Fault::Flip(ToClient, offset, bit as u8));
                    let builder = builder(&proxy.endpoint(), &encryption(&key).mode(mode))
                        .connect_timeout(5 * WAIT)
                        .max_payload(1024);
                    let client = builder.build().unwrap();
                    let before = gate.stats().executed("addroommember");
                    let outcome = client.add_room_member(1, 1).timeout(5 * WAIT).call();
                    let executed = gate.stats().executed("addroommember") - before;
                    let what = format!("bit {bit} of byte {offset}, {mode:?}: {outcome:?}");
                    match &outcome {
                        Ok(()) => assert_eq!(executed, 1, "{what}"),
                        Err(error) => assert!(executed == 0 || error.may_have_executed(), "{what}"),
                    }
                    // A flipped length swallows the answers of a few more calls before it is noticed.
                    let next = || client.get_room_members(1).timeout(3 * WAIT).call().is_ok();
                    assert!((0..50).any(|_| next()), "the calls after {what}");
                }
            }
        }
    });
}
