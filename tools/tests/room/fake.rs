//! A server that answers, refuses, keeps silent or hangs up to order.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// No test waits longer for a quest.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do with a quest.
pub enum Act {
    /// Answers with this msgpack map.
    Answer(Vec<u8>),
    /// Answers with an error of this code.
    Refuse(i32),
    /// Answers with an empty map once the test says so.
    Hold,
    /// Stops listening, then closes the connection.
    Disconnect,
}

impl Act {
    /// Answers with an empty map.
    pub fn done() -> Act {
        Act::Answer(vec![0x80])
    }
}

pub struct FakeServer {
    address: SocketAddr,
    quests: Receiver<()>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    is_released: bool,
    quests: Vec<(TcpStream, [u8; 4])>,
}

impl FakeServer {
    /// `act` is given the number of the quest, counted from 1.
    pub fn start(act: impl FnMut(usize) -> Act + Send + 'static) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, quests) = channel();
        let held = Arc::<Mutex<Held>>::default();
        let for_thread = Arc::clone(&held);
        thread::spawn(move || serve(listener, act, &log, &for_thread));
        FakeServer { address, quests, held }
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Waits until so many more quests have come, and been acted on.
    #[track_caller]
    pub fn wait_for_quests(&self, count: usize) {
        for _ in 0..count {
            self.quests.recv_timeout(PATIENCE).expect("the tool made no call");
        }
    }

    /// How many quests came that were not waited for.
    pub fn further_quests(&self) -> usize {
        self.quests.try_iter().count()
    }

    /// Answers all quests on hold, those to come included.
    pub fn release(&self) {
        let mut held = self.held.lock().unwrap();
        held.is_released = true;
        for (mut stream, sequence_number) in held.quests.drain(..) {
            let _ = answer(&mut stream, 0, sequence_number, &[0x80]);
        }
    }
}

/// One connection after the other: the tool has one.
fn serve(listener: TcpListener, mut act: impl FnMut(usize) -> Act, log: &Sender<()>, held: &Mutex<Held>) {
    let mut count = 0;
    while let Ok((mut stream, _)) = listener.accept() {
        while let Ok((sequence_number, method)) = read_quest(&mut stream) {
            if method == b"*ping" {
                let _ = answer(&mut stream, 0, sequence_number, &[0x80]);
                continue;
            }
            count += 1;
            let is_sent = match act(count) {
                Act::Answer(payload) => answer(&mut stream, 0, sequence_number, &payload),
                Act::Refuse(code) => answer(&mut stream, 1, sequence_number, &error_payload(code)),
                Act::Hold => hold(&mut stream, sequence_number, &mut held.lock().unwrap()),
                // The listener goes first, so that no further connection comes about.
                Act::Disconnect => return drop((listener, stream)),
            };
            let _ = log.send(());
            if is_sent.is_err() {
                break;
            }
        }
    }
}

fn hold(stream: &mut TcpStream, sequence_number: [u8; 4], held: &mut Held) -> io::Result<()> {
    if held.is_released {
        return answer(stream, 0, sequence_number, &[0x80]);
    }
    held.quests.push((stream.try_clone()?, sequence_number));
    Ok(())
}

/// Reads a two-way quest and returns its sequence number and its method.
fn read_quest(stream: &mut TcpStream) -> io::Result<([u8; 4], Vec<u8>)> {
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    assert_eq!((&header[..4], header[6]), (b"FPNN".as_slice(), 1), "not a two-way quest");
    let payload_len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
    let mut rest = vec![0; usize::from(header[7]) + payload_len];
    stream.read_exact(&mut rest)?;
    rest.truncate(header[7].into());
    Ok((header[12..].try_into().unwrap(), rest))
}

fn answer(stream: &mut TcpStream, status: u8, sequence_number: [u8; 4], payload: &[u8]) -> io::Result<()> {
    let payload_len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let header = [b"FPNN".as_slice(), &[1, 0x80, 2, status], &payload_len, &sequence_number].concat();
    stream.write_all(&[&header, payload].concat())
}

/// A text that would colour a terminal is part of it.
fn error_payload(code: i32) -> Vec<u8> {
    msgpack(&[("code", code.into()), ("ex", "not \u{1b}[31mnow".into())])
}

pub fn msgpack(entries: &[(&str, rmpv::Value)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &rmpv::Value::Map(entries)).unwrap();
    bytes
}
