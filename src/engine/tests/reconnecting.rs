//! Losing a connection, and reconnecting.

use super::*;
use crate::error::CloseReason;

#[test]
fn calls_in_flight_fail_with_the_connection() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    rig.seen();
    rig.call(2, SECOND);
    rig.hang_up();
    let may_have_executed: Vec<_> =
        rig.outcomes.iter().map(|(_, outcome)| outcome.as_ref().unwrap_err().may_have_executed()).collect();
    assert_eq!(may_have_executed, [true, false], "the second never left");
    assert_eq!(rig.codes(), [(1, 20002), (2, 20002)]);
}

#[test]
fn end_of_an_idle_connection_is_reported_without_a_call() {
    let mut rig = Rig::online();
    rig.hang_up();
    let (_, Some(error)) = &rig.ended[0] else { panic!("{:?}", rig.ended) };
    assert_eq!(error.to_string(), "the connection ended: the server closed it");
}

#[test]
fn client_reconnects_without_a_call() {
    let mut rig = Rig::online();
    rig.pass(2 * SECOND);
    rig.hang_up();
    rig.pass(SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    assert!(rig.opened[1].is_reconnect());
    assert_eq!((rig.opened[1].number(), rig.ended[0].0.lived()), (2, 2 * SECOND));
}

#[test]
fn call_right_after_a_loss_reconnects_at_once() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::regressive());
    rig.connect();
    rig.pass(20 * MILLI);
    rig.hang_up();
    rig.call(1, SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    let seqs = rig.seen_seqs();
    rig.answer(seqs[0]);
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn client_that_was_never_connected_does_not_connect_on_its_own() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.fail_resolve();
    rig.pass(600 * SECOND);
    assert_eq!(rig.resolves.len(), 1);
}

#[test]
fn regressive_policy_waits_longer_for_a_server_that_closes_at_once() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::regressive().jitter(0.0));
    rig.connect();
    let mut attempts = Vec::new();
    while rig.elapsed() < 600 * SECOND {
        rig.hang_up();
        let before = rig.resolves.len();
        while rig.resolves.len() == before {
            rig.pass(100 * MILLI);
        }
        attempts.push(rig.elapsed().as_secs_f64());
        rig.resolve(&["192.0.2.1:1"]);
        rig.dialed();
    }
    let waits: Vec<_> = attempts.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
    assert_eq!(waits[..10], [0.0, 0.0, 0.0, 2.0, 26.0, 49.0, 73.0, 96.0, 120.0, 120.0]);
}

#[test]
fn call_made_while_the_policy_waits_fails_at_once_with_the_remaining_wait() {
    let mut rig = Rig::with(|settings| {
        settings.reconnect = ReconnectPolicy::default().first_delay(2 * SECOND).jitter(0.0);
    });
    rig.call(1, SECOND);
    rig.fail_resolve();
    rig.outcomes.clear();
    rig.pass(500 * MILLI);
    rig.call(2, SECOND);
    let error = rig.error();
    assert!(matches!(&error, Error::NotConnected(error) if error.retry_after() == Some(1500 * MILLI)), "{error}");
    assert!(error.to_string().contains("could not be resolved"), "{error}");
    // After the wait, a call connects again.
    rig.pass(1500 * MILLI);
    rig.call(3, SECOND);
    assert_eq!(rig.resolves.len(), 2);
}

#[test]
fn connect_does_not_wait_for_the_policy() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::regressive().free_failures(0));
    rig.call(1, SECOND);
    rig.fail_resolve();
    rig.outcomes.clear();
    rig.connect();
    assert!(rig.is_ready());
}

#[test]
fn long_lived_connection_resets_the_failures() {
    let mut rig = Rig::with(|settings| {
        settings.reconnect = ReconnectPolicy::regressive().free_failures(1).jitter(0.0);
    });
    rig.connect();
    rig.pass(1500 * MILLI);
    rig.hang_up();
    rig.call(1, SECOND);
    assert_eq!(rig.codes(), []);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    rig.hang_up();
    rig.call(2, SECOND);
    assert_eq!(rig.codes(), [(1, 20002), (2, 20012)]);
}

#[test]
fn disabled_policy_leaves_reconnecting_to_calls() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::never());
    rig.connect();
    rig.hang_up();
    rig.pass(600 * SECOND);
    assert_eq!(rig.resolves.len(), 1);
    rig.call(1, SECOND);
    assert_eq!(rig.resolves.len(), 2);
}

#[test]
fn disabled_policy_does_not_connect_for_expired_calls() {
    let mut rig = Rig::with(|settings| settings.reconnect = ReconnectPolicy::never());
    rig.connect();
    // More calls than the out-buffer accepts if the server does not read.
    for token in 0..10_000 {
        rig.call(token, SECOND);
    }
    rig.pass(SECOND);
    assert_eq!(rig.outcomes.len(), 10_000);
    rig.hang_up();
    rig.call(1, Duration::ZERO);
    rig.pass(SECOND);
    assert_eq!(rig.resolves.len(), 1);
}

#[test]
fn dead_peer_is_detected_after_the_interval_and_three_tries() {
    let mut rig = Rig::online();
    rig.pass(35 * SECOND - MILLI);
    assert_eq!(rig.seen().len(), 3);
    assert_eq!(rig.ended.len(), 0);
    rig.pass(MILLI);
    let (_, error) = &rig.ended[0];
    let Some(Error::ConnectionClosed(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error.reason(), CloseReason::KeepAlive(silence) if *silence == 35 * SECOND));
}

#[test]
fn suspended_process_gives_the_server_time_to_answer() {
    let mut rig = Rig::online();
    // The process is suspended for a minute. Then the driver's turns follow each other immediately.
    rig.now += 60 * SECOND;
    for _ in 0..5 {
        rig.engine.handle_timeout(rig.now);
        rig.act();
        rig.now += MILLI;
    }
    assert_eq!(rig.ended.len(), 0);
    let pings = rig.seen_seqs();
    assert_eq!(pings.len(), 1);
    rig.answer(pings[0]);
    rig.pass(19 * SECOND);
    assert_eq!(rig.ended.len(), 0);
}

#[test]
fn loss_of_a_long_lived_connection_is_not_a_failure() {
    let mut rig = Rig::with(|settings| {
        settings.reconnect = ReconnectPolicy::regressive().free_failures(0).jitter(0.0);
    });
    rig.connect();
    rig.pass(10 * SECOND);
    rig.hang_up();
    rig.call(1, SECOND);
    assert_eq!(rig.codes(), []);
}

#[test]
fn client_reconnects_within_ten_milliseconds_if_the_server_had_answered() {
    let mut rig = Rig::online();
    rig.serve_one_call();
    rig.pass(SECOND);
    rig.hang_up();
    rig.pass(10 * MILLI);
    assert_eq!(rig.resolves.len(), 2);
}

#[test]
fn connection_lost_before_any_answer_is_a_failed_attempt() {
    let mut rig = Rig::online();
    rig.pass(10 * SECOND);
    rig.hang_up();
    // The first attempt after a loss still starts at once.
    rig.pass(10 * MILLI);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    rig.pass(10 * SECOND);
    rig.hang_up();
    rig.call(1, SECOND);
    assert!(matches!(rig.error(), Error::NotConnected(error) if error.retry_after() == Some(50 * MILLI)));
    rig.pass(50 * MILLI);
    rig.resolve(&["192.0.2.1:1"]);
    rig.dialed();
    rig.hang_up();
    rig.call(2, SECOND);
    assert!(matches!(rig.error(), Error::NotConnected(error) if error.retry_after() == Some(100 * MILLI)));
}

#[test]
fn answered_connection_resets_the_waits() {
    let mut rig = Rig::new();
    for failures in 0..5 {
        rig.call(failures, SECOND);
        rig.fail_resolve();
        rig.pass(SECOND);
    }
    rig.outcomes.clear();
    rig.connect();
    rig.serve_one_call();
    rig.pass(SECOND);
    rig.hang_up();
    rig.pass(10 * MILLI);
    rig.fail_resolve();
    rig.call(9, SECOND);
    assert!(matches!(rig.error(), Error::NotConnected(error) if error.retry_after() == Some(50 * MILLI)));
}

#[test]
fn refused_calls_neither_make_attempts_nor_lengthen_the_wait() {
    let mut rig = Rig::with(|settings| {
        settings.reconnect = ReconnectPolicy::default().first_delay(2 * SECOND).jitter(0.0);
    });
    rig.call(0, SECOND);
    rig.fail_resolve();
    for token in 1..2000 {
        rig.call(token, SECOND);
        rig.pass(MILLI);
    }
    assert_eq!((rig.resolves.len(), rig.codes().len()), (1, 2000));
    rig.pass(MILLI);
    rig.call(0, SECOND);
    assert_eq!(rig.resolves.len(), 2);
}

#[test]
fn connection_is_gone_before_callers_hear_of_it() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    rig.engine.handle_eof(rig.now);
    assert!(matches!(rig.engine.next_action(), Some(Action::Disconnect)));
}
#[test]
fn answered_pings_keep_an_idle_connection_open() {
    let mut rig = Rig::online();
    for _ in 0..20 {
        rig.pass(20 * SECOND);
        let seqs = rig.seen_seqs();
        assert_eq!(seqs.len(), 1);
        rig.answer(seqs[0]);
    }
    assert_eq!(rig.ended.len(), 0);
    assert_eq!(rig.stats().late_answers, 0);
}

#[test]
fn idle_client_without_a_connection_is_never_due() {
    assert_eq!(Rig::new().engine.next_due(), None);
}

#[test]
fn closing_the_client_is_reported_without_an_error() {
    let mut rig = Rig::online();
    rig.pass(SECOND);
    rig.engine.handle_close(rig.now);
    rig.act();
    assert!(matches!(&rig.ended[..], [(info, None)] if info.lived() == SECOND));
}
