//! Random sequences of events for the client's engine, on simulated time.
//!
//! Whatever happens, each call ends once, by its deadline, and does not time out earlier. No call gets another's
//! answer. A connection never sees a sequence number twice. A call reported as not sent was not sent. The server pushes
//! what is granted, and the bytes of all frames are released.

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtm_server_sdk::engine::{
    Action, Counters, DialId, Engine, ListenerId, NewCall, NewSubscription, Outcome, Settings, Token,
};
use rtm_server_sdk::fpnn::{FrameWriter, MethodName};
use rtm_server_sdk::rtm::methods::listen::{Listen, set_listen};
use rtm_server_sdk::rtm::{Signer, UnsignedQuest};
use rtm_server_sdk::{Error, KeepAlive, ReconnectPolicy};

use super::simulated_time::advance;
use server::{Server, token_in};

/// Any method name.
const METHOD: MethodName<'static> = MethodName::literal("getroominfo");
/// More steps find nothing more.
const MOST_STEPS: usize = 400;

pub fn check(data: &[u8]) {
    let [settings, rest @ ..] = data else { return };
    let mut simulation = Simulation::new(*settings);
    for step in rest.chunks_exact(2).take(MOST_STEPS) {
        simulation.step(step[0], step[1]);
        simulation.do_what_is_asked();
    }
    simulation.close();
}

/// Represents a waiting caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter(u32);

impl Token for Waiter {
    fn begin_sending(&self) -> bool {
        true
    }
}

/// The promise to a caller.
#[derive(Debug)]
struct Promise {
    /// `None` for callers that wait for a connection: they wait for as long as connecting may take.
    deadline: Option<Instant>,
    is_call: bool,
}

/// An engine, its driver, and a server.
struct Simulation {
    engine: Engine<Waiter>,
    now: Instant,
    server: Server,
    open: BTreeMap<Waiter, Promise>,
    last_waiter: u32,
    /// The room of each listener that still exists.
    rooms: BTreeMap<ListenerId, i64>,
    granted: BTreeSet<ListenerId>,
    last_listener: u64,
    resolves: Vec<u64>,
    dials: Vec<DialId>,
    /// Bytes of submitted frames, less those released.
    held_bytes: usize,
}

impl Simulation {
    fn new(settings: u8) -> Simulation {
        let reconnect = match settings & 3 {
            0 => ReconnectPolicy::default(),
            1 => ReconnectPolicy::regressive(),
            _ => ReconnectPolicy::never(),
        };
        let settings = Settings {
            endpoint: "rtm.test:13315".into(),
            connect_timeout: Duration::from_secs(10),
            auto_connect: settings & 4 == 0,
            reconnect,
            keep_alive: if settings & 8 == 0 { KeepAlive::default() } else { KeepAlive::disabled() },
            correct_clock: true,
            max_payload: 4096,
            max_rate: (settings & 16 != 0).then_some(20),
            encryption: None,
        };
        Simulation {
            engine: Engine::new(settings, Arc::new(Counters::default()), 7),
            now: Instant::now(),
            server: Server::default(),
            open: BTreeMap::new(),
            last_waiter: 0,
            rooms: BTreeMap::new(),
            granted: BTreeSet::new(),
            last_listener: 0,
            resolves: Vec::new(),
            dials: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Executes the event `kind` with the details `detail`.
    fn step(&mut self, kind: u8, detail: u8) {
        let now = self.now;
        match kind % 16 {
            0..=2 => self.call(detail),
            4 => {
                let waiter = self.wait(None, false);
                self.engine.handle_connect(now, waiter);
            }
            5 => self.resolve(detail),
            6 | 7 => self.dial(detail),
            8 | 9 => self.write(usize::from(detail) * 64 + 1),
            3 | 10 => self.receive(|server| server.next_answer(detail)),
            11 => self.receive(|server| server.mischief(detail)),
            12 => self.pass(Duration::from_millis(1 << (detail % 14))),
            13 => self.listen(detail),
            14 if detail < 32 => self.engine.handle_eof(now),
            14 if detail < 64 => self.engine.handle_io_error(now, io::ErrorKind::ConnectionReset.into()),
            14 => self.receive(|server| server.next_answer(detail)),
            _ => self.engine.handle_reading_paused(now),
        }
    }

    fn wait(&mut self, deadline: Option<Instant>, is_call: bool) -> Waiter {
        self.last_waiter += 1;
        let waiter = Waiter(self.last_waiter);
        self.open.insert(waiter, Promise { deadline, is_call });
        waiter
    }

    fn call(&mut self, detail: u8) {
        let timeout = Duration::from_millis(u64::from(detail % 32) * 200);
        let deadline = self.now + timeout;
        let token = self.wait(Some(deadline), true);
        let mut frame = Vec::new();
        let mut writer = FrameWriter::two_way_quest(&mut frame, 0, METHOD);
        let filler = vec![b'x'; if detail % 32 == 31 { 8192 } else { 8 }];
        let _ = writer.params().int("token", token.0.into()).bin("filler", &filler);
        writer.finish();
        self.held_bytes += frame.len();
        let wait_for_ready = detail >= 128;
        self.engine.handle_call(self.now, NewCall { frame, deadline, timeout, wait_for_ready, token });
    }

    fn listen(&mut self, detail: u8) {
        if detail % 4 == 0 {
            let listener = ListenerId(u64::from(detail / 4) % (self.last_listener + 1));
            self.granted.remove(&listener);
            return self.engine.handle_unlisten(self.now, listener);
        }
        let timeout = Duration::from_millis(u64::from(detail) * 20);
        let deadline = self.now + timeout;
        let token = self.wait(Some(deadline), false);
        self.last_listener += 1;
        let room = i64::from(detail % 8);
        let listen = Arc::new(Listen::new().room(room));
        let id = ListenerId(self.last_listener);
        self.rooms.insert(id, room);
        let wait_for_ready = detail >= 128;
        self.engine.handle_listen(self.now, NewSubscription { id, listen, deadline, timeout, wait_for_ready, token });
    }

    fn resolve(&mut self, detail: u8) {
        let Some(attempt) = self.resolves.pop() else { return };
        let addresses = (0..detail % 4).map(|host| ([192, 0, 2, host], 13315).into()).collect();
        let result = if detail < 200 { Ok(addresses) } else { Err(io::ErrorKind::NotFound.into()) };
        self.engine.handle_resolved(self.now, attempt, result);
    }

    fn dial(&mut self, detail: u8) {
        if self.dials.is_empty() {
            return;
        }
        let dial = self.dials.swap_remove(usize::from(detail) % self.dials.len());
        if detail % 4 == 0 {
            return self.engine.handle_dial_failed(self.now, dial, io::ErrorKind::ConnectionRefused.into());
        }
        if self.engine.handle_dialed(self.now, dial, ([192, 0, 2, 1], 13315).into()) {
            self.server = Server::default();
        }
    }

    /// The socket accepts up to `most` bytes.
    fn write(&mut self, most: usize) {
        let Some(output) = self.engine.output() else { return };
        let taken = output.len().min(most);
        for seen in self.server.receive(&output[..taken]) {
            assert!(self.open.contains_key(&Waiter(seen)) || seen <= self.last_waiter, "{seen} was never handed in");
            assert!(!self.server.was_denied(seen), "call {seen} was said not to have been sent, and was");
        }
        self.engine.handle_written(self.now, taken);
    }

    fn receive(&mut self, what: impl FnOnce(&mut Server) -> Vec<u8>) {
        let Some(space) = self.engine.input() else { return };
        let bytes = what(&mut self.server);
        let taken = bytes.len().min(space.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        self.engine.handle_received(self.now, taken);
    }

    /// Advances the time, stopping whenever the engine is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        advance(self, end, |simulation| (&mut simulation.engine, &mut simulation.now), Self::do_what_is_asked);
        let is_late = |promise: &Promise| promise.deadline.is_some_and(|deadline| deadline <= end);
        assert!(!self.open.values().any(is_late), "a call outlives its deadline: {:?}", self.open);
    }

    fn do_what_is_asked(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Complete(waiter, outcome) => self.complete(waiter, outcome),
                Action::Resolve(attempt) => self.resolves.push(attempt),
                Action::Dial(dial, _) => self.dials.push(dial),
                Action::AskToListen(listen) => {
                    let quest: UnsignedQuest = set_listen(&listen);
                    self.engine.handle_listen_quest(self.now, quest.sign(&Signer::new(1, "secret"), 1, 1));
                }
                Action::Disconnect => self.granted.clear(),
                Action::Granted { listener, .. } => _ = self.granted.insert(listener),
                Action::Refused { listener, .. } => assert!(!self.granted.contains(&listener), "{listener:?} has both"),
                Action::CompareClocks { server_ms } => self.engine.handle_clocks_compared(self.now, server_ms % 2 == 0),
                _ => {}
            }
        }
        for listener in &self.granted {
            assert!(self.server.pushes(self.rooms[listener]), "{listener:?} is granted what is not pushed");
        }
        let released = self.engine.take_released();
        self.held_bytes = self.held_bytes.checked_sub(released).expect("more was given back than was handed in");
    }

    fn complete(&mut self, waiter: Waiter, outcome: Outcome) {
        let promise = self.open.remove(&waiter).expect("each waiter has one outcome");
        match outcome {
            Ok(answer) if promise.is_call => assert_eq!(token_in(&answer.payload), Some(waiter.0), "another's answer"),
            Ok(_) => {}
            Err(Error::Timeout(timeout)) => {
                let is_early = promise.deadline.is_some_and(|deadline| self.now < deadline);
                assert!(!is_early, "{waiter:?} timed out before its deadline: {timeout}");
            }
            Err(Error::Answer(_)) if promise.is_call => {
                assert!(self.server.has_refused(waiter.0), "another's refusal: {waiter:?}");
            }
            Err(error) if promise.is_call && !error.may_have_executed() => self.server.deny(waiter.0),
            Err(_) => {}
        }
    }

    fn close(mut self) {
        self.engine.handle_close(self.now);
        self.do_what_is_asked();
        assert!(self.open.is_empty(), "without an outcome: {:?}", self.open);
        assert_eq!(self.held_bytes, 0, "bytes of frames are still counted");
    }
}
