//! What is older than a listener, or was told as a gap, is not delivered behind what is newer.

use super::*;

/// As [`row`], at the time of another message.
fn row_at(mid: i64, other: i64) -> Message {
    Message { mid, ..row(other) }
}

impl Hub {
    /// The next catch-up, all in one page.
    fn catch_up_rows(&self, rows: Vec<Message>) {
        self.give(self.next_work().unwrap(), rows, None);
    }

    /// A new connection, on which this listener is refused what it wants.
    fn reconnect_refused(&mut self, listener: &TestListener) {
        self.connection += 1;
        self.listeners.handle_refused(self.connection, listener.id, &error());
        self.listeners.wake_touched();
    }
}

#[test]
fn message_of_the_same_millisecond_before_the_first_push_is_older_than_the_listening() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.find_newest(&[]);
    hub.reconnect(&[&listener]);
    hub.catch_up_rows(vec![row(3), row_at(4, 5), row(5), row_at(6, 5), row(7)]);
    assert_eq!(listener.received(), ["5", "6", "7"]);
}

#[test]
fn message_of_the_same_millisecond_before_the_newest_is_older_than_the_listening() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest_rows(vec![row(5), row_at(4, 5), row(3)]);
    hub.reconnect(&[&listener]);
    hub.catch_up_rows(vec![row(3), row_at(4, 5), row(5), row_at(6, 5), row(7)]);
    assert_eq!(listener.received(), ["6", "7"]);
}

#[test]
fn listening_does_not_begin_at_what_was_sent_after_the_connection_was_lost() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    let work = hub.next_work().unwrap();
    hub.listeners.handle_disconnected();
    // Answered on the next connection, which has not granted anything yet.
    hub.give(work, vec![row(2), row(1)], None);
    assert!(hub.next_work().is_none());
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    assert_eq!(listener.received(), ["Reconnected 0 since 0"], "message 2 was missed");
}

#[test]
fn what_is_older_than_deleted_messages_is_older_than_the_listening() {
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
fn what_is_older_than_a_listener_that_joined_is_not_caught_up_for_it() {
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
fn overlap_of_the_history_is_not_given_to_a_listener_that_was_pushed_nothing() {
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
fn message_before_the_first_push_is_older_than_the_listening_though_its_time_is_later() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[5]);
    // The clocks of the servers differ: these were sent after 5.
    hub.push_payload(&room_message_at(ROOM, 6, Some(1_000)));
    hub.push_payload(&room_message_at(ROOM, 7, Some(8_000)));
    hub.reconnect(&[&listener]);
    let catch_up = hub.next_catch_up();
    assert!(catch_up.query() == Some(History::oldest().between(1_000, 0)), "6 tells where the listening began");
    hub.give(Work::CatchUp(Box::new(catch_up)), vec![row(5), row_at(6, 1), row_at(7, 8), row(9)], None);
    assert_eq!(listener.received(), ["6", "7", "9"]);
}

#[test]
fn where_the_listening_began_is_looked_for_over_several_pages() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.reconnect(&[&listener]);
    // The clocks of the servers differ: 3 and 4 were sent before 5.
    let next = hub.next_catch_up();
    let query = next.query();
    hub.give(Work::CatchUp(Box::new(next)), vec![row_at(3, 6), row_at(4, 7)], query);
    assert_eq!(listener.received(), ["5"], "nothing is known of these yet");
    hub.catch_up([5, 6, 7]);
    assert_eq!(listener.received(), ["6", "7"]);
}

#[test]
fn where_the_listening_began_is_told_by_the_time_once_that_message_is_deleted() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.push(5);
    hub.reconnect(&[&listener]);
    hub.catch_up([3, 4, 6, 7]);
    assert_eq!(listener.received(), ["5", "6", "7"]);
}

#[test]
fn what_was_missed_while_the_room_was_refused_does_not_come_behind_what_is_newer() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect_refused(&listener);
    hub.listeners.handle_granted(hub.connection, other.id);
    // The room is pushed for the other's sake.
    hub.push(4);
    hub.reconnect(&[&listener, &other]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error", "4", "5"]);
}

#[test]
fn what_was_missed_while_the_room_was_refused_comes_once_it_is_granted() {
    let (mut hub, listener) = Hub::filling();
    hub.reconnect_refused(&listener);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2, 3]);
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error", "2", "3"]);
}

#[test]
fn message_of_the_last_millisecond_before_a_refusal_is_not_lost_to_a_listener_that_joined() {
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
fn catch_up_that_a_later_refusal_ends_is_a_gap_in_its_place() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(4);
    hub.reconnect_refused(&listener);
    assert!(hub.next_work().is_none());
    let gap = "Reconnected 0 since 1000 with an error";
    assert_eq!(listener.received(), ["1", gap, "4", "Refused 0 since 4000 with an error"]);
}

#[test]
fn refusal_behind_what_was_pushed_for_another_is_a_gap_in_its_place_too() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect(&[&other]);
    hub.push(4);
    hub.listeners.handle_refused(hub.connection, listener.id, &error());
    hub.listeners.wake_touched();
    let gap = "Reconnected 0 since 1000 with an error";
    assert_eq!(listener.received(), ["1", gap, "4", "Refused 0 since 4000 with an error"]);
}
