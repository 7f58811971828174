//! A gate, proxies in front of it that cut connections, clients, and the threads that use them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtm_server_sdk::gate::{Curve, Gate, GateKey};
use rtm_server_sdk::{CipherMode, Client, Encryption, KeepAlive, ReconnectPolicy};

use crate::callers::Caller;
use crate::common::fixtures::{self, PID, SECRET};
use crate::common::process::spawn;
use crate::common::proxy::{Direction, Fault, FaultProxy};
use crate::executors::{self, Workers};
use crate::ledger::{Ledger, Totals};

const CLIENTS: u64 = 4;
const CALLERS: u64 = 46;
const LISTENERS: u64 = 4;

pub struct World {
    gate: Gate,
    proxies: Vec<FaultProxy>,
    clients: Vec<Client>,
    threads: Vec<JoinHandle<()>>,
    workers: Workers,
    ledger: Arc<Ledger>,
    is_over: Arc<AtomicBool>,
    random: fastrand::Rng,
}

/// Usually no fault, so that calls get through too.
fn any_fault(seed: u64) -> Fault {
    let mut random = fastrand::Rng::with_seed(seed);
    let direction = if random.bool() { Direction::ToServer } else { Direction::ToClient };
    let at = random.usize(..50_000);
    match random.u8(..10) {
        0 => Fault::CloseAtOnce,
        1 => Fault::Cut(direction, at),
        2 => Fault::Reset(direction, at),
        3 => Fault::Stall(direction, at),
        4 => Fault::Flip(Direction::ToClient, at, random.u8(..8)),
        5 => Fault::RepeatBytes(Direction::ToClient, at, at + random.usize(1..40)),
        6 => Fault::Split(direction, random.usize(1..50)),
        _ => Fault::None,
    }
}

impl World {
    pub fn start(seed: u64) -> World {
        let mut random = fastrand::Rng::with_seed(seed);
        let key = GateKey::generate(Curve::Secp256k1).unwrap();
        let encryption = Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap();
        let gate = Gate::builder().project(PID, SECRET).key(key).bind("127.0.0.1:0").unwrap();
        let mut world = World {
            gate,
            proxies: Vec::new(),
            clients: Vec::new(),
            threads: Vec::new(),
            workers: Workers::new(),
            ledger: Arc::default(),
            is_over: Arc::default(),
            random: random.fork(),
        };
        for number in 0..CLIENTS {
            let encryption = match number % 4 {
                0 => Some(encryption.clone()),
                1 => Some(encryption.clone().mode(CipherMode::Package)),
                _ => None,
            };
            world.add_client(encryption, &mut random);
        }
        world
    }

    fn add_client(&mut self, encryption: Option<Encryption>, random: &mut fastrand::Rng) {
        let seed = random.u64(..1 << 60);
        let proxy = FaultProxy::start(self.gate.local_addr(), move |k| any_fault(seed + k as u64));
        let short = Duration::from_millis(50);
        let builder = fixtures::builder(proxy.endpoint())
            .keep_alive(KeepAlive::default().interval(short).timeout(short).tries(2))
            .reconnect(if random.bool() { ReconnectPolicy::default() } else { ReconnectPolicy::never() })
            .max_in_flight(random.usize(1..100));
        let builder = match encryption {
            Some(encryption) => builder.encryption(encryption),
            None => builder,
        };
        let (builder, workers) = executors::install(builder, random);
        let client = builder.build().unwrap();
        let caller = |seed| Caller {
            client: client.clone(),
            ledger: Arc::clone(&self.ledger),
            is_over: Arc::clone(&self.is_over),
            seed,
        };
        for number in 0..CALLERS {
            let caller = caller(seed ^ number);
            self.threads.push(spawn("caller", move || caller.call_on()));
        }
        for number in 0..LISTENERS {
            let caller = caller(seed ^ (CALLERS + number));
            self.threads.push(spawn("listener", move || caller.listen_on()));
        }
        self.workers.extend(workers);
        self.clients.push(client);
        self.proxies.push(proxy);
    }

    /// Lets it all run, with pushes, and with connections that end.
    pub fn run_for(&self, time: Duration) {
        let mut random = self.random.clone();
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.gate.push_event("login", random.i64(..));
            std::thread::sleep(Duration::from_micros(random.u64(..5000)));
            if random.u8(..50) == 0 {
                self.proxies[random.usize(..self.proxies.len())].end_all();
            }
        }
    }

    /// Ends the clients, each in its own way, while they are in use; then everything else.
    pub fn end(mut self) -> Totals {
        for client in self.clients.drain(..) {
            match self.random.u8(..4) {
                0 => client.close(),
                1 => _ = client.shutdown(Duration::from_millis(self.random.u64(..100))),
                // Its threads hold it until they end.
                _ => drop(client),
            }
        }
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let totals = self.ledger.settle();
        self.workers.into_iter().for_each(|worker| worker.join().unwrap());
        totals
    }
}
