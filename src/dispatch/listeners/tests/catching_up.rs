//! A room is caught up from its history.

use super::*;

#[test]
fn missed_messages_are_delivered_before_new_ones() {
    let (hub, listener) = Hub::reconnected();
    hub.push(5);
    assert_eq!(listener.received(), ["1"], "what is new waits for what was missed");
    hub.page(hub.next_catch_up(), [1, 2, 3]);
    assert_eq!(listener.received(), ["2", "3"], "at once");
    hub.page(hub.next_catch_up(), [4, 5, 6]);
    assert!(hub.next_work().is_none(), "what comes behind 5 is pushed");
    hub.push(6);
    assert_eq!(listener.received(), ["4", "5", "6"]);
}

#[test]
fn failed_catch_up_is_a_gap_in_its_place() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(9);
    hub.page(hub.next_catch_up(), [1, 2]);
    hub.fail(hub.next_catch_up(), error());
    assert_eq!(listener.received(), ["1", "2", "Reconnected 0 since 2000 with an error", "9"]);
    // What was reported as missing is not delivered later, out of order.
    hub.reconnect(&[&listener]);
    hub.catch_up([3, 9, 10]);
    assert_eq!(listener.received(), ["10"]);
}

#[test]
fn quiet_room_is_caught_up_from_the_beginning_of_the_subscription() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[3, 2]);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2, 3, 4]);
    assert_eq!(listener.received(), ["4"]);
}

#[test]
fn overflow_of_rows_is_reported_in_its_place() {
    let mut hub = Hub::new();
    let listener = hub.listen_with(Listen::new().room(ROOM), true, 3);
    hub.find_newest(&[]);
    hub.push(1);
    assert_eq!(listener.received(), ["1"]);
    hub.reconnect(&[&listener]);
    hub.push(9);
    hub.catch_up(1..9);
    assert_eq!(listener.received(), ["2", "3", "Overflow 5 since 3000", "9"]);
}

#[test]
fn closing_ends_a_catch_up_with_a_gap() {
    let (hub, listener) = Hub::reconnected();
    hub.start_threads();
    hub.push(5);
    hub.page(hub.next_catch_up(), [1, 2]);
    hub.listeners.close();
    // The progress of other rooms is not known here, so the gap begins where the catch-up did.
    assert_eq!(listener.received(), ["1", "2", "Reconnected 0 since 1000 with an error", "5"]);
    assert!(hub.listeners.next_work().is_none());
}

#[test]
fn refused_room_does_not_delay_its_listener() {
    let (mut hub, listener) = Hub::filling();
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, listener.id, &error());
    assert!(hub.next_work().is_none());
    assert_eq!(listener.received(), ["1", "Refused 0 since 1000 with an error"]);
}

#[test]
fn room_is_caught_up_if_another_of_its_listeners_is_granted() {
    let mut hub = Hub::new();
    let refused = hub.listen(Listen::new().rooms(&[ROOM, 13]), true);
    let granted = hub.listen(Listen::new().room(ROOM), true);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, refused.id, &error());
    assert!(hub.next_work().is_none());
    hub.listeners.handle_granted(hub.connection, granted.id);
    assert_eq!(hub.next_catch_up().rid, ROOM);
    assert!(hub.next_work().is_none());
}

#[test]
fn message_without_a_time_takes_that_of_the_one_before() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    let untimed = |mid| Message { mtime: None, ..row(mid) };
    hub.find_newest_rows(vec![row(3), untimed(2), row(1)]);
    hub.push(4);
    hub.reconnect(&[&listener]);
    let rows = vec![row(1), untimed(2), row(3), row(4), untimed(5), untimed(6), row(7)];
    hub.give(hub.next_work().unwrap(), rows, None);
    assert_eq!(listener.received(), ["4", "5", "6", "7"]);
}

#[test]
fn history_reaches_back_even_if_the_last_message_seen_is_deleted() {
    let (hub, listener) = Hub::reconnected();
    hub.end(hub.next_catch_up(), [9]);
    let older = Work::CatchUp(Box::new(hub.next_catch_up()));
    let behind = older.query();
    hub.give(older, Vec::new(), behind);
    assert_eq!(listener.received(), ["1", "9"]);
}

#[test]
fn deleted_messages_count_towards_those_a_server_keeps() {
    for (pages, received) in [(24, "1"), (25, "Reconnected 0 since 0")] {
        let mut hub = Hub::new();
        let listener = hub.listen(Listen::new().room(ROOM), true);
        hub.find_newest(&[]);
        hub.reconnect(&[&listener]);
        // 20 rows per page, all but one deleted.
        (1..=pages).for_each(|mid| hub.page(hub.next_catch_up(), [mid]));
        hub.end(hub.next_catch_up(), []);
        assert_eq!(listener.received()[0], received, "{pages} pages");
    }
}

#[test]
fn catch_up_ends_at_a_push_without_a_time() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push_payload(&room_message_at(ROOM, 4, None));
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2, 3, 4, 5]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn later_listener_to_an_empty_room_begins_at_a_push_without_a_time() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.reconnect(&[&listener]);
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.catch_up([1]);
    hub.push_payload(&room_message_at(ROOM, 2, None));
    hub.reconnect(&[&listener, &late]);
    hub.catch_up([1, 2, 3]);
    assert_eq!(listener.received(), ["1", "2", "3"]);
    assert_eq!(late.received(), ["2", "3"]);
}

#[test]
fn room_whose_messages_have_no_time_cannot_be_caught_up() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest_rows([2, 1].map(|mid| Message { mtime: None, ..row(mid) }).into());
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    assert_eq!(listener.received(), ["Reconnected 0 since 0"]);
}

#[test]
fn several_rooms_are_caught_up_in_parallel_and_each_in_order() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().rooms(&[1, 2, 3, 4, 5, 6]), true);
    (0..6).for_each(|_| hub.find_newest(&[]));
    assert_eq!(hub.start_threads(), 4, "the server is not flooded");
    for rid in 1..=6 {
        hub.push_in(rid, rid);
    }
    hub.reconnect(&[&listener]);
    let mut begun: Vec<CatchUp> = (0..5).map(|_| hub.next_catch_up()).collect();
    (1..=6).for_each(|rid| hub.push_in(rid, 10 + rid));
    hub.reconnect(&[&listener]);
    // The second catch-up of a room waits until the first is done.
    let sixth = hub.next_catch_up();
    assert!(begun.iter().all(|catch_up| catch_up.rid != sixth.rid));
    let last = begun.remove(4);
    let rid = last.rid;
    hub.end(last, []);
    let older = hub.next_catch_up();
    hub.end(older, [1]);
    let again = hub.next_catch_up();
    assert_eq!((again.rid, again.connection), (rid, 3));
}

#[test]
fn gap_of_a_room_begins_with_the_last_message_of_that_room() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().rooms(&[1, 2]), true);
    (0..2).for_each(|_| hub.find_newest(&[]));
    hub.push_in(1, 1);
    hub.push_in(2, 2);
    hub.reconnect(&[&listener]);
    let mut catch_ups = [hub.next_catch_up(), hub.next_catch_up()];
    catch_ups.sort_by_key(|catch_up| catch_up.rid);
    let [one, two] = catch_ups;
    let of_two = |mid| Message { target: Target::Room(2), ..row(mid) };
    let next = two.query();
    hub.give(Work::CatchUp(Box::new(two)), [2, 8, 9].map(of_two).into(), next);
    hub.fail(one, error());
    hub.fail(hub.next_catch_up(), error());
    assert_eq!(listener.received(), ["1", "2", "8", "9", "Reconnected 0 since 1000 with an error"]);
}

#[test]
fn room_with_held_rows_is_continued_before_others_begin() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().rooms(&[1, 2]), true);
    (0..2).for_each(|_| hub.find_newest(&[]));
    hub.reconnect(&[&listener]);
    let first = hub.next_catch_up();
    let rid = first.rid;
    // The room was empty, so only its last page shows whether the history reaches back.
    hub.page(first, [1]);
    let again = hub.next_catch_up();
    assert_eq!(again.rid, rid);
    hub.end(again, [2]);
    assert_ne!(hub.next_catch_up().rid, rid);
}

#[test]
fn rooms_without_a_grant_do_not_delay_others() {
    let mut hub = Hub::new();
    let slow = hub.listen(Listen::new().rooms(&[1, 2, 3, 4]), true);
    let fast = hub.listen(Listen::new().room(ROOM), true);
    (0..5).for_each(|_| hub.find_newest(&[]));
    hub.reconnect(&[&fast]);
    assert_eq!(hub.next_catch_up().rid, ROOM);
    assert!(hub.next_work().is_none());
    hub.listeners.handle_granted(hub.connection, slow.id);
    let mut rooms: Vec<i64> = (0..4).map(|_| hub.next_catch_up().rid).collect();
    rooms.sort_unstable();
    assert_eq!(rooms, [1, 2, 3, 4]);
}

#[test]
fn refused_page_is_retried_a_limited_number_of_times() {
    let (hub, listener) = Hub::reconnected();
    let busy = || Error::from_answer(ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL, "busy");
    for _ in 0..4 {
        hub.fail(hub.next_catch_up(), busy());
    }
    assert_eq!(listener.received(), ["1"]);
    hub.fail(hub.next_catch_up(), busy());
    assert!(hub.next_work().is_none());
    assert_eq!(listener.received(), ["Reconnected 0 since 1000 with an error"]);
}
