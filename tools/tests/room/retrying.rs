//! Bulk runs through trouble: lost connections, outcomes in doubt, servers that limit calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::fake::{Act, FakeServer};
use super::tool::{done, done_with, gate, rows, run, tool};

/// Loses its connection twice on the way.
fn unreliable_server() -> FakeServer {
    FakeServer::start(|quest| if quest == 200 || quest == 400 { Act::Drop } else { Act::done() })
}

#[test]
fn rows_in_doubt_are_tried_again_when_that_is_asked_for() {
    let server = unreliable_server();
    let args = ["bulk", "add", "-", "--window", "50", "--retry-uncertain", "--json"];
    let summary = run(tool(&server.endpoint(), &args), &rows(600)).expect(0).json();
    assert_eq!((&summary["done"], &summary["failed"]), (&600.into(), &0.into()));
    assert!(summary["tried_again"].as_u64().unwrap() >= 2);
}

#[test]
fn rows_in_doubt_fail_otherwise_and_the_numbers_add_up() {
    let server = unreliable_server();
    let args = ["bulk", "add", "-", "--window", "50", "--json"];
    let summary = run(tool(&server.endpoint(), &args), &rows(600)).expect(1).json();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("done") + count("failed"), 600);
    assert_eq!(summary["failed_by_code"]["20002"], count("failed"));
    assert!(count("failed") >= 2, "{summary}");
}

#[test]
fn messages_of_a_file_are_said_each_once() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let file = "room,user,text\n42,1001,one\n42,1001,\"two, with a comma\"\n42,1001,三\n";
    done_with(&gate, &["bulk", "say", "-", "--window", "1"], file);
    let history = done(&gate, &["history", "42"]);
    let texts: Vec<_> = history.lines().map(|line| line.split('\t').nth(4).unwrap()).collect();
    assert_eq!(texts, ["one", "two, with a comma", "三"]);
}

#[test]
fn message_that_was_taken_the_first_time_counts_as_done() {
    let server = FakeServer::start(|quest| match quest {
        1 => Act::Drop,
        2 => Act::Refuse(200_053),
        _ => Act::done(),
    });
    let args = ["bulk", "say", "-", "--window", "1", "--retry-uncertain", "--json"];
    let summary = run(tool(&server.endpoint(), &args), "42,1001,one\n42,1001,two\n").expect(0).json();
    assert_eq!((&summary["done"], &summary["tried_again"]), (&2.into(), &1.into()));
}

#[test]
fn message_id_that_was_used_by_another_is_a_failure() {
    let server = FakeServer::start(|_| Act::Refuse(200_053));
    let args = ["bulk", "say", "-", "--retry-uncertain", "--json"];
    let summary = run(tool(&server.endpoint(), &args), "42,1001,one\n").expect(1).json();
    assert_eq!(summary["failed_by_code"]["200053"], 1);
}

/// What a server with a limit refused: how many calls, in how many seconds.
#[derive(Default)]
struct Refusals {
    calls: AtomicU64,
    seconds: AtomicU64,
}

/// Takes `limit` calls in each second that begins with a call.
fn limited_server(limit: usize, refusals: Arc<Refusals>) -> FakeServer {
    let mut second = (Instant::now(), 0);
    FakeServer::start(move |_| {
        if second.0.elapsed() >= Duration::from_secs(1) {
            second = (Instant::now(), 0);
        }
        second.1 += 1;
        if second.1 <= limit {
            return Act::done();
        }
        refusals.calls.fetch_add(1, Ordering::SeqCst);
        refusals.seconds.fetch_add(u64::from(second.1 == limit + 1), Ordering::SeqCst);
        Act::Refuse(200_010)
    })
}

#[test]
fn server_that_limits_calls_gets_every_row() {
    const WINDOW: u64 = 50;
    /// One at a time, each a tenth of a second behind the outcome of the last.
    const PROBES: u64 = 10;
    let refusals = Arc::new(Refusals::default());
    let server = limited_server(500, Arc::clone(&refusals));
    let args = ["bulk", "add", "-", "--window", &WINDOW.to_string(), "--json"];
    let summary = run(tool(&server.endpoint(), &args), &rows(1200)).expect(0).json();
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!((count("done"), count("failed")), (1200, 0));
    // On a machine that makes fewer calls than the server takes, there are none.
    let [refused, seconds] = [&refusals.calls, &refusals.seconds].map(|counter| counter.load(Ordering::SeqCst));
    assert_eq!(count("over_the_rate"), refused);
    // What was in flight when a second's first call was refused, and probes.
    assert!(refused <= seconds * (WINDOW + PROBES), "{refused} in {seconds} seconds: {summary}");
}

#[test]
fn rate_that_is_given_is_not_exceeded() {
    let server = FakeServer::start(|_| Act::done());
    let started = Instant::now();
    let args = ["bulk", "add", "-", "--rate", "100", "--json"];
    let summary = run(tool(&server.endpoint(), &args), &rows(151)).expect(0).json();
    assert_eq!(summary["done"], 151);
    assert!(started.elapsed() >= Duration::from_millis(1450), "{:?}", started.elapsed());
}

#[test]
fn rows_wait_for_a_server_that_comes_back() {
    use super::tool::{PID, Run, SECRET};
    use rtm_server_sdk::gate::Gate;

    let gate = gate();
    let endpoint = gate.endpoint().to_owned();
    let args = ["bulk", "add", "-", "--window", "8", "--retry-uncertain", "--json", "-v"];
    let mut bulk = Run::start(tool(&endpoint, &args));
    bulk.write("42,oops\n");
    bulk.wait_for_stderr("\"line\":1,");
    drop(gate);
    bulk.write(&rows(100));
    bulk.wait_for_stderr("failures in a row: 3");
    let gate = Gate::builder().project(PID.parse().unwrap(), SECRET).bind(&endpoint).unwrap();
    let summary = bulk.finish().expect(1).json();
    assert_eq!((&summary["done"], &summary["failed"]), (&100.into(), &1.into()));
    assert_eq!(done(&gate, &["count", "42"]), "42\t100\n");
}
