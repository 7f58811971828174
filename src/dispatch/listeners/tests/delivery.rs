//! Who gets which push, how often, and in which order.

use super::*;

#[test]
fn each_message_is_delivered_once_and_in_order() {
    let hub = Hub::new();
    let (one, two) = (hub.listen(Listen::new().room(ROOM), false), hub.listen(Listen::new().all_rooms(), false));
    [1, 2, 1, 3, 3, 2, 4].iter().for_each(|&mid| hub.push(mid));
    assert_eq!(one.received(), ["1", "2", "3", "4"]);
    assert_eq!(two.received(), ["1", "2", "3", "4"]);
    let stats = hub.counters.read(0);
    assert_eq!((stats.pushes_received, stats.pushes_duplicate, stats.pushes_delivered), (7, 3, 8));
}

#[test]
fn events_are_not_filtered() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().event("login"), false);
    hub.push_login();
    hub.push_login();
    assert_eq!(listener.received(), ["login", "login"]);
}

#[test]
fn repetition_of_an_unreadable_push_is_not_a_duplicate() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    let mut broken = room_message(ROOM, 1);
    broken.truncate(broken.len() - 3);
    hub.push_payload(&broken);
    hub.push(1);
    assert_eq!(listener.received(), ["1"]);
}

#[test]
fn duplicates_are_recognised_after_a_reconnect() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.reconnect(&[&listener]);
    hub.push(1);
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000"]);
}

#[test]
fn removed_listener_gets_nothing_and_leaves_nothing_behind() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM).all_events(), true);
    hub.push(1);
    listener.sink.abandon();
    hub.listeners.remove(listener.id);
    hub.push(2);
    assert!(listener.received().is_empty());
    let tables = hub.listeners.tables.lock();
    assert!(tables.listeners.is_empty() && tables.rooms.is_empty());
}

#[test]
fn closed_client_delivers_queued_pushes_then_ends_the_queue() {
    let hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.listeners.close();
    hub.push(2);
    assert_eq!(listener.received(), ["1"]);
    assert!(matches!(listener.sink.queue.take_as(None, |next| next.make()), Taken::Closed));
    let sink = Sink::new(hub.listeners.new_queue(1));
    assert!(hub.listeners.add(Listen::new().room(ROOM).into(), false, sink).is_err());
}

#[test]
fn pushes_of_one_read_keep_their_order_for_every_listener() {
    let hub = Hub::new();
    let listeners =
        [Listen::new().all_rooms(), Listen::new().room(1), Listen::new().rooms(&[1, 2]), Listen::new().all_rooms()]
            .map(|listen| hub.listen(listen, false));
    // Runs of one room, alternating rooms, and more pushes than one list holds.
    let rooms = [1, 1, 1, 2, 1, 2, 2, 3, 1, 1];
    let pushes: Vec<(i64, i64)> = (0..600).map(|mid| (rooms[(mid / 3 % 10) as usize], mid)).collect();
    hub.push_together(pushes[..400].iter().copied());
    hub.push_together(pushes[400..].iter().copied());
    let of = |rooms: &[i64]| -> Vec<String> {
        pushes.iter().filter(|(rid, _)| rooms.contains(rid)).map(|(_, mid)| mid.to_string()).collect()
    };
    let received = listeners.map(|listener| listener.received());
    assert_eq!(received, [of(&[1, 2, 3]), of(&[1]), of(&[1, 2]), of(&[1, 2, 3])]);
}

#[test]
fn pushes_keep_their_order_while_listeners_join_and_leave() {
    let hub = Hub::new();
    let one = hub.listen(Listen::new().room(ROOM), false);
    hub.read_payload(&room_message(ROOM, 1));
    let two = hub.listen(Listen::new().room(ROOM), false);
    hub.read_payload(&room_message(ROOM, 2));
    hub.listeners.remove(two.id);
    hub.push(3);
    assert_eq!(one.received(), ["1", "2", "3"]);
    assert!(two.received().len() <= 1);
    hub.read_payload(&room_message(ROOM, 4));
    hub.listeners.close();
    assert_eq!(one.received(), ["4"], "what was read before the end is delivered");
}
