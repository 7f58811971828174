//! Messages that are older than a subscription, or that were reported as a gap, are not delivered after newer ones.

use super::*;

/// A [`row`] with the time of another message.
fn row_at(mid: i64, other: i64) -> Message {
    Message { mid, ..row(other) }
}

impl Hub {
    /// Completes the next catch-up in one page.
    fn catch_up_rows(&self, rows: Vec<Message>) {
        self.give(self.next_work().unwrap(), rows, None);
    }

    /// Makes a new connection, on which the server refuses this listener.
    fn reconnect_refused(&mut self, listener: &TestListener) {
        self.connection += 1;
        self.listeners.handle_refused(self.connection, listener.id, &error());
        self.listeners.wake_touched();
    }
}

#[test]
fn message_before_the_first_push_in_its_millisecond_is_not_caught_up() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.find_newest(&[]);
    hub.reconnect(&[&listener]);
    hub.catch_up_rows(vec![row(3), row_at(4, 5), row(5), row_at(6, 5), row(7)]);
    assert_eq!(listener.received(), ["5", "6", "7"]);
}

#[test]
fn message_before_the_newest_in_its_millisecond_is_not_caught_up() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest_rows(vec![row(5), row_at(4, 5), row(3)]);
    hub.reconnect(&[&listener]);
    hub.catch_up_rows(vec![row(3), row_at(4, 5), row(5), row_at(6, 5), row(7)]);
    assert_eq!(listener.received(), ["6", "7"]);
}

#[test]
fn subscription_does_not_begin_at_a_message_sent_after_the_loss() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    let work = hub.next_work().unwrap();
    hub.listeners.handle_disconnected();
    // The answer arrives on the next connection, which has not granted anything yet.
    hub.give(work, vec![row(2), row(1)], None);
    assert!(hub.next_work().is_none());
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    assert_eq!(listener.received(), ["Reconnected 0 since 0"], "message 2 was missed");
}

#[test]
fn subscription_begins_after_the_newest_message_that_is_not_deleted() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    let work = hub.next_work().unwrap();
    let behind = History::latest().between(0, 2_000);
    hub.give(work, Vec::new(), Some(behind.clone()));
    assert!(hub.listeners.tables.lock().awaits_newest(listener.id));
    let work = hub.next_work().unwrap();
    assert_eq!(work.query(), Some(behind));
    hub.give(work, vec![row(2), row(1)], None);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2, 3]);
    assert_eq!(listener.received(), ["3"]);
}

#[test]
fn messages_older_than_a_later_listener_are_not_caught_up_for_it() {
    let (mut hub, listener) = Hub::filling();
    hub.reconnect(&[&listener]);
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.push(4);
    hub.catch_up([1, 2, 3, 4]);
    hub.reconnect(&[&listener, &late]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5"]);
    assert_eq!(late.received(), ["4", "5"]);
}

#[test]
fn overlap_is_not_delivered_to_a_listener_without_pushes() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[4]);
    hub.push(5);
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&listener, &late]);
    hub.catch_up([2, 3, 4, 5, 6]);
    assert_eq!((listener.received(), late.received()), (vec!["5".into(), "6".into()], vec!["6".into()]));
}

#[test]
fn message_with_an_earlier_time_than_the_last_is_caught_up_if_it_was_not_pushed() {
    let (mut hub, listener) = Hub::filling();
    hub.push(9);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 7, 9, 10]);
    assert_eq!(listener.received(), ["1", "9", "7", "10"]);
}

#[test]
fn message_before_the_first_push_is_not_caught_up_even_with_a_later_time() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[5]);
    // The servers' clocks differ: both were sent after 5.
    hub.push_payload(&room_message_at(ROOM, 6, Some(1_000)));
    hub.push_payload(&room_message_at(ROOM, 7, Some(8_000)));
    hub.reconnect(&[&listener]);
    let catch_up = hub.next_catch_up();
    assert!(catch_up.query() == Some(History::oldest().between(1_000, 0)), "6 tells where the listening began");
    hub.give(Work::CatchUp(Box::new(catch_up)), vec![row(5), row_at(6, 1), row_at(7, 8), row(9)], None);
    assert_eq!(listener.received(), ["6", "7", "9"]);
}

#[test]
fn beginning_of_a_subscription_is_searched_for_over_several_pages() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.reconnect(&[&listener]);
    // The servers' clocks differ: 3 and 4 were sent before 5.
    let next = hub.next_catch_up();
    let query = next.query();
    hub.give(Work::CatchUp(Box::new(next)), vec![row_at(3, 6), row_at(4, 7)], query);
    assert_eq!(listener.received(), ["5"], "nothing is known of these yet");
    hub.catch_up([5, 6, 7]);
    assert_eq!(listener.received(), ["6", "7"]);
}

#[test]
fn beginning_of_a_subscription_is_found_by_time_if_its_message_is_deleted() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.reconnect(&[&listener]);
    hub.catch_up([3, 4, 6, 7]);
    assert_eq!(listener.received(), ["5", "6", "7"]);
}

#[test]
fn messages_missed_during_a_refusal_do_not_follow_newer_ones() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect_refused(&listener);
    hub.listeners.handle_granted(hub.connection, other.id);
    // The room is pushed because of the other listener.
    hub.push(4);
    hub.reconnect(&[&listener, &other]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error", "4", "5"]);
}

#[test]
fn messages_missed_during_a_refusal_arrive_once_the_room_is_granted() {
    let (mut hub, listener) = Hub::filling();
    hub.reconnect_refused(&listener);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2, 3]);
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error", "2", "3"]);
}

#[test]
fn message_of_the_last_millisecond_before_a_refusal_reaches_a_later_listener() {
    let (mut hub, listener) = Hub::filling();
    let late = hub.listen(Listen::new().rooms(&[ROOM, 13]), true);
    hub.find_newest(&[]);
    hub.push(2);
    hub.reconnect_refused(&listener);
    hub.listeners.handle_refused(hub.connection, late.id, &error());
    hub.reconnect(&[&late]);
    let rows = vec![row(1), row(2), row_at(3, 2)];
    while let Some(work) = hub.next_work() {
        let rows = if work.rid() == ROOM { rows.clone() } else { Vec::new() };
        hub.give(work, rows, None);
    }
    assert_eq!(late.received(), ["2", "Refused 0 since 2000 with an error", "3"]);
}

#[test]
fn catch_up_ended_by_a_later_refusal_is_a_gap_in_its_place() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(4);
    hub.reconnect_refused(&listener);
    assert!(hub.next_work().is_none());
    let gap = "Reconnected 0 since 1000 with an error";
    assert_eq!(listener.received(), ["1", gap, "4", "Refused 0 since 4000 with an error"]);
}

#[test]
fn catch_up_ended_by_a_refusal_after_pushes_is_a_gap_in_its_place() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect(&[&other]);
    hub.push(4);
    hub.listeners.handle_refused(hub.connection, listener.id, &error());
    hub.listeners.wake_touched();
    let gap = "Reconnected 0 since 1000 with an error";
    assert_eq!(listener.received(), ["1", gap, "4", "Refused 0 since 4000 with an error"]);
}
