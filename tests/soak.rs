//! Hours under random faults, from a fixed seed. Run by hand:
//! `RTM_SOAK_SECONDS=3600 cargo test --release --test soak -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Error, KeepAlive, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::proxy::{Direction, Fault, FaultProxy};
use common::tally::Executed;
use common::watchdog::guarded_for;
use common::{PATIENCE, eventually, fixtures, process};

const SEED: u64 = 20_261_123;
const THREADS: i64 = 16;

fn any_fault(k: usize) -> Fault {
    let mut random = fastrand::Rng::with_seed(SEED + k as u64);
    let direction = if random.bool() { Direction::ToServer } else { Direction::ToClient };
    let at = random.usize(..10_000);
    match random.u8(..10) {
        0 => Fault::CloseAtOnce,
        1 => Fault::ResetAtOnce,
        2 | 3 => Fault::Cut(direction, at),
        4 | 5 => Fault::Reset(direction, at),
        6 => Fault::Stall(direction, at),
        // The tests' server does not tolerate broken frames, so only the client receives some.
        7 => Fault::Flip(Direction::ToClient, at, random.u8(..8)),
        8 => Fault::RepeatBytes(Direction::ToClient, at, at + random.usize(1..40)),
        _ => Fault::Delay(direction, Duration::from_millis(random.u64(..5))),
    }
}

#[derive(Default)]
struct Books {
    made: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    callbacks_under_way: AtomicUsize,
}

impl Books {
    fn enter(&self, outcome: &Result<(), Error>) {
        match outcome {
            Ok(()) => &self.answered,
            Err(_) => &self.failed,
        }
        .fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes calls in all three ways, with timeouts of all lengths, until `end`. A flipped bit can turn one valid answer
/// into another, and a repeated number is dropped. So outcomes are counted but not judged.
fn call_until(end: Instant, client: &Client, rid: i64, books: &Arc<Books>) {
    let mut random = fastrand::Rng::with_seed(SEED ^ rid as u64);
    let mut uid = 0;
    while Instant::now() < end {
        uid += 1;
        books.made.fetch_add(1, Ordering::SeqCst);
        let timeout = Duration::from_micros(random.u64(1..500_000));
        let call = client.add_room_member(rid, uid).timeout(timeout);
        match random.u8(..3) {
            0 => books.enter(&call.call()),
            1 => books.enter(&call.submit().wait()),
            _ => {
                books.callbacks_under_way.fetch_add(1, Ordering::SeqCst);
                let theirs = Arc::clone(books);
                call.callback(move |outcome| {
                    theirs.enter(&outcome);
                    theirs.callbacks_under_way.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
    }
}

fn soak(time: Duration) {
    let executed = Executed::default();
    let server = AnsweringServer::with(executed.answer());
    let proxy = FaultProxy::start(server.address(), any_fault);
    let keep_alive =
        KeepAlive::default().interval(Duration::from_millis(100)).timeout(Duration::from_millis(100)).tries(2);
    let client = fixtures::builder(proxy.endpoint())
        .keep_alive(keep_alive)
        .reconnect(ReconnectPolicy::never())
        .max_in_flight(1_000)
        .build()
        .unwrap();
    let books = Arc::new(Books::default());
    let end = Instant::now() + time;
    let callers: Vec<_> = (0..THREADS)
        .map(|rid| {
            let (client, books) = (client.clone(), Arc::clone(&books));
            thread::spawn(move || call_until(end, &client, rid, &books))
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut told = Instant::now();
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(random.u64(..500)));
        // Not every fault ends its connection, but another connection is wanted.
        proxy.end_all();
        // What the server saw would accumulate here.
        drop(server.received());
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("{} connections, {:?}", proxy.accepted(), client.stats());
        }
    }
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    eventually("the last callbacks run", || books.callbacks_under_way.load(Ordering::SeqCst) == 0);
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (made, answered, failed) = (count(&books.made), count(&books.answered), count(&books.failed));
    println!(
        "{made} calls made, {answered} answered, {failed} failed, {} connections; peak memory {} MiB",
        proxy.accepted(),
        process::peak_memory() >> 20,
    );
    assert_eq!(answered + failed, made);
    let stats = client.stats();
    assert_eq!((stats.calls, stats.in_flight), (made, 0));
    let ended = stats.answered
        + stats.refused
        + stats.failed_timeout
        + stats.failed_closed
        + stats.failed_connect
        + stats.failed_queue_full
        + stats.failed_argument
        + stats.failed_cancelled;
    assert_eq!(ended, made, "{stats:?}");
    assert!(answered > 0 && proxy.struck() > 0);
}

#[test]
fn short_soak_loses_no_call() {
    guarded_for(PATIENCE * 3, || soak(Duration::from_secs(3)));
}

#[test]
#[ignore = "takes as long as RTM_SOAK_SECONDS says, 600 by default"]
fn soak_loses_no_call() {
    let seconds = std::env::var("RTM_SOAK_SECONDS").map_or(600, |seconds| seconds.parse().unwrap());
    guarded_for(Duration::from_secs(seconds) + PATIENCE * 3, move || soak(Duration::from_secs(seconds)));
}
