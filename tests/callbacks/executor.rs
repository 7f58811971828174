//! Callbacks that run in the user's executor.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, unbounded};
use rtm_server_sdk::Client;

use crate::common::answering::AnsweringServer;
use crate::common::fixtures::{self, into};
use crate::common::watchdog::guarded;
use crate::common::{PATIENCE, receive};

pub type Job = Box<dyn FnOnce() + Send>;

fn with_executor(server: &AnsweringServer) -> (Client, Receiver<Job>) {
    let (sender, jobs) = unbounded();
    let executor = move |job| _ = sender.send(job);
    (fixtures::builder(server.endpoint()).callback_executor(executor).build().unwrap(), jobs)
}

#[test]
fn executor_runs_callbacks_where_the_user_wants() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (client, jobs) = with_executor(&server);
        let (sender, outcomes) = unbounded();
        client.is_ban_of_room(1, 2).callback(move |outcome| {
            _ = sender.send((thread::current().id(), outcome));
        });
        let job = receive(&jobs, "a job");
        assert!(outcomes.is_empty(), "the callback ran before its job");
        // The executor holds the job, and calls continue.
        client.add_room_member(1, 2).call().unwrap();
        job();
        let (thread, outcome) = outcomes.try_recv().unwrap();
        assert_eq!((thread, outcome.unwrap()), (thread::current().id(), true));
    });
}

#[test]
fn blocked_executor_does_not_stall_calls() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (release, released) = bounded::<()>(0);
        let executor = move |job: Job| {
            _ = released.recv_timeout(PATIENCE);
            job();
        };
        let client = fixtures::builder(server.endpoint()).callback_executor(executor).build().unwrap();
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        for uid in 0..20 {
            client.add_room_member(1, uid).call().unwrap();
        }
        assert!(outcomes.is_empty());
        drop(release);
        receive(&outcomes, "the callback").unwrap();
    });
}

/// Returns the best of several tries, because a busy machine may delay any one of them.
#[test]
fn dropping_a_client_does_not_wait_for_jobs_that_its_own_thread_would_run() {
    guarded(|| {
        let server = AnsweringServer::start();
        let drop_one = || {
            let (client, jobs) = with_executor(&server);
            let (sender, outcomes) = unbounded();
            client.add_room_member(1, 1).callback(into(&sender));
            let job = receive(&jobs, "a job");
            let started = std::time::Instant::now();
            drop(client);
            let elapsed = started.elapsed();
            job();
            receive(&outcomes, "the callback").unwrap();
            elapsed
        };
        let fastest = (0..5).map(|_| drop_one()).min().unwrap();
        assert!(fastest < Duration::from_millis(250), "dropping took {fastest:?}");
    });
}
