//! The gaps that mark where pushes may be missing.

use super::*;

#[test]
fn overflow_is_reported_in_its_place() {
    let hub = Hub::new();
    let (listener, other) =
        (hub.listen_with(Listen::new().room(ROOM), false, 2), hub.listen(Listen::new().room(ROOM), false));
    (1..=5).for_each(|mid| hub.push(mid));
    assert_eq!(listener.received(), ["1", "2", "Overflow 3 since 2000"]);
    hub.push(6);
    assert_eq!(listener.received(), ["6"]);
    assert_eq!(other.received().len(), 6);
    assert_eq!((hub.counters.read(0).pushes_overflowed, hub.counters.read(0).gaps), (3, 1));
}

#[test]
fn overflow_gap_is_between_earlier_and_later_pushes() {
    let hub = Hub::new();
    let listener = hub.listen_with(Listen::new().room(ROOM), false, 2);
    (1..=3).for_each(|mid| hub.push(mid));
    assert!(matches!(listener.sink.queue.try_take(), Taken::Push(_)));
    (4..=6).for_each(|mid| hub.push(mid));
    assert_eq!(listener.received(), ["2", "Overflow 1 since 2000", "4", "Overflow 2 since 4000"]);
}

#[test]
fn queue_is_bounded_by_bytes_too() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    let big = |mid| {
        let mut payload = Vec::new();
        let map = MapWriter::begin(&mut payload).int("from", 7).int("rid", ROOM).int("mid", mid);
        map.int("mtype", 30).str("msg", &"x".repeat(1024 * 1024));
        payload
    };
    (0..100).for_each(|mid| hub.push_payload(&big(mid)));
    let received = listener.received();
    assert_eq!(received.len(), 33, "32 MiB, and the gap");
    assert!(received[32].starts_with("Overflow 68"), "{}", received[32]);
}

#[test]
fn reconnect_is_reported_only_to_earlier_listeners() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM).event("login"), false);
    hub.push(1);
    hub.reconnect(&[&listener]);
    let late = hub.listen(Listen::new().room(ROOM), false);
    hub.push(2);
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000", "2"]);
    assert_eq!(late.received(), ["2"]);
}

#[test]
fn gap_precedes_pushes_that_arrive_before_the_grant() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect(&[]);
    hub.push(1);
    hub.reconnect(&[]);
    hub.reconnect(&[&listener]);
    hub.push(2);
    assert_eq!(listener.received(), ["Reconnected 0 since 0", "1", "Reconnected 0 since 1000", "2"]);
}

#[test]
fn refusal_is_reported_with_its_error() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, listener.id, &error());
    assert_eq!(listener.received()[1..], ["Reconnected 0 since 1000", "Refused 0 since 1000 with an error"]);
    hub.reconnect(&[&listener]);
    assert_eq!(listener.received(), ["Reconnected 0 since 1000"]);
}

#[test]
fn events_get_a_gap_even_if_the_rooms_are_caught_up() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM).event("login"), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2]);
    hub.push_login();
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000", "2", "login"]);
}

#[test]
fn reconnect_before_the_first_grant_is_told_to_those_that_were_given_pushes() {
    for fills_gaps in [false, true] {
        let mut hub = Hub::new();
        let other = hub.listen(Listen::new().room(ROOM), false);
        let early = hub.add(Listen::new().room(ROOM), fills_gaps, 4096);
        hub.push_together([(ROOM, 1)]);
        let late = hub.add(Listen::new().room(ROOM), fills_gaps, 4096);
        hub.reconnect(&[&other, &early, &late]);
        hub.push(3);
        assert_eq!(early.received(), ["1", "Reconnected 0 since 1000", "3"]);
        assert_eq!(late.received(), ["3"]);
    }
}

#[test]
fn room_without_a_known_message_cannot_be_caught_up() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    assert_eq!(listener.received(), ["Reconnected 0 since 0"]);
    hub.find_newest(&[5]);
    hub.reconnect(&[&listener]);
    hub.catch_up([5, 6]);
    assert_eq!(listener.received(), ["6"], "it is known by then");
}

#[test]
fn gap_of_several_rooms_has_the_error_of_one() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().rooms(&[ROOM, ROOM + 1]), true);
    // Nothing gets known of the first room.
    let first = hub.next_work().unwrap();
    hub.listeners.finish_work(first, Some(Err(error())), hub.now);
    hub.find_newest(&[]);
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    hub.fail(hub.next_catch_up(), error());
    assert_eq!(listener.received(), ["Reconnected 0 since 0 with an error"]);
}

#[test]
fn gap_follows_pushes_that_were_read_before_it() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    hub.read_payload(&room_message(ROOM, 1));
    hub.listeners.handle_refused(hub.connection, listener.id, &error());
    hub.push(2);
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error", "2"]);
}

#[test]
fn overflow_within_one_read_is_reported_in_its_place() {
    let hub = Hub::new();
    let (short, long) =
        (hub.listen_with(Listen::new().room(ROOM), false, 3), hub.listen(Listen::new().room(ROOM), false));
    hub.push_together((1..=5).map(|mid| (ROOM, mid)));
    assert_eq!(short.received(), ["1", "2", "3", "Overflow 2 since 3000"]);
    assert_eq!(long.received().len(), 5);
    hub.push(6);
    assert_eq!(short.received(), ["6"]);
}
