//! Large answers and calls stall nothing: measures how late other calls end while answers of 60 MiB arrive, and while
//! calls of 7 MiB are sent, in each mode.
//!
//! `cargo test --release --all-features --test large_answers -- --ignored --nocapture` prints the table. Its first row
//! is the system's own share: how late a thread wakes that only sleeps, next to a plain socket that reads the same
//! data.

#![allow(clippy::unwrap_used)]

#[path = "common/large.rs"]
mod large;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::fpnn::{FrameWriter, MethodName};
use rtm_server_sdk::{CipherMode, Client, Encryption, Error};

use serde::de::IgnoredAny;

use large::{LargeServer, TEXT_LEN};

const UPLOAD_LEN: usize = 7 * 1024 * 1024;
const ROUNDS: u32 = 10;
/// The deadlines of calls that nobody answers. Those that are due while the large answer arrives are measured.
const OTHERS: u32 = 200;
const STEP: Duration = Duration::from_micros(500);
/// The answers' frames: header, sequence number, map; and a key and a text with its length.
const SMALL_ANSWER: usize = 12 + 4 + 1;
const LARGE_ANSWER: usize = SMALL_ANSWER + 6 + 5 + TEXT_LEN;
const GOAL: Duration = Duration::from_millis(5);

/// The deadline of a call, and its actual end.
struct Ended {
    due: Instant,
    at: Instant,
}

/// How late the calls were, in ascending order.
#[derive(Default)]
struct Lateness(Vec<Duration>);

impl Lateness {
    /// Adds the calls that were due before `arrived`.
    fn add(&mut self, ended: Vec<Ended>, arrived: Instant) {
        let beside = ended.into_iter().filter(|ended| ended.due < arrived);
        self.0.extend(beside.map(|ended| ended.at.saturating_duration_since(ended.due)));
        self.0.sort_unstable();
    }

    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }

    fn print(&self, name: &str) {
        let (median, p99, worst) = (self.at(50), self.at(99), self.at(100));
        println!("{name:>16} {:>6} {median:>10.2?} {p99:>10.2?} {worst:>10.2?}", self.0.len());
    }
}

fn of_a_sleeping_thread(server: &LargeServer) -> Lateness {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let mut lateness = Lateness::default();
    for round in 0..ROUNDS {
        ask(&mut stream, 2 * round, "addroommember");
        stream.read_exact(&mut [0; SMALL_ANSWER]).unwrap();
        ask(&mut stream, 2 * round + 1, "getroominfo");
        let begin = Instant::now();
        let sleeping = thread::spawn(move || {
            let sleep = |step| {
                let due = begin + STEP * step;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                Ended { due, at: Instant::now() }
            };
            (1..=OTHERS).map(sleep).collect::<Vec<_>>()
        });
        let (mut answer, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
        while answer.len() < LARGE_ANSWER {
            let received = stream.read(&mut piece).unwrap();
            answer.extend_from_slice(&piece[..received]);
        }
        let arrived = Instant::now();
        lateness.add(sleeping.join().unwrap(), arrived);
    }
    lateness
}

fn ask(stream: &mut TcpStream, seq: u32, method: &str) {
    let mut quest = Vec::new();
    FrameWriter::two_way_quest(&mut quest, seq, MethodName::new(method).unwrap()).finish();
    stream.write_all(&quest).unwrap();
}

fn connect(server: &LargeServer, encryption: Option<Encryption>) -> Client {
    let builder = Client::builder(80000001, "secret", server.address().to_string());
    match encryption {
        Some(encryption) => builder.encryption(encryption).connect().unwrap(),
        None => builder.connect().unwrap(),
    }
}

/// Makes calls that nobody answers, with callbacks that record when they end.
fn make_others(client: &Client) -> mpsc::Receiver<Ended> {
    let (sender, ended) = mpsc::channel();
    for step in 1..=OTHERS {
        let (sender, timeout) = (sender.clone(), STEP * step);
        let due = Instant::now() + timeout;
        client.is_ban_of_room(42, 7).timeout(timeout).callback(move |outcome| {
            assert!(matches!(outcome, Err(Error::Timeout(_))), "{outcome:?}");
            sender.send(Ended { due, at: Instant::now() }).unwrap();
        });
    }
    ended
}

fn beside_answers(client: &Client) -> Lateness {
    let mut lateness = Lateness::default();
    for _ in 0..ROUNDS {
        client.add_room_member(42, 7).call().unwrap();
        let large = client.get_room_info(42).submit();
        let ended = make_others(client);
        assert_eq!(large.wait().unwrap().oinfo.map(|text| text.len()), Some(TEXT_LEN));
        let arrived = Instant::now();
        lateness.add(ended.iter().collect(), arrived);
    }
    lateness
}

fn beside_uploads(client: &Client) -> Lateness {
    let (mut lateness, is_over) = (Lateness::default(), AtomicBool::new(false));
    let params = HashMap::from([("data", serde_bytes::ByteBuf::from(vec![b'x'; UPLOAD_LEN]))]);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                client.quest::<IgnoredAny>("upload", &params).call().unwrap();
            }
        });
        for _ in 0..ROUNDS {
            let ended = make_others(client).iter().collect();
            lateness.add(ended, Instant::now());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    lateness
}

#[test]
#[ignore = "measures: it needs a machine with nothing else to do"]
fn other_calls_end_in_time_next_to_large_ones() {
    let server = LargeServer::start(&["--ignored", "--exact", "--nocapture", "server_of_large_answers"]);
    println!("{:>16} {:>6} {:>10} {:>10} {:>10}", "mode", "calls", "median", "p99", "worst");
    of_a_sleeping_thread(&server).print("a sleep");
    let modes = [("plain", None), ("stream", Some(CipherMode::Stream)), ("package", Some(CipherMode::Package))];
    let p99s = modes.map(|(name, mode)| {
        let client = connect(&server, mode.map(|mode| server.encryption(mode)));
        let (answers, uploads) = (beside_answers(&client), beside_uploads(&client));
        answers.print(&format!("answers, {name}"));
        uploads.print(&format!("uploads, {name}"));
        answers.at(99).max(uploads.at(99))
    });
    assert!(p99s.into_iter().all(|p99| p99 <= GOAL), "over {GOAL:?}");
}

/// The server's process runs this.
#[test]
#[ignore = "does nothing by itself"]
fn server_of_large_answers() {
    large::serve_if_asked();
}
