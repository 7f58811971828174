//! Calls that wait for the next connection.

use super::*;
use crate::error::Stage;

#[test]
fn waiting_call_outlasts_failed_attempts() {
    let mut rig = Rig::new();
    rig.waiting_call(1, 60 * SECOND);
    for _ in 0..5 {
        rig.fail_resolve();
        rig.pass(2 * SECOND);
    }
    assert_eq!(rig.codes(), []);
    assert_eq!(rig.resolves.len(), 6, "a client that was never connected goes on for a call that waits");
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    let seqs = rig.seen_seqs();
    rig.answer(seqs[0]);
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn waiting_call_made_while_the_policy_waits_is_sent_on_the_next_connection() {
    let mut rig = Rig::new();
    rig.call(0, SECOND);
    rig.fail_resolve();
    rig.outcomes.clear();
    rig.waiting_call(1, SECOND);
    rig.call(2, SECOND);
    assert_eq!(rig.codes(), [(2, 20012)]);
    rig.pass(50 * MILLI);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    assert_eq!(rig.seen().len(), 1);
}

#[test]
fn failed_attempt_fails_only_the_calls_that_do_not_wait() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.waiting_call(2, SECOND);
    rig.call(3, SECOND);
    rig.fail_resolve();
    assert_eq!(rig.codes(), [(1, 20012), (3, 20012)]);
}

#[test]
fn waiting_call_ends_at_its_own_deadline_without_having_been_sent() {
    let mut rig = Rig::new();
    rig.waiting_call(1, SECOND);
    rig.fail_resolve_until(SECOND);
    let error = rig.error();
    assert!(matches!(&error, Error::Timeout(error) if error.stage() == Stage::Connecting), "{error}");
    assert!(!error.may_have_executed());
    let attempts = rig.resolves.len();
    rig.pass(60 * SECOND);
    assert_eq!(rig.resolves.len(), attempts, "nobody waits any more");
}

#[test]
fn unsent_waiting_call_outlives_its_connection_but_a_sent_one_does_not() {
    let mut rig = Rig::online();
    for token in 1..=10_000 {
        rig.waiting_call(token, 60 * SECOND);
    }
    rig.hang_up();
    let failed = rig.codes();
    assert!(failed.len() < 5000 && failed.iter().all(|(_, code)| *code == 20002), "{} failed", failed.len());
    rig.pass(50 * MILLI);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    assert_eq!(rig.seen_seqs().len(), 10_000 - failed.len());
}

#[test]
fn disabled_policy_makes_attempts_while_a_call_waits() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::never());
    rig.waiting_call(1, SECOND);
    rig.fail_resolve_until(800 * MILLI);
    assert_eq!(rig.resolves.len(), 5, "after 50, 150, 350 and 750 ms");
    // No call fails because of a wait.
    rig.call(2, SECOND);
    assert_eq!(rig.resolves.len(), 6);
}

#[test]
fn without_auto_connect_a_waiting_call_waits_for_the_program_to_connect() {
    let mut rig = Rig::with(|settings| settings.auto_connect = false);
    rig.waiting_call(1, 10 * SECOND);
    rig.pass(SECOND);
    assert_eq!((rig.codes(), rig.resolves.len()), (vec![], 0));
    rig.connect();
    assert_eq!(rig.seen().len(), 1);
}

#[test]
fn closing_ends_waiting_calls() {
    let mut rig = Rig::new();
    rig.waiting_call(1, SECOND);
    rig.fail_resolve();
    rig.engine.handle_close(rig.now);
    rig.act();
    assert_eq!(rig.codes(), [(1, 20015)]);
}
