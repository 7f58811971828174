//! What peers can make a gate hold, with limits that tests can reach.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::gate::connections::Limits;
use crate::gate::{Gate, GateBuilder};

const WATCHDOG: Duration = Duration::from_secs(60);

fn gate_with(limits: Limits) -> Gate {
    let builder: GateBuilder = Gate::builder().project(super::PID, super::SECRET);
    builder.limits(limits).bind("127.0.0.1:0").unwrap()
}

fn connect(gate: &Gate) -> TcpStream {
    let stream = TcpStream::connect(gate.local_addr()).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// Waits for the gate to close the connection without sending anything.
#[track_caller]
fn assert_closed(mut stream: TcpStream) {
    match stream.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        // There were bytes in transit.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < WATCHDOG, "it never came to be so");
        std::thread::yield_now();
    }
}

/// The first `len` bytes of a packet of 8 MiB.
fn unfinished_packet(len: usize) -> Vec<u8> {
    let payload = 8 * 1024 * 1024 - 12 - 4 - 5_u32;
    let mut packet = b"FPNN\x01\x80\x01\x05".to_vec();
    packet.extend(payload.to_le_bytes());
    packet.resize(len, 7);
    packet
}

#[test]
fn connection_over_the_limit_is_closed_until_another_ends() {
    let gate = gate_with(Limits { connections: 2, ..Limits::default() });
    let first = connect(&gate);
    let _second = connect(&gate);
    wait_until(|| gate.stats().connections_open == 2);
    assert_closed(connect(&gate));
    assert_eq!(gate.stats().connections_accepted, 2);
    drop(first);
    wait_until(|| gate.stats().connections_open == 1);
    let _third = connect(&gate);
    wait_until(|| gate.stats().connections_accepted == 3);
}

#[test]
fn largest_connection_is_closed_when_all_together_hold_too_much() {
    const KIB: usize = 1024;
    let gate = gate_with(Limits { held_bytes: 1000 * KIB, ..Limits::default() });
    let mut peers = [600, 300, 0].map(|held| {
        let mut peer = connect(&gate);
        peer.write_all(&unfinished_packet(held * KIB)[..held * KIB]).unwrap();
        peer
    });
    wait_until(|| gate.stats().connections_accepted == 3);
    let [most, less, least] = &mut peers;
    // The connection that has sent the most is closed, not the one whose bytes exceed the limit.
    least.write_all(&unfinished_packet(150 * KIB)).unwrap();
    assert_closed(most.try_clone().unwrap());
    wait_until(|| gate.stats().connections_open == 2);
    for peer in [less, least] {
        peer.set_nonblocking(true).unwrap();
        let open = peer.read(&mut [0]).unwrap_err();
        assert_eq!(open.kind(), ErrorKind::WouldBlock);
    }
}
