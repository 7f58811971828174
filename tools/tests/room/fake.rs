//! A server that answers, refuses, keeps silent or hangs up to order.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rmpv::Value;

use super::codec::{self, Packet, Splitter, TWO_WAY};

/// No test waits longer for a quest.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do with a quest.
pub enum Act {
    /// Answers with this map.
    Answer(Value),
    /// Answers with an error of this code.
    Refuse(i32),
    /// Answers with an empty map once the test says so.
    Hold,
    /// Answers with an error of this code once the test says so.
    HoldThenRefuse(i32),
    /// Stops listening, then closes the connection.
    Disconnect,
    /// Closes the connection alone.
    Drop,
}

impl Act {
    /// Answers with an empty map.
    pub fn done() -> Act {
        Act::Answer(codec::map([]))
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
    answers: Vec<(TcpStream, Vec<u8>)>,
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
        for (mut stream, answer) in held.answers.drain(..) {
            let _ = stream.write_all(&answer);
        }
    }
}

/// One connection after the other: the tool has one.
fn serve(listener: TcpListener, mut act: impl FnMut(usize) -> Act, log: &Sender<()>, held: &Mutex<Held>) {
    let mut count = 0;
    while let Ok((mut stream, _)) = listener.accept() {
        let mut received = Splitter::default();
        while let Ok(quest) = read_quest(&mut stream, &mut received) {
            let seq = quest.seq();
            if quest.method == "*ping" {
                let _ = stream.write_all(&codec::empty_answer(seq));
                continue;
            }
            count += 1;
            let is_sent = match act(count) {
                Act::Answer(result) => stream.write_all(&codec::answer(seq, &result)),
                Act::Refuse(code) => stream.write_all(&refusal(seq, code)),
                Act::Hold => hold(&mut stream, codec::empty_answer(seq), &mut held.lock().unwrap()),
                Act::HoldThenRefuse(code) => hold(&mut stream, refusal(seq, code), &mut held.lock().unwrap()),
                // The listener goes first, so that no further connection comes about.
                Act::Disconnect => return drop((listener, stream)),
                Act::Drop => break,
            };
            let _ = log.send(());
            if is_sent.is_err() {
                break;
            }
        }
    }
}

/// A text that would colour a terminal is part of it.
fn refusal(seq: u32, code: i32) -> Vec<u8> {
    codec::error_answer(seq, code.into(), "not \u{1b}[31mnow")
}

fn hold(stream: &mut TcpStream, answer: Vec<u8>, held: &mut Held) -> io::Result<()> {
    if held.is_released {
        return stream.write_all(&answer);
    }
    held.answers.push((stream.try_clone()?, answer));
    Ok(())
}

fn read_quest(stream: &mut TcpStream, received: &mut Splitter) -> io::Result<Packet> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(packet) = received.next() {
            assert_eq!(packet.mtype, TWO_WAY);
            return Ok(packet);
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => received.push(&buffer[..len]),
        }
    }
}
