//! The same answers are read however the stream is split in transit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use rtm_server_sdk::{Error, RoomInfo};

use common::fixtures;
use common::scripted::{Connection, ScriptedServer};
use common::vectors::{self, Split, Stream, StreamFrame};
use common::watchdog::guarded;
use common::wire::{ANSWER, Packet};

/// The only answer in the streams whose payload is invalid.
const UNREADABLE: (&str, u32) = ("bad_payload_between", 2);

/// The stream with the numbers of the pending calls instead of the vector's.
fn live_bytes(stream: &Stream, live: &[u32]) -> Vec<u8> {
    let mut bytes = stream.bytes();
    for frame in &stream.frames {
        let Some(seq) = frame.seq else { continue };
        let pending = stream.pending_seqs.iter().position(|&pending| pending == seq);
        let moved = match pending {
            Some(index) => live[index],
            // A number without a call, or one of the server's own.
            None => (seq..).find(|seq| !live.contains(seq)).unwrap(),
        };
        bytes[frame.offset + 12..frame.offset + 16].copy_from_slice(&moved.to_le_bytes());
    }
    bytes
}

/// Returns the first answer with this number; `None` if there is none.
fn told(stream: &Stream, seq: u32) -> Option<(&StreamFrame, Packet)> {
    let frame = stream.frames.iter().find(|frame| frame.kind == "answer" && frame.seq == Some(seq))?;
    let bytes = stream.bytes();
    Some((frame, Packet::parse(&bytes[frame.offset..frame.offset + frame.length]).unwrap()))
}

fn check(stream: &Stream, split: &Split, seq: u32, result: Result<RoomInfo, Error>) {
    let name = format!("{} {} seq {seq}", stream.name, split.name);
    let closed = matches!(result, Err(Error::ConnectionClosed { .. }));
    let Some((frame, packet)) = told(stream, seq) else {
        assert!(closed, "{name}: {result:?}");
        return;
    };
    if frame.status != Some(0) {
        assert!(matches!(result, Err(Error::Answer { .. })), "{name}: {result:?}");
    } else if (&stream.name[..], seq) == UNREADABLE {
        assert!(matches!(result, Err(Error::Decode { .. })), "{name}: {result:?}");
    } else {
        let info = result.expect(&name);
        let text = |key| packet.get(key).map(|value| value.as_str().unwrap().to_owned());
        assert!(info.oinfo == text("oinfo") && info.pinfo == text("pinfo"), "{name}");
    }
}

fn next_quest(connection: &Connection) -> Packet {
    std::iter::repeat_with(|| connection.next()).find(|packet| packet.mtype != ANSWER).unwrap()
}

fn run(server: &ScriptedServer, stream: &Stream, split: &Split) {
    let name = format!("{} {}", stream.name, split.name);
    let client = fixtures::client(server.endpoint());
    let pending: Vec<_> = stream.pending_seqs.iter().map(|_| client.get_room_info(1).submit()).collect();
    let connection = server.accept();
    let live: Vec<u32> = connection.take(pending.len()).iter().map(Packet::seq).collect();
    // The client may close before the last piece, if the bytes require it.
    let bytes = live_bytes(stream, &live);
    let sent = connection.send_pieces(split.cut(&bytes));
    assert!(sent.is_ok() || stream.expected_end == "closed", "{name}: {sent:?}");
    if stream.end == "eof" {
        connection.half_close();
    }
    for (&seq, pending) in stream.pending_seqs.iter().zip(pending) {
        check(stream, split, seq, pending.wait());
    }
    let next = client.get_room_info(1).submit();
    let connection = if stream.expected_end == "closed" {
        connection.wait_closed();
        server.accept()
    } else {
        connection
    };
    connection.answer(&next_quest(&connection));
    assert_eq!(next.wait().expect(&name).oinfo.as_deref(), Some("o"), "{name}");
    // Dropped before its connection ends, so that it does not reconnect for the next stream.
    client.close();
}

#[test]
fn every_stream_yields_the_same_answers_for_every_cut() {
    guarded(|| {
        let server = ScriptedServer::start();
        let streams = vectors::streams();
        assert_eq!(streams.len(), 22);
        for stream in &streams {
            for split in &stream.splits {
                run(&server, stream, split);
            }
        }
    });
}
