//! The client against the local gate, which checks signatures, salts and time stamps. Under load, and while the gate is
//! killed and comes back on its port, the gate's own count agrees with the outcomes of the calls.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, Error, ReconnectPolicy};

use common::fixtures::{self, PID, SECRET};
use common::watchdog::guarded_for;

const THREADS: i64 = 16;

fn start(address: &str) -> Gate {
    Gate::builder().project(PID, SECRET).bind(address).unwrap()
}

struct Made {
    at: Instant,
    outcome: Result<(), Error>,
}

fn call_until(stop: &AtomicBool, client: &Client, rid: i64) -> Vec<Made> {
    let mut made = Vec::new();
    for uid in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let at = Instant::now();
        let outcome = match uid % 2 {
            0 => client.add_room_member(rid, uid).call(),
            _ => client.add_room_member(rid, uid).submit().wait(),
        };
        made.push(Made { at, outcome });
    }
    made
}

#[test]
fn gate_that_is_killed_and_comes_back_loses_no_call_and_sees_none_twice() {
    guarded_for(Duration::from_secs(120), || {
        let mut gate = start("127.0.0.1:0");
        let endpoint = gate.endpoint().to_owned();
        let client = fixtures::builder(&endpoint).reconnect(ReconnectPolicy::never()).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..THREADS)
            .map(|rid| {
                let (client, stop) = (client.clone(), Arc::clone(&stop));
                thread::spawn(move || call_until(&stop, &client, rid))
            })
            .collect();
        let mut executed_before = 0;
        let mut last_start = Instant::now();
        for _ in 0..5 {
            common::eventually("calls are answered", || gate.stats().executed("addroommember") > 200);
            // At least as many, because some may be executed between this and the end of the gate.
            executed_before += gate.stats().executed("addroommember");
            drop(gate);
            let failed = client.stats().failed_connect;
            common::eventually("calls fail", || client.stats().failed_connect > failed);
            gate = start(&endpoint);
            last_start = Instant::now();
        }
        common::eventually("calls are answered", || gate.stats().executed("addroommember") > 200);
        stop.store(true, Ordering::SeqCst);
        let made: Vec<Made> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();

        let (mut answered, mut may, mut answered_by_the_last) = (0, 0, 0);
        for Made { at, outcome } in &made {
            match outcome {
                Ok(()) => answered += 1,
                Err(error) if [20_002, 20_012].contains(&error.code().value()) => {
                    may += u64::from(error.may_have_executed());
                }
                Err(error) => panic!("the gate refused a call: {error:?}"),
            }
            answered_by_the_last += u64::from(outcome.is_ok() && *at > last_start);
        }
        let executed_by_the_last = gate.stats().executed("addroommember");
        assert!(executed_before + executed_by_the_last <= answered + may, "some were executed twice");
        assert!(answered_by_the_last <= executed_by_the_last, "some were answered and not executed");
        // Each call has its own user, so a call that was executed twice shows as a missing member.
        let rids: Vec<i64> = (0..THREADS).collect();
        let members: i64 = client.get_room_count(&rids).call().unwrap().values().sum();
        assert_eq!(members as u64, executed_by_the_last);
        assert!(answered > 5 * 200);
    });
}
