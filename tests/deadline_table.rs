//! Promise 2 as a table: how late calls end if the server does not answer, made in all three ways, many at once.
//!
//! Run it alone, in release mode, on an idle machine:
//! `cargo test --release --test deadline_table -- --ignored --nocapture --test-threads=1`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use rtm_server_sdk::{Client, Error, KeepAlive, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::dead_ends::BlackHole;
use common::fixtures;
use common::lossy_network;
use common::scripted::{Options, ScriptedServer};
use common::watchdog::guarded_for;

const THREADS: u64 = 8;
const CALLS: u64 = 60;

/// A call that timed out: its timeout, and how long it took.
struct TimedOut {
    timeout: Duration,
    elapsed: Duration,
}

/// Makes calls on several threads until all have ended. Returns those that timed out.
fn call_many(client: &Client) -> Vec<TimedOut> {
    let (sender, timed_out) = unbounded();
    let callers: Vec<_> = (0..THREADS)
        .map(|seed| {
            let (client, sender) = (client.clone(), sender.clone());
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for number in 0..CALLS {
                    let timeout = Duration::from_micros(random.u64(5_000..200_000));
                    let (started, sender) = (Instant::now(), sender.clone());
                    let tell = move |outcome: Result<_, Error>| {
                        if matches!(outcome, Err(Error::Timeout(_))) {
                            _ = sender.send(TimedOut { timeout, elapsed: started.elapsed() });
                        }
                    };
                    let call = client.get_room_info(1).timeout(timeout);
                    match number % 3 {
                        0 => tell(call.call()),
                        1 => tell(call.submit().wait()),
                        _ => {
                            let (done, is_done) = unbounded();
                            call.callback(move |outcome| {
                                tell(outcome);
                                _ = done.send(());
                            });
                            is_done.recv().unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    drop(sender);
    timed_out.iter().collect()
}

/// Prints a row of the table. No call may end early; how late calls may be must be judged on an idle machine.
fn report(server: &str, timed_out: &[TimedOut]) {
    let early = timed_out.iter().filter(|call| call.elapsed < call.timeout).count();
    let mut late: Vec<Duration> = timed_out.iter().map(|call| call.elapsed.saturating_sub(call.timeout)).collect();
    late.sort();
    assert!(!late.is_empty(), "{server}: no call timed out");
    let p99 = late[late.len() * 99 / 100];
    println!(
        "| {server} | {} | {early} | {:.1?} | {p99:.1?} | {:.1?} |",
        late.len(),
        late[late.len() / 2],
        late[late.len() - 1]
    );
    assert_eq!(early, 0, "{server}: calls ended before their deadlines");
}

fn client(endpoint: String) -> Client {
    fixtures::builder(endpoint).keep_alive(KeepAlive::disabled()).reconnect(ReconnectPolicy::never()).build().unwrap()
}

#[test]
#[ignore = "measures: needs an idle machine"]
fn calls_end_at_their_deadlines_whatever_the_server_does() {
    guarded_for(Duration::from_secs(240), || {
        println!(
            "| server | timed out | early | median late | p99 late | worst late |\n| --- | --- | --- | --- | --- | --- |"
        );
        let silent = AnsweringServer::with(|_| None);
        report("silent: reads, and never answers", &call_many(&client(silent.endpoint())));

        let stopped = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let calling = client(stopped.endpoint());
        // More than the kernels' buffers hold, so that the measured calls wait to be sent.
        let info = "x".repeat(65_535);
        let _fill: Vec<_> = (0..200).map(|rid| calling.set_room_info(rid, Some(&info), None).submit()).collect();
        report("stopped: takes no bytes", &call_many(&calling));

        let hole = BlackHole::new();
        report("black hole: cannot be connected to", &call_many(&client(hole.endpoint())));
    });
}

/// Runs itself again in a separate network namespace, whose loopback loses 30 % of all packets.
#[test]
#[ignore = "measures, and needs network namespaces: see tests/common/lossy_network.rs"]
fn calls_end_at_their_deadlines_with_30_percent_loss() {
    if !lossy_network::is_inside() {
        let outcome = lossy_network::run_again_inside("calls_end_at_their_deadlines_with_30_percent_loss");
        return outcome.unwrap_or_else(|reason| println!("skipped: no lossy network can be made here: {reason}"));
    }
    guarded_for(Duration::from_secs(240), || {
        let server = AnsweringServer::start();
        report("answers, over a network that loses 30 %", &call_many(&client(server.endpoint())));
    });
}
