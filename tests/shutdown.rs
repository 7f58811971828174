//! `Client::shutdown` takes no new calls, waits for outcomes and callbacks, then closes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded};
use rtm_server_sdk::error::Stage;
use rtm_server_sdk::{Client, Error};

use common::answering::AnsweringServer;
use common::fixtures::{self, into};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::{PATIENCE, eventually, receive};

const SHORT: Duration = Duration::from_millis(100);
/// Fails a test that waits for all of it, before the watchdog does.
const LONG: Duration = Duration::from_secs(50);

/// Waits until calls are refused. Abandons those that still succeed.
fn await_refusal(client: &Client) {
    eventually("new calls are refused", || {
        matches!(client.add_room_member(9, 9).timeout(Duration::from_millis(5)).call(), Err(Error::Closed(_)))
    });
}

fn is_shutting_down(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::Timeout(timeout)) if timeout.stage() == Stage::ShuttingDown)
}

#[test]
fn shutdown_waits_for_outcomes_and_callbacks_and_accepts_no_calls() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let pending = client.add_room_member(1, 1).submit();
        let (release, released) = bounded::<()>(1);
        let has_run = Arc::new(AtomicBool::new(false));
        let ran = Arc::clone(&has_run);
        client.add_room_member(1, 2).callback(move |outcome| {
            outcome.unwrap();
            released.recv_timeout(PATIENCE).unwrap();
            ran.store(true, Ordering::SeqCst);
        });
        let connection = server.accept();
        let quests = connection.take(2);
        let ending = {
            let (client, has_run) = (client.clone(), Arc::clone(&has_run));
            thread::spawn(move || (client.shutdown(LONG), has_run.load(Ordering::SeqCst)))
        };
        await_refusal(&client);
        assert!(client.is_connected(), "it closed before the calls in flight had their answers");
        quests.iter().for_each(|quest| connection.answer(quest));
        pending.wait().unwrap();
        assert!(!ending.is_finished(), "it did not wait for the callback");
        release.send(()).unwrap();
        let (outcome, has_run) = ending.join().unwrap();
        outcome.unwrap();
        assert!(has_run);
        assert!(!client.is_connected());
    });
}

#[test]
fn shutdown_without_anything_to_wait_for_closes_at_once_and_twice() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        client.add_room_member(1, 1).call().unwrap();
        client.shutdown(LONG).unwrap();
        client.shutdown(Duration::ZERO).unwrap();
        assert!(matches!(client.add_room_member(1, 1).call(), Err(Error::Closed(_))));
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        assert!(matches!(receive(&outcomes, "the callback"), Err(Error::Closed(_))));
    });
}

#[test]
fn calls_that_outlast_the_shutdown_end_as_on_close() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        let pending = client.add_room_member(1, 2).submit();
        let connection = server.accept();
        connection.take(2);
        let outcome = client.shutdown(SHORT);
        assert!(is_shutting_down(&outcome), "{outcome:?}");
        assert!(matches!(pending.wait(), Err(Error::Closed(_))));
        assert!(matches!(receive(&outcomes, "the callback"), Err(Error::Closed(_))));
        connection.wait_closed();
    });
}

#[test]
fn shutdown_does_not_wait_beyond_its_time_for_a_callback_that_blocks() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        let (release, runs) = fixtures::call_with_blocking_callback(&client);
        receive(&runs, "the blocking callback");
        let outcome = client.shutdown(SHORT);
        assert!(is_shutting_down(&outcome), "{outcome:?}");
        drop(release);
    });
}

#[test]
fn shutdown_inside_a_callback_waits_for_outcomes_and_not_for_itself() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let (sender, ended) = unbounded();
        let inner = client.clone();
        client.add_room_member(1, 1).callback(move |_| _ = sender.send(inner.shutdown(LONG)));
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 2).callback(into(&sender));
        let connection = server.accept();
        let quests = connection.take(2);
        connection.answer(&quests[0]);
        await_refusal(&client);
        assert!(ended.is_empty(), "a call is still in flight");
        connection.answer(&quests[1]);
        receive(&ended, "the end of the shutdown").unwrap();
        receive(&outcomes, "the callback behind it").unwrap();
    });
}

#[test]
fn calls_that_wait_for_room_are_sent_away() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(1).build().unwrap();
        let pending = client.add_room_member(1, 1).submit();
        let connection = server.accept();
        let quest = connection.next();
        let waiting = {
            let client = client.clone();
            thread::spawn(move || client.add_room_member(1, 2).call())
        };
        let ending = {
            let client = client.clone();
            thread::spawn(move || client.shutdown(LONG))
        };
        assert!(matches!(waiting.join().unwrap(), Err(Error::Closed(_))));
        connection.answer(&quest);
        pending.wait().unwrap();
        ending.join().unwrap().unwrap();
    });
}
