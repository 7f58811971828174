//! Promise 8: a server that is back is used. A gate goes away for a while and comes back on its port. The table shows
//! how long after that the client's calls succeed again. Ignored, because it takes minutes: `cargo test --release
//! --features gate --test restart_table -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::Client;
use rtm_server_sdk::gate::Gate;

use common::fixtures::{self, PID, SECRET};
use common::watchdog::guarded_for;

const AWAY: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(12)];
const CALLS: [(&str, Option<Duration>); 3] =
    [("every 2 ms", Some(Duration::from_millis(2))), ("every second", Some(Duration::from_secs(1))), ("none", None)];
const ROUNDS: usize = 5;

fn start(address: &str) -> Gate {
    Gate::builder().project(PID, SECRET).bind(address).unwrap()
}

/// Makes a call in each `interval`, on a separate thread, until it is stopped.
fn keep_calling(client: &Client, interval: Duration, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (client, stop) = (client.clone(), Arc::clone(stop));
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let _ = client.get_room_members(1).call();
            thread::park_timeout(interval);
        }
    })
}

/// How long after the server's return the client is connected again and its next call succeeds.
fn time_to_service(away: Duration, interval: Option<Duration>) -> Duration {
    let gate = start("127.0.0.1:0");
    let endpoint = gate.endpoint().to_owned();
    let client = fixtures::builder(&endpoint).build().unwrap();
    client.get_room_members(1).call().unwrap();
    drop(gate);
    let stop = Arc::new(AtomicBool::new(false));
    let caller = interval.map(|interval| keep_calling(&client, interval, &stop));
    thread::sleep(away);
    let _gate = start(&endpoint);
    let back = Instant::now();
    common::eventually("the client is connected", || client.is_connected());
    client.get_room_members(1).call().unwrap();
    let time = back.elapsed();
    stop.store(true, Ordering::SeqCst);
    if let Some(caller) = caller {
        caller.thread().unpark();
        caller.join().unwrap();
    }
    time
}

fn print_row(away: &str, calls: &str, median: Duration, longest: Duration) {
    println!("{away:>10}  {calls:<12}  {:>5} ms  {:>5} ms", median.as_millis(), longest.as_millis());
}

#[test]
#[ignore = "takes four minutes"]
fn client_serves_again_within_two_seconds_of_its_servers_return() {
    guarded_for(Duration::from_secs(900), || {
        let mut all = Vec::new();
        println!("{:>10}  {:<12}  {:>8}  {:>8}", "away", "calls", "median", "longest");
        for away in AWAY {
            for (name, interval) in CALLS {
                let mut times: Vec<_> = (0..ROUNDS).map(|_| time_to_service(away, interval)).collect();
                times.sort_unstable();
                let (median, longest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
                print_row(&format!("{away:?}"), name, median, longest);
                all.extend(times);
            }
        }
        all.sort_unstable();
        let (median, longest) = (all[all.len() / 2], all[all.len() - 1]);
        print_row("all", "", median, longest);
        assert!(longest <= Duration::from_millis(2050), "the longest took {longest:?}");
        assert!(median <= Duration::from_secs(1), "half of them took more than {median:?}");
    });
}
