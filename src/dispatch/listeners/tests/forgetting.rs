//! What is forgotten is not delivered again.

use std::time::Duration;

use super::*;

const OTHER_ROOM: i64 = 13;

impl Hub {
    /// Pushes `count` messages in another room, with ids from `first` on.
    fn push_elsewhere(&self, first: i64, count: i64) {
        (first..first + count).for_each(|mid| self.read_payload(&room_message(OTHER_ROOM, mid)));
        self.listeners.wake_touched();
    }

    /// Pushes a message a moment after the last, and lets another moment pass.
    fn push_apart(&mut self, mid: i64) {
        self.now += Duration::from_millis(10);
        self.push(mid);
        self.now += Duration::from_millis(10);
    }
}

#[test]
fn message_just_before_the_last_is_not_delivered_again_once_it_is_forgotten() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(OTHER_ROOM), false);
    // 10 and 11 arrive within seconds of each other, and 10 is forgotten before 11.
    hub.push_elsewhere(0, 65_534);
    hub.push_apart(10);
    hub.push_apart(11);
    hub.push_elsewhere(100_000, 65_536);
    assert_eq!(listener.received(), ["1", "10", "11"]);
    hub.reconnect(&[&listener, &other]);
    hub.catch_up([10, 11, 12]);
    assert_eq!(listener.received(), ["12"]);
}

#[test]
fn message_with_an_earlier_time_is_caught_up_while_the_overlap_is_remembered() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(OTHER_ROOM), false);
    hub.push_elsewhere(0, 65_536);
    hub.push_apart(20);
    hub.push_apart(22);
    hub.push_apart(24);
    hub.push_elsewhere(100_000, 65_536);
    hub.reconnect(&[&listener, &other]);
    hub.catch_up([20, 22, 23, 24, 25]);
    assert_eq!(listener.received(), ["1", "20", "22", "24", "23", "25"]);
}

#[test]
fn catch_up_ends_at_the_first_push_even_if_that_is_forgotten() {
    let (mut hub, listener) = Hub::filling();
    let other = hub.listen(Listen::new().room(OTHER_ROOM), false);
    hub.reconnect(&[&listener, &other]);
    hub.push(3);
    let first = hub.next_catch_up();
    hub.reconnect(&[&listener, &other]);
    hub.push(5);
    hub.push_elsewhere(0, 150_000);
    hub.end(first, [1, 2, 3, 4, 5]);
    hub.push(6);
    hub.catch_up([1, 2, 3, 4, 5, 6]);
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn first_pushes_are_kept_while_a_catch_up_may_end_there() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(2);
    let first = hub.next_catch_up();
    for mid in 3..100 {
        hub.reconnect(&[&listener]);
        hub.push(mid);
    }
    assert_eq!(hub.listeners.tables.lock().rooms[&ROOM].first_pushes(), 98);
    hub.end(first, [1, 2]);
    (3..100).for_each(|_| hub.catch_up([1]));
    hub.reconnect(&[&listener]);
    assert_eq!(hub.listeners.tables.lock().rooms[&ROOM].first_pushes(), 0);
}
