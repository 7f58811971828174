//! After listeners have left, the server pushes only the union of what is still granted.

use super::*;

impl Table {
    /// Listener 1 has room 1. A subscription to rooms 1 and 13 is requested, and listener 1 leaves.
    fn with_a_subscription_that_covers_one_that_has_gone() -> Table {
        let mut table = Table::new(&[13]);
        table.subscriptions.handle_connected();
        table.add(1, Listen::new().room(1));
        table.settle();
        table.add(2, Listen::new().rooms(&[1, 13]));
        assert!(table.send());
        table.subscriptions.remove(ListenerId(1));
        table
    }

    fn settle_after_a_pause(&mut self) {
        self.now = self.subscriptions.next_due().unwrap();
        self.settle();
    }
}

#[test]
fn subscription_removed_while_a_larger_one_is_refused_is_not_pushed() {
    let mut table = Table::with_a_subscription_that_covers_one_that_has_gone();
    table.settle();
    assert_eq!(table.told(2), ["failed"]);
    assert_eq!(table.rooms(), [] as [i64; 0]);
}

#[test]
fn subscription_removed_while_a_larger_one_is_postponed_is_not_pushed() {
    let mut table = Table::with_a_subscription_that_covers_one_that_has_gone();
    table.fail(not_now());
    assert_eq!(table.told(2), ["failed"]);
    table.settle_after_a_pause();
    assert_eq!(table.rooms(), [] as [i64; 0]);
}

#[test]
fn subscription_removed_before_a_refusal_is_not_pushed() {
    let mut table = Table::new(&[13]);
    table.subscriptions.handle_connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.subscriptions.remove(ListenerId(1));
    table.add(2, Listen::new().room(13));
    table.settle();
    assert_eq!((table.told(2), table.rooms()), (&["failed"][..], &[][..]));
}

#[test]
fn subscription_removed_while_it_is_refused_does_not_prevent_shrinking() {
    let mut table = Table::new(&[13]);
    table.subscriptions.handle_connected();
    table.add(1, Listen::new().room(1));
    table.add(2, Listen::new().room(2));
    table.settle();
    table.subscriptions.remove(ListenerId(1));
    table.add(3, Listen::new().room(13));
    table.add(4, Listen::new().room(13));
    assert!(table.send());
    table.subscriptions.remove(ListenerId(3));
    table.settle();
    assert_eq!((table.told(4), table.rooms()), (&["failed"][..], &[2][..]));
}

#[test]
fn removed_subscription_that_was_refused_needs_no_request() {
    let mut table = Table::new(&[13]);
    table.subscriptions.handle_connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.add(2, Listen::new().room(13));
    assert!(table.send());
    table.subscriptions.remove(ListenerId(2));
    table.settle();
    assert_eq!((table.requests, table.rooms()), (2, &[1][..]));
}

#[test]
fn unanswered_new_subscription_is_requested_again() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.fail(no_answer());
    assert_eq!(table.told(1), [] as [&str; 0], "it has its own time");
    table.settle_after_a_pause();
    assert_eq!((table.told(1), table.rooms()), (&["started"][..], &[1][..]));
}

#[test]
fn subscription_possibly_granted_without_an_answer_is_not_pushed_once_removed() {
    for fails_with in [no_answer(), Error::decode_failed("setlisten", DecodeError::NotAMap)] {
        let mut table = Table::connected();
        table.add(1, Listen::new().room(1));
        table.add(2, Listen::new().room(2));
        assert!(table.send());
        table.accepted = table.in_flight.clone();
        table.subscriptions.remove(ListenerId(1));
        table.fail(fails_with);
        table.now += Duration::from_secs(1);
        table.subscriptions.remove(ListenerId(2));
        table.settle();
        assert_eq!(table.rooms(), [] as [i64; 0]);
    }
}

#[test]
fn server_that_refuses_a_smaller_union_is_not_asked_forever() {
    let mut table = Table::connected();
    for id in 1..=3 {
        table.add(id, Listen::new().room(id as i64));
    }
    table.settle();
    table.subscriptions.remove(ListenerId(3));
    assert!(table.send());
    table.fail(refusal());
    assert!(!table.send());
    table.add(4, Listen::new().room(4));
    assert!(table.send());
    table.fail(refusal());
    assert!(!table.send());
    assert_eq!(table.told(4), ["failed"]);
    table.add(5, Listen::new().room(5));
    table.settle();
    assert_eq!((table.requests, table.rooms()), (4, &[1, 2, 5][..]), "with the next change it is");
}
