//! The engine and the listeners, between a server that pushes and users that come and go, on simulated time.

mod promises;
mod pushing;
mod reading;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtm_server_sdk::engine::{Action, Counters, Engine, NewSubscription, Settings, Token};
use rtm_server_sdk::listeners_internals::OfflineListeners;
use rtm_server_sdk::rtm::methods::listen::set_listen;
use rtm_server_sdk::rtm::{PushMethod, Signer};
use rtm_server_sdk::{KeepAlive, ReconnectPolicy, Stage, Target};

use super::super::simulated_time::advance;
use super::model_listener::ModelListener;
use super::server::{Reply, Server};
use super::subscription::{Items, asked_for, listen, subscription};
use reading::Reading;

pub use pushing::History;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of a `setlisten` if new listeners wait behind it.
const PATIENCE: Duration = Duration::from_secs(1);
const QUEUES: [usize; 4] = [1, 3, 16, 1024];

/// Represents a caller that waits for the first grant; 0 for one that waits for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiter(u64);

/// The timeout of a first grant.
#[derive(Debug, Clone, Copy)]
struct Starting {
    deadline: Instant,
    timeout: Duration,
}

impl Token for Waiter {
    fn begin_sending(&self) -> bool {
        true
    }
}

pub struct Simulation {
    engine: Engine<Waiter>,
    /// The listeners of the library.
    listeners: OfflineListeners,
    now: Instant,
    server: Server,
    /// Whether connecting fails.
    is_down: bool,
    /// Whether the server answers each `setlisten` at once.
    is_prompt: bool,
    /// Whether the server refuses nothing and answers everything.
    is_lenient: bool,
    forbidden: Items,
    /// What was forbidden when the server last refused.
    refused_for: Items,
    /// The `setlisten`s that the engine has made but the server has not seen.
    asked: VecDeque<Items>,
    /// When the engine last asked, if it has had no answer since.
    asking_since: Option<Instant>,
    /// When a listener ended last for want of an answer, or was dropped while calls waited for it.
    gave_up_at: Option<Instant>,
    /// Until when the engine pauses before it asks again.
    is_put_off: bool,
    /// The model of each listener, by number.
    models: BTreeMap<u64, ModelListener>,
    /// The callers that wait for a first grant.
    starting: BTreeMap<u64, Starting>,
    /// The number of the connection, and of the last one that listeners have noticed.
    connection: u64,
    entered: u64,
    /// Pushes on their way to the listeners.
    pushed: VecDeque<(PushMethod, Vec<u8>)>,
    /// The messages that were pushed to any listener.
    seen: BTreeSet<(Target, i64, i64)>,
    history: History,
    /// The pages being read.
    readings: VecDeque<Reading>,
    last_mid: i64,
    /// Payloads that were pushed before.
    payloads: Vec<(usize, Vec<u8>)>,
    began: Instant,
}

impl Simulation {
    pub fn new(settings: u8) -> Simulation {
        let counters = Arc::new(Counters::default());
        let now = Instant::now();
        let reconnect = if settings & 1 == 0 { ReconnectPolicy::default() } else { ReconnectPolicy::never() };
        let engine_settings = Settings {
            endpoint: "rtm.test:13315".into(),
            connect_timeout: CONNECT_TIMEOUT,
            auto_connect: true,
            reconnect,
            keep_alive: KeepAlive::disabled(),
            correct_clock: false,
            max_payload: 64 * 1024,
            max_rate: None,
            encryption: None,
        };
        Simulation {
            engine: Engine::new(engine_settings, Arc::clone(&counters), 7),
            listeners: OfflineListeners::new(counters),
            now,
            server: Server::default(),
            is_down: false,
            is_prompt: settings & 2 == 0,
            is_lenient: settings & 4 == 0,
            forbidden: Items::new(),
            refused_for: Items::new(),
            asked: VecDeque::new(),
            asking_since: None,
            gave_up_at: None,
            is_put_off: false,
            models: BTreeMap::new(),
            starting: BTreeMap::new(),
            connection: 0,
            entered: 0,
            pushed: VecDeque::new(),
            seen: BTreeSet::new(),
            history: History::new(settings),
            readings: VecDeque::new(),
            last_mid: 0,
            payloads: Vec::new(),
            began: now,
        }
    }

    /// What `kind` stands for happens; `detail` says how.
    pub fn step(&mut self, kind: u8, detail: u8) {
        match kind % 16 {
            0 | 1 => self.start(detail),
            2 => self.drop_listener(detail),
            5 if self.history.loses_messages && detail % 4 == 1 => self.delete(detail),
            3..=5 => self.send_message(detail),
            6 => self.push_other(detail),
            7 => self.push_again(detail),
            8 | 9 => self.take_pushes(detail),
            10 => self.read(detail),
            11 => self.answer(detail),
            12 => self.advance(Duration::from_millis(1 << (detail % 14))),
            13 => self.lose_connection(detail),
            _ => self.change_rules(detail),
        }
        self.run_engine();
    }

    fn start(&mut self, detail: u8) {
        let subscription = subscription(detail);
        let (queue, fills_gaps) = (QUEUES[usize::from(detail / 16) % 4], detail >= 128);
        let listen = Arc::new(listen(&subscription));
        let listener = self.listeners.add(Arc::clone(&listen), fills_gaps, queue).expect("nothing is closed");
        let id = listener.id();
        self.models.insert(id.0, ModelListener::new(listener, subscription, fills_gaps, queue));
        let timeout = Duration::from_secs(1 + u64::from(detail % 8) * 3);
        let deadline = self.now + timeout;
        self.starting.insert(id.0, Starting { deadline, timeout });
        let wait_for_ready = detail % 3 == 0;
        let subscription = NewSubscription { id, listen, deadline, timeout, wait_for_ready, token: Waiter(id.0) };
        self.engine.handle_listen(self.now, subscription);
    }

    /// A user drops a listener.
    fn drop_listener(&mut self, detail: u8) {
        let at = usize::from(detail).checked_rem(self.models.len()).unwrap_or_default();
        if let Some(id) = self.models.keys().nth(at).copied() {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(model) = self.models.remove(&id) else { return };
        self.listeners.remove(&model.listener);
        assert!(model.listener.is_over(), "a listener that is gone has something left");
        if self.engine.stage() == Stage::Listening {
            // Calls wait for the answer, and need not if all are gone whom it is for.
            self.gave_up_at = Some(self.now);
        }
        self.engine.handle_unlisten(self.now, model.listener.id());
    }

    fn take_pushes(&mut self, detail: u8) {
        let count = self.models.len();
        let at = usize::from(detail % 16).checked_rem(count).unwrap_or_default();
        if let Some(model) = self.models.values_mut().nth(at) {
            model.take_pushes(usize::from(detail / 16) + 1, &self.history);
        }
    }

    /// The server answers a `setlisten`.
    fn answer(&mut self, detail: u8) {
        let reply = match detail % 8 {
            _ if self.is_lenient => Reply::Decide,
            0..=4 => Reply::Decide,
            5 | 6 => Reply::NotNow(detail / 8),
            _ => Reply::Nothing { is_done: detail >= 128 },
        };
        self.answer_with(reply);
    }

    fn answer_with(&mut self, reply: Reply) {
        self.refused_for.clone_from(&self.forbidden);
        let bytes = self.server.answer(reply, &self.forbidden);
        // If the engine has given up on the quest, the answer has no effect.
        if !bytes.is_empty() && !self.server.is_asked() {
            let since = self.asking_since.take();
            self.is_put_off = matches!(reply, Reply::NotNow(_)) || since.is_some_and(|since| self.has_given_up(since));
        }
        self.receive(&bytes);
    }

    fn change_rules(&mut self, detail: u8) {
        match detail % 8 {
            0 | 1 => self.is_prompt = detail < 128,
            2 | 3 => self.is_down = detail < 64,
            _ if self.is_lenient => {}
            4 => self.forbidden.clear(),
            _ => self.forbidden.extend(subscription(detail / 8)),
        }
    }

    fn lose_connection(&mut self, detail: u8) {
        match detail % 2 {
            0 => self.engine.handle_eof(self.now),
            _ => self.engine.handle_io_error(self.now, io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Feeds bytes to the engine, and passes every push in them to the listeners at once.
    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(space) = self.engine.input() else { return };
            let taken = space.len().min(bytes.len());
            space[..taken].copy_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            self.engine.handle_received(self.now, taken);
            self.run_engine();
        }
    }

    /// Advances the time, stopping whenever the engine is due.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        advance(self, end, |simulation| (&mut simulation.engine, &mut simulation.now), Self::run_engine);
        let late = self.starting.values().find(|starting| starting.deadline <= end);
        assert!(late.is_none(), "a listener that starts outlives its deadline");
    }

    /// Carries out the engine's actions until there are none left.
    fn run_engine(&mut self) {
        loop {
            if let Some(action) = self.engine.next_action() {
                self.carry_out(action);
            } else if let Some(output) = self.engine.output() {
                self.server.receive(output, &mut self.asked);
                let written = output.len();
                self.engine.handle_written(self.now, written);
            } else if self.is_prompt && self.server.is_asked() && self.engine.input().is_some() {
                self.answer_with(Reply::Decide);
            } else {
                break;
            }
        }
        self.server.check_answers();
        self.check_granted();
    }

    fn carry_out(&mut self, action: Action<Waiter>) {
        self.expect(&action);
        match self.listeners.carry_out(action, self.now) {
            Some(Action::Complete(waiter, outcome)) => self.complete(waiter, outcome),
            Some(Action::Resolve(attempt)) => {
                let address = ([192, 0, 2, 1], 13315).into();
                self.engine.handle_resolved(self.now, attempt, Ok(vec![address]));
            }
            Some(Action::Dial(dial, _)) if self.is_down => {
                self.engine.handle_dial_failed(self.now, dial, io::ErrorKind::ConnectionRefused.into());
            }
            Some(Action::Dial(dial, address)) => {
                // Before the engine continues, because it then subscribes at once.
                self.forget_connection();
                self.connection += 1;
                assert!(self.engine.handle_dialed(self.now, dial, address), "an address is dialed once");
            }
            Some(Action::Disconnect) => self.forget_connection(),
            Some(Action::AskToListen(listen)) => {
                let is_free = self.asking_since.is_none_or(|since| self.has_given_up(since));
                assert!(is_free, "two `setlisten`s at once");
                self.asking_since = Some(self.now);
                self.is_put_off = false;
                self.asked.push_back(asked_for(&listen));
                let quest = set_listen(&listen).sign(&Signer::new(1, "secret"), 1, 1);
                self.engine.handle_listen_quest(self.now, quest);
            }
            _ => {}
        }
    }

    /// Whether the engine may stop waiting for the answer to what it asked at that time.
    fn has_given_up(&self, asking_since: Instant) -> bool {
        self.now >= asking_since + PATIENCE || self.gave_up_at.is_some_and(|at| at >= asking_since)
    }

    fn forget_connection(&mut self) {
        self.server = Server::default();
        self.asked.clear();
        (self.asking_since, self.is_put_off) = (None, false);
        self.pushed.clear();
        self.models.values_mut().for_each(|model| model.verdict = None);
    }
}
