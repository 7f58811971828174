//! The decoder returns the same messages however the stream is split, and holds no more than it received.

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::golden_files::{self, unhex};

const LIMIT: usize = 64 * 1024 * 1024;

/// A message that owns its bytes: kind, flag, status, number, method, payload.
#[derive(Debug, Clone, PartialEq)]
struct Owned {
    kind: u8,
    flag: u8,
    status: u8,
    seq: Option<u32>,
    method: Vec<u8>,
    payload: Vec<u8>,
}

impl Owned {
    fn of(message: Frame<'_>) -> Owned {
        match message {
            Frame::Quest(quest) => Owned {
                kind: quest.seq.is_some().into(),
                flag: quest.flag,
                status: 0,
                seq: quest.seq,
                method: quest.method.to_vec(),
                payload: quest.payload.to_vec(),
            },
            Frame::Answer(answer) => Owned {
                kind: 2,
                flag: answer.flag,
                status: answer.status,
                seq: Some(answer.seq),
                method: Vec::new(),
                payload: answer.payload.to_vec(),
            },
        }
    }

    fn frame(&self) -> Vec<u8> {
        let ss = if self.kind == 2 { self.status } else { self.method.len() as u8 };
        let mut frame = b"FPNN".to_vec();
        frame.extend([1, self.flag, self.kind, ss]);
        frame.extend((self.payload.len() as u32).to_le_bytes());
        frame.extend(self.seq.map(u32::to_le_bytes).into_iter().flatten());
        frame.extend(&self.method);
        frame.extend(&self.payload);
        frame
    }
}

fn any_message() -> impl Strategy<Value = Owned> {
    let parts = (0..3_u8, any::<u8>(), any::<u8>(), any::<u32>(), vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..200));
    parts.prop_map(|(kind, flag, status, seq, method, payload)| Owned {
        kind,
        flag,
        status: if kind == 2 { status } else { 0 },
        seq: (kind != 0).then_some(seq),
        method: if kind == 2 { Vec::new() } else { method },
        payload,
    })
}

fn put(decoder: &mut Decoder, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = decoder.space();
        let len = space.len().min(bytes.len());
        assert!(len > 0, "there is always room for the next read");
        space[..len].copy_from_slice(&bytes[..len]);
        decoder.advance(len);
        bytes = &bytes[len..];
    }
}

/// Decodes these pieces. Returns the messages, and the error that ended them.
fn decode<'a>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    for piece in pieces {
        put(decoder, piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(message)) => messages.push(Owned::of(message)),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// Splits `bytes` into pieces whose lengths repeat `lengths`.
fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for &length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_same_messages(
        messages in vec(any_message(), 0..8),
        lengths in vec(1..60_usize, 1..6),
    ) {
        let stream = messages.iter().flat_map(Owned::frame).collect::<Vec<_>>();
        let mut decoder = Decoder::new(LIMIT);
        let (decoded, error) = decode(&mut decoder, cut(&stream, &lengths));
        prop_assert_eq!(error, None);
        prop_assert_eq!(decoded, messages);
        prop_assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn any_bytes_are_survived_and_never_held_many_times_over(
        start in vec(any_message(), 0..3),
        noise in vec(any::<u8>(), 0..400),
        flips in vec((any::<prop::sample::Index>(), 0..8_u8), 0..4),
        lengths in vec(1..100_usize, 1..4),
    ) {
        let mut bytes = start.iter().flat_map(Owned::frame).chain(noise).collect::<Vec<_>>();
        for (at, bit) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
        let mut decoder = Decoder::new(LIMIT);
        decode(&mut decoder, cut(&bytes, &lengths));
        prop_assert!(decoder.buffer.capacity() <= bytes.len() + 2 * CHUNK);
    }

    #[test]
    fn large_messages_survive_any_cut(len in 60_000..400_000_usize, first in 1..400_000_usize, every in 10_000..100_000_usize) {
        let large = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: vec![7; len] };
        let small = Owned { payload: vec![0x80], seq: Some(2), ..large.clone() };
        let stream = [small.frame(), large.frame(), small.frame()].concat();
        let (head, tail) = stream.split_at(first.min(stream.len()));
        let mut decoder = Decoder::new(LIMIT);
        let (decoded, error) = decode(&mut decoder, [head].into_iter().chain(tail.chunks(every)));
        prop_assert_eq!(error, None);
        prop_assert!(decoded == [small.clone(), large, small], "the messages differ");
        prop_assert!(decoder.buffer.capacity() <= stream.len() + 2 * CHUNK);
    }
}

#[test]
fn memory_of_a_large_message_is_freed() {
    let large = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: vec![7; 4 << 20] };
    let mut decoder = Decoder::new(LIMIT);
    let (decoded, _) = decode(&mut decoder, [&large.frame()[..]]);
    assert_eq!(decoded.len(), 1);
    assert!(!decoder.space().is_empty());
    assert!(decoder.buffer.capacity() <= 4 * CHUNK, "{} bytes are kept", decoder.buffer.capacity());
}

#[test]
fn large_payload_is_returned_without_a_copy() {
    let large = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: vec![7; 1 << 20] };
    let small = Owned { payload: vec![0x80], seq: Some(2), ..large.clone() };
    let mut decoder = Decoder::new(LIMIT);
    put(&mut decoder, &[large.frame(), small.frame()].concat());
    let Ok(Some(Frame::Answer(answer))) = decoder.next_frame() else { panic!("the large answer is whole") };
    let (len, place) = (answer.payload.len(), answer.payload.as_ptr());
    let payload = decoder.take_payload(len, Vec::new());
    assert!(*payload == large.payload[..] && payload.as_ptr() == place, "the payload lies elsewhere now");
    // What followed it is still there.
    assert_eq!(decoder.next_frame().unwrap().map(Owned::of), Some(small));
    assert!(decoder.buffer.capacity() <= CHUNK);
}

#[test]
fn small_payload_is_copied_into_spare_memory() {
    let small = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: vec![7; 100] };
    let mut decoder = Decoder::new(LIMIT);
    put(&mut decoder, &small.frame());
    assert!(matches!(decoder.next_frame(), Ok(Some(_))));
    let spare = Vec::with_capacity(512);
    let place = spare.as_ptr();
    let payload = decoder.take_payload(100, spare);
    assert!(*payload == [7; 100] && payload.as_ptr() == place);
}

#[test]
fn buffer_doubles_with_received_bytes_up_to_the_current_frame() {
    let large = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: vec![7; 5 << 20] };
    let frame = large.frame();
    let mut decoder = Decoder::new(LIMIT);
    let mut capacities = Vec::new();
    for (received, piece) in frame.chunks(CHUNK / 2).enumerate() {
        put(&mut decoder, piece);
        let (received, capacity) = (received * CHUNK / 2, decoder.buffer.capacity());
        assert!(capacity <= 2 * received + CHUNK, "{capacity} bytes are held for {received}");
        capacities.push(capacity);
        decoder.next_frame().unwrap();
    }
    capacities.dedup();
    assert!(capacities.len() <= 8, "the buffer moved too often: {capacities:?}");
    assert!(decoder.buffer.capacity() <= frame.len() + CHUNK, "the frame was known to end");
}

#[test]
fn announced_size_reserves_nothing() {
    let mut decoder = Decoder::new(LIMIT);
    let header = Owned { kind: 2, flag: 0x80, status: 0, seq: Some(1), method: Vec::new(), payload: Vec::new() };
    let mut frame = header.frame();
    frame[8..12].copy_from_slice(&(LIMIT as u32).to_le_bytes());
    assert_eq!(decode(&mut decoder, [&frame[..]]), (Vec::new(), None));
    assert!(!decoder.space().is_empty());
    assert!(decoder.buffer.capacity() <= 2 * CHUNK, "{} bytes are held", decoder.buffer.capacity());
}

#[test]
fn size_over_the_limit_is_refused_by_the_header_alone() {
    let mut decoder = Decoder::new(100);
    let (decoded, error) = decode(&mut decoder, [&b"FPNN\x01\x80\x02\x00\x65\x00\x00\x00"[..]]);
    assert_eq!((decoded, error), (Vec::new(), Some(ProtocolError::PayloadTooLarge { size: 101, limit: 100 })));
}

#[derive(Deserialize)]
struct Streams {
    vectors: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    stream_hex: Option<String>,
    #[serde(default)]
    stream_parts: Vec<Part>,
    frames: Vec<GoldenFrame>,
    left_over_bytes: usize,
    end: String,
    expected_end: String,
    splits: Vec<Split>,
}

#[derive(Deserialize)]
struct Part {
    hex: String,
    count: Option<usize>,
}

#[derive(Deserialize)]
struct GoldenFrame {
    offset: usize,
    length: usize,
    kind: String,
    seq: Option<u32>,
    status: Option<u8>,
    method: Option<String>,
}

#[derive(Deserialize)]
struct Split {
    name: String,
    chunks: Option<Vec<usize>>,
    every: Option<usize>,
}

impl Stream {
    fn bytes(&self) -> Vec<u8> {
        let part = |part: &Part| unhex(&part.hex).repeat(part.count.unwrap_or(1));
        self.stream_hex.as_deref().map_or_else(|| self.stream_parts.iter().flat_map(part).collect(), unhex)
    }

    fn messages(&self, bytes: &[u8]) -> Vec<Owned> {
        let message = |frame: &GoldenFrame| {
            let method = frame.method.clone().unwrap_or_default().into_bytes();
            let seq_len = if frame.seq.is_some() { 4 } else { 0 };
            let kind =
                ["one_way_quest", "two_way_quest", "answer"].iter().position(|kind| *kind == frame.kind).unwrap();
            let payload_at = frame.offset + 12 + seq_len + method.len();
            let payload = bytes[payload_at..frame.offset + frame.length].to_vec();
            Owned { kind: kind as u8, flag: 0x80, status: frame.status.unwrap_or(0), seq: frame.seq, method, payload }
        };
        self.frames.iter().map(message).collect()
    }

    /// Whether the bytes after the last complete frame violate the protocol, rather than being the beginning of a
    /// frame.
    fn breaks(&self) -> bool {
        self.left_over_bytes > 0 && self.end == "open" && self.expected_end == "closed"
    }
}

#[test]
fn streams_of_the_vectors_decode_alike_for_every_cut() {
    let streams: Streams = golden_files::load("streams.json");
    assert_eq!(streams.vectors.len(), 22);
    for stream in streams.vectors {
        let bytes = stream.bytes();
        let expected = stream.messages(&bytes);
        for split in &stream.splits {
            let lengths = split.chunks.clone().unwrap_or_else(|| vec![split.every.unwrap()]);
            let mut decoder = Decoder::new(LIMIT);
            let (decoded, error) = decode(&mut decoder, cut(&bytes, &lengths));
            assert!(decoded == expected, "{} {}", stream.name, split.name);
            assert_eq!(error.is_some(), stream.breaks(), "{} {}: {error:?}", stream.name, split.name);
            assert_eq!(decoder.buffered() > 0, stream.left_over_bytes > 0, "{} {}", stream.name, split.name);
        }
    }
}
