//! Listeners come and go while the gate is cut off and killed: every message is seen once and in order, or covered by a
//! gap.
#![cfg(feature = "gate")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, ErrorCode, Listen, Listener, NewMessage, Push};

use common::fixtures::{PID, SECRET, builder};
use common::watchdog::guarded_for;

const ROOMS: [i64; 2] = [42, 43];
const SENDERS_PER_ROOM: usize = 2;
const LISTENERS: usize = 20;
const BETWEEN_MESSAGES: Duration = Duration::from_millis(3);

/// The state shared by the threads of a run.
struct Run {
    endpoint: String,
    /// For each sender, the last message that it has begun to send.
    begun: [[AtomicI64; SENDERS_PER_ROOM]; ROOMS.len()],
    sending_is_over: AtomicBool,
    /// For each room and sender, the last message of all; set before `sending_is_over`.
    last: [[AtomicI64; SENDERS_PER_ROOM]; ROOMS.len()],
    messages: AtomicUsize,
    gaps: AtomicUsize,
    lives: AtomicUsize,
}

fn serve(address: &str) -> Gate {
    let begun = Instant::now();
    loop {
        match Gate::builder().project(PID, SECRET).bind(address) {
            Ok(gate) => return gate,
            Err(error) => assert!(begun.elapsed() < common::PATIENCE, "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The sender's id, in a room.
fn uid(sender: usize) -> i64 {
    1001 + sender as i64
}

/// Sends one message with a fixed id until it is accepted.
fn send(client: &Client, rid: i64, from: i64, number: i64) {
    let message = NewMessage::chat(number.to_string());
    loop {
        match client.send_room_message(rid, from, &message).timeout(Duration::from_secs(2)).call() {
            Ok(_) => return,
            Err(error) if error.code() == ErrorCode::RTM_EC_DUPLICATED_MID => return,
            Err(error) if error.code() == 200_040 => _ = client.add_room_member(rid, from).call(),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn sender(run: &Arc<Run>, room: usize, sender: usize, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (run, stop) = (Arc::clone(run), Arc::clone(stop));
    thread::spawn(move || {
        let client = builder(&run.endpoint).build().unwrap();
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            number += 1;
            run.begun[room][sender].store(number, Ordering::SeqCst);
            send(&client, ROOMS[room], uid(sender), number);
            thread::sleep(BETWEEN_MESSAGES);
        }
        // One more now that the gate stays up. Every listener gets it, as a push or from the history.
        run.begun[room][sender].store(number + 1, Ordering::SeqCst);
        send(&client, ROOMS[room], uid(sender), number + 1);
        run.last[room][sender].store(number + 1, Ordering::SeqCst);
    })
}

/// What one listener has seen of one sender.
#[derive(Clone, Copy)]
struct Seen {
    /// The last message. At first, this is the last one begun before the subscription, which need not be seen.
    last: i64,
    is_first: bool,
    /// Whether a gap followed it.
    may_miss: bool,
}

/// The life of one listener, checked as it goes.
struct Life<'a> {
    run: &'a Run,
    room: usize,
    seen: [Seen; SENDERS_PER_ROOM],
}

impl Life<'_> {
    fn new(run: &Run, room: usize) -> Life<'_> {
        let begun = std::array::from_fn(|sender| Seen {
            last: run.begun[room][sender].load(Ordering::SeqCst),
            is_first: true,
            may_miss: false,
        });
        Life { run, room, seen: begun }
    }

    fn take(&mut self, push: &Push) {
        match push {
            Push::Message(message) => {
                let number: i64 = message.body.as_str().unwrap().parse().unwrap();
                let seen = &mut self.seen[(message.from - 1001) as usize];
                let is_new = number > seen.last || seen.is_first;
                assert!(is_new, "{number} after {}, of {}", seen.last, message.from);
                assert!(
                    number <= seen.last + 1 || seen.may_miss,
                    "{number} after {} without a gap, of {} in room {}",
                    seen.last,
                    message.from,
                    ROOMS[self.room]
                );
                *seen = Seen { last: number, is_first: false, may_miss: false };
                self.run.messages.fetch_add(1, Ordering::Relaxed);
            }
            Push::Gap(_) => {
                self.seen.iter_mut().for_each(|seen| seen.may_miss = true);
                self.run.gaps.fetch_add(1, Ordering::Relaxed);
            }
            push => panic!("{push:?}"),
        }
    }

    /// Whether everything ever sent has been seen.
    fn is_complete(&self) -> bool {
        let last = &self.run.last[self.room];
        (0..SENDERS_PER_ROOM).all(|sender| self.seen[sender].last >= last[sender].load(Ordering::SeqCst))
    }
}

fn start(client: &Client, room: usize) -> Listener {
    let _note = common::watchdog::waiting_for("the server to agree");
    loop {
        let listening = client.listen(Listen::new().room(ROOMS[room])).fill_gaps(true).queue(100_000);
        match listening.timeout(Duration::from_secs(2)).start() {
            Ok(listener) => return listener,
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Listens with one listener after the other. The last one continues until everything has been seen.
fn listener(run: &Arc<Run>, client: Client, number: usize) -> JoinHandle<()> {
    let run = Arc::clone(run);
    thread::spawn(move || {
        let room = number % ROOMS.len();
        let mut random = fastrand::Rng::with_seed(number as u64);
        loop {
            let is_last = number < ROOMS.len() || run.sending_is_over.load(Ordering::SeqCst);
            let listener = start(&client, room);
            let mut life = Life::new(&run, room);
            let end = Instant::now() + Duration::from_millis(random.u64(200..3000));
            while (is_last && !(run.sending_is_over.load(Ordering::SeqCst) && life.is_complete()))
                || (!is_last && Instant::now() < end)
            {
                let _note = common::watchdog::waiting_for(format!("a push for listener {number}"));
                if let Some(push) = listener.recv_timeout(Duration::from_millis(20)).unwrap() {
                    life.take(&push);
                }
            }
            run.lives.fetch_add(1, Ordering::Relaxed);
            if is_last {
                return;
            }
        }
    })
}

fn soak(time: Duration, between_faults: Duration) {
    let mut gate = Some(serve("127.0.0.1:0"));
    let endpoint = gate.as_ref().unwrap().endpoint().to_owned();
    let run = Arc::new(Run {
        endpoint: endpoint.clone(),
        begun: Default::default(),
        sending_is_over: AtomicBool::new(false),
        last: Default::default(),
        messages: AtomicUsize::new(0),
        gaps: AtomicUsize::new(0),
        lives: AtomicUsize::new(0),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<Client> = (0..3).map(|_| builder(&endpoint).build().unwrap()).collect();
    let listeners: Vec<_> =
        (0..LISTENERS).map(|number| listener(&run, clients[number % clients.len()].clone(), number)).collect();
    let senders: Vec<_> = (0..ROOMS.len())
        .flat_map(|room| (0..SENDERS_PER_ROOM).map(move |number| (room, number)))
        .map(|(room, number)| sender(&run, room, number, &stop))
        .collect();
    let begun = Instant::now();
    let mut faults = 0;
    while begun.elapsed() < time {
        thread::sleep(between_faults);
        faults += 1;
        if faults % 3 == 0 {
            // After it is killed, its rooms and their histories are gone.
            drop(gate.take());
            gate = Some(serve(&endpoint));
        } else if let Some(gate) = &gate {
            gate.disconnect_all();
        }
    }
    stop.store(true, Ordering::SeqCst);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    run.sending_is_over.store(true, Ordering::SeqCst);
    // Listeners that start only now have nothing to wait for.
    listeners.into_iter().for_each(|listener| listener.join().unwrap());
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{} messages in {} lives, {} gaps, {faults} faults",
        count(&run.messages),
        count(&run.lives),
        count(&run.gaps)
    );
    assert!(count(&run.messages) > 0 && count(&run.lives) >= LISTENERS);
}

#[test]
fn every_message_is_seen_once_and_in_order_or_named_by_a_gap() {
    guarded_for(Duration::from_secs(120), || soak(Duration::from_secs(6), Duration::from_millis(500)));
}

/// `cargo test --all-features --release --test soak_listening -- --ignored --nocapture five_minutes`
#[test]
#[ignore = "takes five minutes"]
fn five_minutes_of_listeners_that_come_and_go() {
    guarded_for(Duration::from_secs(600), || soak(Duration::from_secs(300), Duration::from_secs(2)));
}
