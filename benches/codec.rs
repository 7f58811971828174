//! The codec alone: signed quests are written, answers are cut out of the stream and read. No sockets, no threads.
//!
//! `cargo bench --features unstable-internals,serde --bench codec`.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use rtm_server_sdk::error::DecodeError;
use rtm_server_sdk::fpnn::{
    Decoder, Frame, FrameWriter, HEADER_LEN, MapWriter, PayloadReader, PayloadWriter, SEQ_LEN, read_answer,
};
use rtm_server_sdk::rtm::methods::by_name::quest;
use rtm_server_sdk::rtm::methods::history::get_room_message;
use rtm_server_sdk::rtm::methods::info::{RoomInfo, get_room_info, read_infos};
use rtm_server_sdk::rtm::methods::members::{get_room_count, read_counts, read_uids};
use rtm_server_sdk::rtm::methods::messages::send_room_message;
use rtm_server_sdk::rtm::{Request, Signer, next_salt};
use rtm_server_sdk::{Error, History, NewMessage};
use serde::{Deserialize, Serialize};

const PID: i32 = 80_000_001;
const TS: u32 = 1_700_000_000;
const MAX_PAYLOAD: usize = 64 * 1024 * 1024;
/// Small answers arrive in batches of this many per read.
const BATCH: usize = 64;
const FLAG_MSGPACK: u8 = 0x80;
/// What a person might write: 100 bytes.
const TEXT: &str =
    "Good morning everybody, the stream begins at eight o'clock tonight, bring your friends along with you!!";

/// The parameters of `getroominfo`, for the call by name.
#[derive(Serialize)]
struct Room {
    rid: i64,
}

/// The answer to `getroominfo`, for the call by name.
#[derive(Deserialize)]
struct Infos {
    oinfo: Option<String>,
    pinfo: Option<String>,
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    decode_each(&mut criterion);
    criterion.final_summary();
}

fn decode_each(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    decode(&mut group, "empty answer", BATCH, &empty_answer(), |reader| match reader.next_key()? {
        None => Ok(0),
        Some(_) => reader.skip().map(|()| 0),
    });
    decode(&mut group, "room info", BATCH, &room_info(), |reader| {
        let RoomInfo { oinfo, pinfo } = read_infos(reader)?;
        Ok(oinfo.map_or(0, |info| info.len()) + pinfo.map_or(0, |info| info.len()))
    });
    decode(&mut group, "100,000 members", 1, &members(100_000), |reader| read_uids(reader).map(|uids| uids.len()));
    decode(&mut group, "counts of 1,000 rooms", 1, &counts(1_000), |reader| {
        read_counts(reader).map(|counts| counts.len())
    });
    group.finish();
    decode_answers(criterion);
}

/// Answers whose readers need context from their calls, without the stream around them.
fn decode_answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let mut bench = |name: &str, payload: &[u8], read: &dyn Fn(&[u8]) -> Result<usize, Error>| {
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| match read(black_box(payload)) {
                Ok(read) => black_box(read),
                Err(error) => panic!("the bench's own answer cannot be read: {error}"),
            });
        });
    };
    let infos = get_room_info(42).answer;
    bench("room info", &room_info_payload(), &|payload| {
        let RoomInfo { oinfo, pinfo } = infos.read(0, FLAG_MSGPACK, payload)?;
        Ok(oinfo.map_or(0, |info| info.len()) + pinfo.map_or(0, |info| info.len()))
    });
    let by_name = quest::<Infos>("getroominfo", &Room { rid: 42 }).answer;
    bench("room info, by name", &room_info_payload(), &|payload| {
        let Infos { oinfo, pinfo } = by_name.read(0, FLAG_MSGPACK, payload)?;
        Ok(oinfo.map_or(0, |info| info.len()) + pinfo.map_or(0, |info| info.len()))
    });
    let page = get_room_message(42, &History::latest()).answer;
    bench("page of 20 messages", &page_payload(20), &|payload| Ok(page.read(0, FLAG_MSGPACK, payload)?.messages.len()));
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let signer = Signer::new(PID, "a secret for benches");
    let room_info = || sign(get_room_info(black_box(42)), &signer);
    let rids: Vec<i64> = (0..1_000).map(|room| 1_000_000 + room).collect();
    let room_count = || sign(get_room_count(black_box(&rids)), &signer);
    let by_name = || sign(quest::<Infos>("getroominfo", &Room { rid: black_box(42) }), &signer);
    let message = || sign(send_room_message(black_box(42), 1001, &NewMessage::chat(TEXT)), &signer);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Bytes(room_info().len() as u64));
    group.bench_function("signed getroominfo", |bencher| bencher.iter(room_info));
    group.bench_function("signed getroominfo, by name", |bencher| bencher.iter(by_name));
    group.throughput(Throughput::Bytes(message().len() as u64));
    group.bench_function("signed sendroommsg of 100 bytes", |bencher| bencher.iter(message));
    group.throughput(Throughput::Bytes(room_count().len() as u64));
    group.bench_function("signed getroomcount of 1,000 rooms", |bencher| bencher.iter(room_count));
    group.finish();
}

fn sign<T>(request: Request<T>, signer: &Signer) -> Vec<u8> {
    match request.quest {
        Ok(quest) => quest.sign(signer, next_salt(), TS),
        Err(error) => panic!("the bench's own call cannot work: {error}"),
    }
}

/// Lets `batch` answers arrive at once and reads them all. The time is that of the batch; the bytes per second are
/// those of its frames.
fn decode(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    batch: usize,
    frame: &[u8],
    read: impl Fn(&mut PayloadReader<'_>) -> Result<usize, DecodeError>,
) {
    let stream = frame.repeat(batch);
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    group.throughput(Throughput::Bytes(stream.len() as u64));
    let name = if batch == 1 { name.to_owned() } else { format!("{name}, {batch} in one read") };
    group.bench_function(name, |bencher| {
        bencher.iter(|| match decode_all(&mut decoder, &stream, &read) {
            Ok(answers) => assert_eq!(answers, batch),
            Err(error) => panic!("the bench's own answer cannot be read: {error}"),
        });
    });
}

/// Does what the I/O thread does: each read fills the decoder's space, then every complete message is handled.
fn decode_all(
    decoder: &mut Decoder,
    mut stream: &[u8],
    read: impl Fn(&mut PayloadReader<'_>) -> Result<usize, DecodeError>,
) -> Result<usize, Box<dyn std::error::Error>> {
    let mut answers = 0;
    while !stream.is_empty() {
        let space = decoder.space();
        let (received, rest) = stream.split_at(space.len().min(stream.len()));
        space[..received.len()].copy_from_slice(received);
        decoder.advance(received.len());
        stream = rest;
        while let Ok(Some(Frame::Answer(answer))) = decoder.next_frame() {
            black_box(read_answer(answer.status, answer.flag, answer.payload, &read)??);
            answers += 1;
        }
    }
    Ok(answers)
}

fn empty_answer() -> Vec<u8> {
    let mut frame = Vec::new();
    FrameWriter::answer(&mut frame, 1, 0).finish();
    frame
}

fn room_info() -> Vec<u8> {
    answer(|results| results.str("oinfo", "public info").str("pinfo", "private info"))
}

fn room_info_payload() -> Vec<u8> {
    payload_of(&room_info())
}

/// A page of a history, with texts of 100 bytes.
fn page_payload(rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let map = MapWriter::begin(&mut bytes).int("num", rows as i64).int("lastid", 1);
    let mut payload = map.int("begin", 0).int("end", 1_700_000_000_000).value("msgs");
    payload.array(rows);
    for row in 0..rows as i64 {
        payload.array(8);
        payload.int(1_000_000 + row);
        payload.int(1_001 + row);
        payload.int(30);
        payload.int(6_000_000_000_000_000_000 + row);
        payload.bool(false);
        payload.str(TEXT);
        payload.str("{}");
        payload.int(1_700_000_000_000 + row);
    }
    bytes
}

/// The part of an answer after the header and the sequence number.
fn payload_of(frame: &[u8]) -> Vec<u8> {
    frame[HEADER_LEN + SEQ_LEN..].to_vec()
}

fn members(count: u32) -> Vec<u8> {
    let uids: Vec<i64> = (0..i64::from(count)).map(|uid| 4_000_000_000 + uid * 7_919).collect();
    answer(|results| results.ints("uids", uids.into_iter()))
}

fn counts(rooms: u32) -> Vec<u8> {
    let mut pair = Vec::new();
    let mut payload = PayloadWriter::new(&mut pair);
    payload.str("cn");
    payload.map(rooms as usize);
    for room in 0..i64::from(rooms) {
        payload.str(&(1_000_000 + room).to_string());
        payload.int(room * 31);
    }
    answer(|results| results.encoded_pairs(1, &pair))
}

fn answer(write: impl FnOnce(MapWriter<'_>) -> MapWriter<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, 1, 0);
    let _ = write(frame.params());
    frame.finish();
    bytes
}
