//! The engine on simulated time: no socket, no clock, no thread.

mod clock_correction;
mod connecting;
mod large_answers;
mod listening;
mod outage;
mod pacing;
mod reconnecting;
mod traffic;
mod wait_for_ready;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Action, ConnectionInfo, Counters, DialId, Engine, NewCall, Outcome, Settings, Stats};
use crate::config::{KeepAlive, ReconnectPolicy};
use crate::error::Error;
use crate::fpnn::{Decoder, Frame, FrameWriter, MethodName};
use crate::rtm::methods::listen::set_listen;
use crate::rtm::{Signer, UnsignedQuest};

const SECOND: Duration = Duration::from_secs(1);
/// Any method name.
const METHOD: MethodName<'static> = MethodName::literal("getroominfo");
const MILLI: Duration = Duration::from_millis(1);

/// An engine, its simulated clock, and what it requested.
struct Rig {
    engine: Engine<u32>,
    counters: Arc<Counters>,
    now: Instant,
    start: Instant,
    outcomes: Vec<(u32, Outcome)>,
    resolves: Vec<u64>,
    dials: Vec<(DialId, SocketAddr)>,
    opened: Vec<ConnectionInfo>,
    ended: Vec<(ConnectionInfo, Option<Error>)>,
    hang_ups: usize,
    /// What listeners were told, in words.
    told: Vec<String>,
    /// The server's time, as the engine passed it on.
    server_times: Vec<i64>,
    /// Whether the server's time differs from this machine's.
    clock_is_off: bool,
    /// What the engine wrote, decoded as the server does.
    server: Decoder,
}

/// A quest as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Quest { seq: Option<u32>, method: String },
    Answer { seq: u32, status: u8 },
}

/// The token of a call that its caller has given up.
const GIVEN_UP: u32 = u32::MAX - 1;

impl super::Token for u32 {
    fn begin_sending(&self) -> bool {
        *self != GIVEN_UP
    }
}

impl Rig {
    fn new() -> Rig {
        Rig::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Rig {
        Rig::seeded(7, change)
    }

    /// Creates a rig whose engine has its random numbers determined by `seed`.
    fn seeded(seed: u64, change: impl FnOnce(&mut Settings)) -> Rig {
        let mut settings = Settings {
            endpoint: "rtm.test:13315".into(),
            connect_timeout: 30 * SECOND,
            auto_connect: true,
            reconnect: ReconnectPolicy::default().jitter(0.0),
            keep_alive: KeepAlive::default(),
            correct_clock: true,
            max_payload: 1024 * 1024,
            max_rate: None,
            #[cfg(feature = "encryption")]
            encryption: None,
        };
        change(&mut settings);
        let counters = Arc::new(Counters::default());
        let now = Instant::now();
        Rig {
            engine: Engine::new(settings, Arc::clone(&counters), seed),
            counters,
            now,
            start: now,
            outcomes: Vec::new(),
            resolves: Vec::new(),
            dials: Vec::new(),
            opened: Vec::new(),
            ended: Vec::new(),
            hang_ups: 0,
            told: Vec::new(),
            server_times: Vec::new(),
            clock_is_off: true,
            server: Decoder::new(1024 * 1024),
        }
    }

    fn online() -> Rig {
        let mut rig = Rig::new();
        rig.connect();
        rig
    }

    /// Carries out the engine's actions, as far as that needs no server.
    fn act(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Complete(token, outcome) => self.outcomes.push((token, outcome)),
                Action::Resolve(attempt) => self.resolves.push(attempt),
                Action::Dial(dial, address) => self.dials.push((dial, address)),
                Action::Disconnect => {
                    self.hang_ups += 1;
                    self.server = Decoder::new(1024 * 1024);
                }
                Action::Opened(info) => self.opened.push(info),
                Action::Ended(info, error) => self.ended.push((info, error)),
                Action::AskToListen(listen) => {
                    let frame = set_listen(&listen).sign(&Signer::new(1, "secret"), 1, 1);
                    self.engine.handle_listen_quest(self.now, frame);
                }
                Action::CompareClocks { server_ms } => {
                    self.server_times.push(server_ms);
                    self.engine.handle_clocks_compared(self.now, self.clock_is_off);
                }
                Action::Granted { connection, listener } => {
                    self.told.push(format!("{connection}: {} granted", listener.0));
                }
                Action::Refused { connection, listener, .. } => {
                    self.told.push(format!("{connection}: {} refused", listener.0));
                }
                Action::Pushed { connection, pushes } => {
                    for (method, payload) in pushes.iter() {
                        self.told.push(format!("{connection}: {method:?} of {} bytes", payload.len()));
                    }
                }
            }
        }
    }

    /// Advances the simulated time, stopping whenever the engine is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.engine.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.act();
        }
        self.now = end;
    }

    fn call(&mut self, token: u32, timeout: Duration) {
        self.make_call(token, timeout, false);
    }

    /// Makes a call that waits for the next connection.
    fn waiting_call(&mut self, token: u32, timeout: Duration) {
        self.make_call(token, timeout, true);
    }

    fn make_call(&mut self, token: u32, timeout: Duration, wait_for_ready: bool) {
        let signer = Signer::new(1, "secret");
        let frame = UnsignedQuest::new(METHOD).sign(&signer, 1, 1);
        let call = NewCall { frame, deadline: self.now + timeout, timeout, wait_for_ready, token };
        self.engine.handle_call(self.now, call);
        self.act();
    }

    fn resolve(&mut self, addresses: &[&str]) {
        let attempt = *self.resolves.last().expect("the engine asked for a name");
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.engine.handle_resolved(self.now, attempt, Ok(addresses));
        self.act();
    }

    fn fail_resolve(&mut self) {
        let attempt = *self.resolves.last().expect("the engine asked for a name");
        self.engine.handle_resolved(self.now, attempt, Err(io::ErrorKind::NotFound.into()));
        self.act();
    }

    /// Advances the time while every attempt fails at once.
    fn fail_resolve_until(&mut self, end: Duration) {
        let mut failed = 0;
        loop {
            while failed < self.resolves.len() {
                failed = self.resolves.len();
                self.fail_resolve();
            }
            if self.elapsed() >= end {
                return;
            }
            self.pass(MILLI);
        }
    }

    fn dialed(&mut self) -> bool {
        let (dial, peer) = *self.dials.last().expect("the engine dialed");
        let is_wanted = self.engine.handle_dialed(self.now, dial, peer);
        self.act();
        is_wanted
    }

    fn refuse(&mut self) {
        let (dial, _) = *self.dials.last().expect("the engine dialed");
        self.engine.handle_dial_failed(self.now, dial, io::ErrorKind::ConnectionRefused.into());
        self.act();
    }

    /// Connects with a `client.connect()` of token 0, and removes its outcome.
    fn connect(&mut self) {
        self.engine.handle_connect(self.now, 0);
        self.act();
        self.resolve(&["192.0.2.1:13315"]);
        assert!(self.dialed());
        assert!(matches!(self.outcomes.pop(), Some((0, Ok(_)))));
    }

    /// Makes a call that the server answers.
    fn serve_one_call(&mut self) {
        self.call(u32::MAX, SECOND);
        let seq = *self.seen_seqs().last().expect("the call was sent");
        self.answer(seq);
        assert!(matches!(self.outcomes.pop(), Some((u32::MAX, Ok(_)))));
    }

    fn is_ready(&self) -> bool {
        matches!(self.engine.state, super::State::Ready(_))
    }

    /// The server closes the connection.
    fn hang_up(&mut self) {
        self.engine.handle_eof(self.now);
        self.act();
    }

    /// Returns what has reached the server since the last call.
    fn seen(&mut self) -> Vec<Seen> {
        while let Some(output) = self.engine.output() {
            let len = output.len().min(self.server.space().len());
            self.server.space()[..len].copy_from_slice(&output[..len]);
            self.server.advance(len);
            self.engine.handle_written(self.now, len);
        }
        let mut seen = Vec::new();
        while let Some(message) = self.server.next_frame().expect("the engine writes sound frames") {
            seen.push(match message {
                Frame::Quest(quest) => {
                    Seen::Quest { seq: quest.seq, method: String::from_utf8(quest.method.to_vec()).unwrap() }
                }
                Frame::Answer(answer) => Seen::Answer { seq: answer.seq, status: answer.status },
            });
        }
        seen
    }

    /// Returns the sequence numbers of the calls that have reached the server.
    fn seen_seqs(&mut self) -> Vec<u32> {
        let seqs = self.seen().into_iter().filter_map(|seen| match seen {
            Seen::Quest { seq, .. } => seq,
            Seen::Answer { .. } => None,
        });
        seqs.collect()
    }

    fn receive(&mut self, bytes: &[u8]) {
        let space = self.engine.input().expect("there is a connection");
        space[..bytes.len()].copy_from_slice(bytes);
        self.engine.handle_received(self.now, bytes.len());
        self.act();
    }

    fn answer(&mut self, seq: u32) {
        let mut bytes = Vec::new();
        FrameWriter::answer(&mut bytes, seq, 0).finish();
        self.receive(&bytes);
    }

    fn stats(&self) -> Stats {
        self.counters.read(0)
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Returns the outcomes so far, each as the token and the error code, or 0 for a result.
    fn codes(&mut self) -> Vec<(u32, i32)> {
        let code = |outcome: Outcome| outcome.map_or_else(|error| error.code().value(), |_| 0);
        self.outcomes.drain(..).map(|(token, outcome)| (token, code(outcome))).collect()
    }

    fn error(&mut self) -> Error {
        match self.outcomes.pop() {
            Some((_, Err(error))) => error,
            other => panic!("expected an error, got {other:?}"),
        }
    }
}
