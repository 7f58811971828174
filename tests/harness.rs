//! Tests of the tests' own tools. Without them, a fault that never strikes would look like a library that survives it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::answering::AnsweringServer;
use common::dead_ends::{BlackHole, ClosedPort};
use common::proxy::{Direction, Event, Fault, FaultProxy};
use common::scripted::{End, Options, ScriptedServer};
use common::watchdog::guarded;
use common::wire::{self, Packet};
use common::{PATIENCE, vectors};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_exactly(mut stream: &TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Sends `bytes` through a proxy with `fault`. Returns what has arrived at the server when the client closes.
fn through(fault: Fault, bytes: &'static [u8]) -> Vec<u8> {
    guarded(move || {
        let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::first(sink.local_addr().unwrap(), fault);
        let mut client = connect(proxy.address());
        let (mut server, _) = sink.accept().unwrap();
        client.write_all(bytes).unwrap();
        drop(client);
        let mut arrived = Vec::new();
        server.read_to_end(&mut arrived).unwrap();
        proxy.wait_for(Event::Ended(0));
        assert_eq!(proxy.struck(), usize::from(fault != Fault::None));
        arrived
    })
}

#[test]
fn quests_are_parsed_and_answers_built() {
    let frame = wire::two_way_quest(7, "getroominfo", &wire::map([("rid", 42.into())]));
    let packet = Packet::parse(&frame).unwrap();
    assert_eq!((packet.seq(), &packet.method[..], packet.int("rid")), (7, "getroominfo", 42));
    assert_eq!(Packet::parse(&frame[..frame.len() - 1]), None);
    let answer = Packet::parse(&wire::with_seq(&wire::error_answer(1, 200_002, "no"), 9)).unwrap();
    assert_eq!((answer.seq(), answer.status(), answer.int("code")), (9, 1, 200_002));
}

#[test]
fn signature_agrees_with_the_vectors() {
    let requests = vectors::requests();
    let common = &requests.common;
    for vector in &requests.vectors {
        let pid = common.pid.parse().unwrap();
        let ours = wire::signature(pid, &common.secret, &common.salt, &vector.method, &common.ts);
        assert_eq!(ours, vector.sign, "{}", vector.name);
    }
}

#[test]
fn every_vector_loads_and_its_bytes_have_the_length_that_it_states() {
    assert_eq!(vectors::requests().vectors.len(), 535);
    let answers: Vec<_> = vectors::answers().iter().map(|vector| vector.frame.bytes()).collect();
    assert_eq!(answers.len(), 161);
    let invalid: Vec<_> = vectors::invalid().iter().map(|vector| vector.frame.bytes()).collect();
    assert_eq!(invalid.len(), 155);
    for stream in vectors::streams() {
        let bytes = stream.bytes();
        for split in &stream.splits {
            assert_eq!(split.cut(&bytes).concat(), bytes, "{} {}", stream.name, split.name);
        }
    }
}

#[test]
fn scripted_server_hands_over_frames_and_sees_the_end() {
    guarded(|| {
        let mut server = ScriptedServer::start();
        let mut client = connect(server.address());
        let connection = server.accept();
        let quest = wire::two_way_quest(3, "isbanofroom", &wire::map([]));
        for piece in quest.chunks(5) {
            client.write_all(piece).unwrap();
        }
        let packet = connection.next();
        connection.answer(&packet);
        let expected = wire::answer(3, &wire::map([("ok", true.into())]));
        assert_eq!(read_exactly(&client, expected.len()), expected);
        drop(client);
        assert_eq!(connection.wait_closed(), End::Eof);

        server.stop();
        assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        server.restart();
        connect(server.address());
        server.accept();
        assert_eq!(server.accepted(), 2);
    });
}

#[test]
fn scripted_server_closes_and_resets() {
    guarded(|| {
        let server = ScriptedServer::start();
        let mut closed = connect(server.address());
        server.accept().close();
        assert_eq!(closed.read(&mut [0]).unwrap(), 0);
        let mut reset = connect(server.address());
        server.accept().reset();
        assert_eq!(reset.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn paused_connection_lets_the_senders_buffers_fill() {
    guarded(|| {
        let server = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let mut client = connect(server.address());
        let connection = server.accept();
        client.set_nonblocking(true).unwrap();
        let quest = wire::two_way_quest(1, "m", &wire::map([]));
        let mut sent = 0;
        loop {
            match client.write(&quest[sent % quest.len()..]) {
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        connection.read_on();
        connection.take(sent / quest.len());
    });
}

#[test]
fn answering_server_answers_and_stops() {
    guarded(|| {
        let server = AnsweringServer::start();
        let mut client = connect(server.address());
        client.write_all(&wire::two_way_quest(8, "addroommember", &wire::map([]))).unwrap();
        assert_eq!(read_exactly(&client, 17), wire::empty_answer(8));
        assert_eq!(server.next().method, "addroommember");
        drop(server);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn closed_port_refuses() {
    let port = ClosedPort::new();
    assert_eq!(TcpStream::connect(port.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn black_hole_neither_accepts_nor_refuses() {
    let hole = BlackHole::new();
    let error = TcpStream::connect_timeout(&hole.address(), Duration::from_millis(200)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn proxy_forwards_cuts_flips_and_repeats_on_request() {
    use Direction::ToServer;
    assert_eq!(through(Fault::None, b"0123456789"), b"0123456789");
    assert_eq!(through(Fault::Cut(ToServer, 4), b"0123456789"), b"0123");
    assert_eq!(through(Fault::Cut(ToServer, 0), b"0123456789"), b"");
    assert_eq!(through(Fault::Stall(ToServer, 4), b"0123456789"), b"0123");
    assert_eq!(through(Fault::Flip(ToServer, 3, 0), b"0123456789"), b"0122456789");
    assert_eq!(through(Fault::RepeatBytes(ToServer, 2, 5), b"0123456789"), b"0123423456789");
    assert_eq!(through(Fault::Split(ToServer, 1), b"0123456789"), b"0123456789");
    assert_eq!(through(Fault::Delay(ToServer, Duration::from_millis(1)), b"01"), b"01");
}

#[test]
fn proxy_repeats_a_frame() {
    guarded(|| {
        let server = ScriptedServer::start();
        let proxy = FaultProxy::first(server.address(), Fault::RepeatFrame(Direction::ToServer, 1));
        let mut client = connect(proxy.address());
        for seq in 0..3 {
            client.write_all(&wire::two_way_quest(seq, "m", &wire::map([]))).unwrap();
        }
        let seqs: Vec<u32> = server.accept().take(4).iter().map(Packet::seq).collect();
        assert_eq!(seqs, [0, 1, 1, 2]);
    });
}

#[test]
fn proxy_closes_and_resets_its_first_connection_and_serves_the_next() {
    guarded(|| {
        let server = AnsweringServer::start();
        let faults = [Fault::CloseAtOnce, Fault::ResetAtOnce, Fault::Reset(Direction::ToClient, 5)];
        let proxy = FaultProxy::start(server.address(), move |k| faults.get(k).copied().unwrap_or(Fault::None));
        assert_eq!(connect(proxy.address()).read(&mut [0]).unwrap(), 0);
        proxy.wait_for(Event::Ended(0));
        assert_eq!(connect(proxy.address()).read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        proxy.wait_for(Event::Struck(1));
        let quest = wire::two_way_quest(8, "m", &wire::map([]));
        let mut cut_short = connect(proxy.address());
        cut_short.write_all(&quest).unwrap();
        let error = cut_short.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let mut clean = connect(proxy.address());
        clean.write_all(&quest).unwrap();
        assert_eq!(read_exactly(&clean, 17), wire::empty_answer(8));
        assert_eq!((proxy.accepted(), proxy.struck()), (4, 3));
    });
}
