//! A server that is busy or does not answer.

use super::*;

#[test]
fn pause_ends_even_if_nothing_is_left_to_request() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.fail(not_now());
    assert_eq!(table.told(1), ["failed"]);
    table.now = table.subscriptions.next_due().unwrap();
    assert!(!table.send());
    assert_eq!(table.subscriptions.next_due(), None);
}

#[test]
fn unanswered_request_is_repeated() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.subscriptions.remove(ListenerId(1));
    assert!(table.send());
    table.fail(no_answer());
    assert!(!table.send());
    table.now += Duration::from_secs(1);
    assert!(table.send());
}

#[test]
fn busy_server_is_asked_again_after_a_pause() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.reconnect();
    table.add(2, Listen::new().room(2));
    assert!(table.send());
    table.fail(not_now());
    assert_eq!((table.told(1), table.told(2)), (&["started"][..], &["failed"][..]));
    assert!(!table.send(), "not at once");
    table.now = table.subscriptions.next_due().unwrap();
    table.settle();
    assert_eq!((table.told(1), table.rooms()), (&["started", "granted"][..], &[1][..]));
}

#[test]
fn server_that_stays_busy_is_asked_less_and_less_often() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.reconnect();
    let put_off = |table: &mut Table| {
        assert!(table.send());
        let asked_at = table.now;
        table.fail(Error::from_answer(ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL, "busy"));
        table.now = table.subscriptions.next_due().unwrap();
        (table.now - asked_at).as_millis()
    };
    let pauses = [(); 7].map(|()| put_off(&mut table));
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
    // A grant resets the pause.
    table.settle();
    table.add(2, Listen::new().room(2));
    assert_eq!(put_off(&mut table), 100);
}

#[test]
fn listener_whose_time_ends_in_a_pause_is_told_what_the_server_said() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.fail(not_now());
    table.add(2, Listen::new().room(2));
    assert!(!table.send());
    let mut decisions = Vec::new();
    table.subscriptions.handle_timeout(table.now + TIMEOUT, Stage::WaitingForAnswer, &mut decisions);
    assert!(matches!(&decisions[..], [Decision::Failed(2, Error::Answer(_))]), "{decisions:?}");
}

#[test]
fn listener_whose_time_ends_after_no_answer_has_timed_out() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.fail(no_answer());
    let mut decisions = Vec::new();
    table.subscriptions.handle_timeout(table.now + TIMEOUT, Stage::WaitingForAnswer, &mut decisions);
    assert!(matches!(&decisions[..], [Decision::Failed(1, Error::Timeout(_))]), "{decisions:?}");
}
