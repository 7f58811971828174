//! A limit on calls per second, over sockets. The engine's tests check its precise effect on simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use rtm_server_sdk::error::Stage;
use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, ClientBuilder, Error};

use common::answering::AnsweringServer;
use common::fixtures::{self, PID, SECRET, into};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::{SOON, receive};

fn connected(builder: ClientBuilder) -> Client {
    builder.connect().unwrap()
}

#[test]
fn server_with_a_limit_refuses_no_call_of_a_client_that_keeps_well_below_it() {
    const CALLS: u32 = 120;
    const RATE: u32 = 40;
    guarded(|| {
        // Without its own limit, the client would have calls refused, because there are more than the gate accepts in a
        // second.
        let gate = Gate::builder().project(PID, SECRET).calls_per_second(100).bind("127.0.0.1:0").unwrap();
        let client = connected(fixtures::builder(gate.endpoint()).max_rate(RATE));
        let began = Instant::now();
        let (sender, outcomes) = unbounded();
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (client, sender) = (client.clone(), sender.clone());
                std::thread::spawn(move || {
                    for uid in 0..i64::from(CALLS / 4) {
                        let call = client.add_room_member(caller, uid + 1);
                        match caller {
                            0 => sender.send(call.call()).unwrap(),
                            1 => sender.send(call.submit().wait()).unwrap(),
                            _ => call.callback(into(&sender)),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..CALLS {
            receive(&outcomes, "the outcome of a call").unwrap();
        }
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let shortest = Duration::from_secs((CALLS / RATE - 1).into());
        assert!(began.elapsed() >= shortest, "{CALLS} calls in {:?}", began.elapsed());
    });
}

#[test]
fn calls_go_in_the_order_in_which_they_were_made_in_all_three_ways() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = connected(fixtures::builder(server.endpoint()).max_rate(20));
        let (sender, outcomes) = unbounded();
        for round in 0..3 {
            client.add_room_member(1, round * 3).callback(into(&sender));
            let pending = client.add_room_member(1, round * 3 + 1).submit();
            client.add_room_member(1, round * 3 + 2).call().unwrap();
            pending.wait().unwrap();
            receive(&outcomes, "the callback").unwrap();
        }
        let uids: Vec<i64> = (0..9).map(|_| server.next().int("uid")).collect();
        assert_eq!(uids, (0..9).collect::<Vec<_>>());
    });
}

#[test]
fn call_without_the_time_to_wait_for_its_turn_is_not_sent() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = connected(fixtures::builder(server.endpoint()).max_rate(1));
        let connection = server.accept();
        let first = client.add_room_member(1, 1).submit();
        connection.answer(&connection.next());
        first.wait().unwrap();
        let (sender, outcomes) = unbounded();
        let short = Duration::from_millis(20);
        client.add_room_member(1, 2).timeout(short).callback(into(&sender));
        let pending = client.add_room_member(1, 3).timeout(short).submit();
        for outcome in
            [client.add_room_member(1, 4).timeout(short).call(), pending.wait(), receive(&outcomes, "the callback")]
        {
            let error = outcome.unwrap_err();
            assert!(!error.may_have_executed());
            assert!(matches!(&error, Error::Timeout(timeout) if timeout.stage() == Stage::WaitingForTurn), "{error:?}");
        }
        let next = client.add_room_member(1, 5).submit();
        let quest = connection.next();
        assert_eq!(quest.int("uid"), 5, "a call was sent that had failed");
        connection.answer(&quest);
        next.wait().unwrap();
    });
}

#[test]
fn limit_that_is_lifted_lets_waiting_calls_go() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = connected(fixtures::builder(server.endpoint()).max_rate(1));
        // At the old rate, they would take longer than the test may.
        let pending: Vec<_> = (0..200).map(|uid| client.add_room_member(1, uid).submit()).collect();
        let clone = client.clone();
        clone.set_max_rate(None);
        pending.into_iter().for_each(|pending| pending.wait().unwrap());
        client.close();
        client.set_max_rate(Some(1));
    });
}

#[test]
fn shutdown_waits_for_calls_that_wait_for_their_turn() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = connected(fixtures::builder(server.endpoint()).max_rate(50));
        let pending: Vec<_> = (0..20).map(|uid| client.add_room_member(1, uid).submit()).collect();
        client.shutdown(SOON).unwrap();
        pending.into_iter().for_each(|pending| pending.wait().unwrap());
    });
}
