//! Large answers stall nobody: how late other calls end while answers of 60 MiB arrive, in each mode.
//!
//! `cargo test --release --all-features --test large_answers -- --ignored --nocapture` prints the table.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::fpnn::{Decoder, Encryptor, Frame, FrameWriter, Quest, ServerKey};
use rtm_server_sdk::gate::Curve;
use rtm_server_sdk::{CipherMode, Client, Encryption, Error};

const LARGE: usize = 60 * 1024 * 1024;
const ROUNDS: usize = 5;
/// Calls that nobody answers end by these deadlines, while the large answers arrive.
const OTHERS: u32 = 200;
const STEP: Duration = Duration::from_millis(1);
/// What the issue of a stalled I/O thread would show as: promise 2 on an idle machine.
const GOAL: Duration = Duration::from_millis(5);

/// Answers `getroominfo` with a text of 60 MiB, and nothing else.
struct Server {
    key: ServerKey,
    text: String,
}

impl Server {
    fn serve(&self, mut stream: TcpStream) {
        let mut decoder = Decoder::new(LARGE);
        let mut encryptor = Encryptor::default();
        let mut out = Vec::new();
        loop {
            match stream.read(decoder.space()) {
                Ok(0) | Err(_) => return,
                Ok(received) => decoder.advance(received),
            }
            loop {
                let new_decryptor = match decoder.next_frame().unwrap() {
                    None => break,
                    Some(Frame::Quest(quest)) => self.answer(&quest, &mut encryptor, &mut out),
                    Some(Frame::Answer(_)) => None,
                };
                new_decryptor.into_iter().for_each(|decryptor| decoder.set_decryptor(decryptor));
            }
            if stream.write_all(&out).is_err() {
                return;
            }
            out.clear();
        }
    }

    fn answer(
        &self,
        quest: &Quest<'_>,
        encryptor: &mut Encryptor,
        out: &mut Vec<u8>,
    ) -> Option<rtm_server_sdk::fpnn::Decryptor> {
        let seq = quest.seq.unwrap();
        let start = out.len();
        match quest.method {
            b"*key" => {
                let (point, stream_mode, bits) = read_key_quest(quest);
                let (own, decryptor) = self.key.accept(&point, stream_mode, bits).unwrap();
                *encryptor = own;
                out.resize(start + encryptor.prefix_len(), 0);
                FrameWriter::answer(out, seq, 0).finish();
                encryptor.encrypt(&mut out[start..]);
                return Some(decryptor);
            }
            b"getroominfo" => {
                out.resize(start + encryptor.prefix_len(), 0);
                let mut frame = FrameWriter::answer(out, seq, 0);
                let _ = frame.params().str("oinfo", &self.text);
                frame.finish();
                encryptor.encrypt(&mut out[start..]);
            }
            _ => {}
        }
        None
    }
}

fn read_key_quest(quest: &Quest<'_>) -> (Vec<u8>, bool, i64) {
    let mut reader = quest.params().unwrap();
    let (mut point, mut stream_mode, mut bits) = (Vec::new(), false, 0);
    while let Some(key) = reader.next_key().unwrap() {
        match key {
            b"publicKey" => point = reader.bytes("publicKey").unwrap().to_vec(),
            b"streamMode" => stream_mode = reader.bool("streamMode").unwrap(),
            b"bits" => bits = reader.int("bits").unwrap(),
            _ => reader.skip().unwrap(),
        }
    }
    (point, stream_mode, bits)
}

/// How late the other calls end, in ascending order.
fn lateness(mode: Option<CipherMode>) -> Vec<Duration> {
    let key = ServerKey::generate(Curve::Secp256k1).unwrap();
    let encryption = Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap();
    let server = Server { key, text: "x".repeat(LARGE - 64) };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut builder = Client::builder(80000001, "secret", listener.local_addr().unwrap().to_string());
    if let Some(mode) = mode {
        builder = builder.encryption(encryption.mode(mode));
    }
    let serving = thread::spawn(move || server.serve(listener.accept().unwrap().0));
    let client = builder.connect().unwrap();
    let (sender, late) = mpsc::channel();
    for _ in 0..ROUNDS {
        let large = client.get_room_info(42).submit();
        for step in 1..=OTHERS {
            let (sender, timeout) = (sender.clone(), STEP * step);
            let due = Instant::now() + timeout;
            client.is_ban_of_room(42, 7).timeout(timeout).callback(move |outcome| {
                assert!(matches!(outcome, Err(Error::Timeout(_))), "{outcome:?}");
                sender.send(Instant::now().saturating_duration_since(due)).unwrap();
            });
        }
        assert_eq!(large.wait().unwrap().oinfo.map(|text| text.len()), Some(LARGE - 64));
    }
    let mut late: Vec<Duration> = late.iter().take(ROUNDS * OTHERS as usize).collect();
    client.close();
    serving.join().unwrap();
    late.sort_unstable();
    late
}

#[test]
#[ignore = "measures: it needs a machine with nothing else to do"]
fn other_calls_end_in_time_while_large_answers_arrive() {
    println!("{:>8} {:>10} {:>10} {:>10}", "mode", "median", "p99", "worst");
    let modes = [("plain", None), ("stream", Some(CipherMode::Stream)), ("package", Some(CipherMode::Package))];
    let tables = modes.map(|(name, mode)| {
        let late = lateness(mode);
        let p99 = late[late.len() * 99 / 100];
        println!("{name:>8} {:>10.2?} {p99:>10.2?} {:>10.2?}", late[late.len() / 2], late[late.len() - 1]);
        p99
    });
    assert!(tables.into_iter().all(|p99| p99 <= GOAL), "over {GOAL:?}");
}
