//! A room is caught up from its history.

use super::*;

#[test]
fn missed_messages_come_out_of_the_history_before_what_is_new() {
    let (hub, ear) = Hub::reconnected();
    hub.push(5);
    assert_eq!(ear.heard(), ["1"], "what is new waits for what was missed");
    let mut catch_up = hub.next_catch_up();
    assert_eq!(hub.rows(&mut catch_up, [1, 2, 3]), Progress::GoesOn);
    assert_eq!(ear.heard(), ["2", "3"], "at once");
    assert_eq!(hub.rows(&mut catch_up, [4, 5, 6]), Progress::UpToDate);
    hub.finish(catch_up);
    hub.push(6);
    assert_eq!(ear.heard(), ["4", "5", "6"]);
}

#[test]
fn catch_up_that_fails_is_a_gap_in_its_place() {
    let (mut hub, ear) = Hub::reconnected();
    hub.push(9);
    let mut catch_up = hub.next_catch_up();
    hub.rows(&mut catch_up, [2]);
    hub.listeners.tell_gap(&catch_up, Some(&error()));
    hub.finish(catch_up);
    assert_eq!(ear.heard(), ["1", "2", "Reconnected 0 since 2000 with an error", "9"]);
    // What was told as missing is not delivered later, out of its order.
    hub.reconnect(&[&ear]);
    hub.catch_up([3, 9, 10]);
    assert_eq!(ear.heard(), ["10"]);
}

#[test]
fn room_that_was_quiet_is_caught_up_from_where_the_listening_began() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[3, 2]);
    hub.reconnect(&[&ear]);
    let mut catch_up = hub.next_catch_up();
    assert_eq!(catch_up.base.as_ref().unwrap().last.mtime, 3_000);
    hub.rows(&mut catch_up, [1, 2, 3, 4]);
    hub.finish(catch_up);
    assert_eq!(ear.heard(), ["4"]);
}

#[test]
fn rows_that_do_not_fit_are_told_in_their_place() {
    let mut hub = Hub::new();
    let ear = hub.listen_with(Listen::new().room(ROOM), true, 3);
    hub.find_newest(&[]);
    hub.push(1);
    assert_eq!(ear.heard(), ["1"]);
    hub.reconnect(&[&ear]);
    hub.push(9);
    hub.catch_up(1..9);
    assert_eq!(ear.heard(), ["2", "3", "Overflow 5 since 3000", "9"]);
}

#[test]
fn closing_ends_a_catch_up_with_a_gap() {
    let (hub, ear) = Hub::reconnected();
    assert!(hub.listeners.must_start_thread());
    hub.push(5);
    let mut catch_up = hub.next_catch_up();
    hub.rows(&mut catch_up, [2]);
    hub.listeners.close();
    // How far other rooms have got is not known here, so that the gap begins where the catch-up did.
    assert_eq!(ear.heard(), ["1", "2", "Reconnected 0 since 1000 with an error", "5"]);
    assert!(hub.listeners.next_work().is_none());
    assert!(matches!(hub.listeners.wait_granted(ROOM, 0), Err(Error::Closed(_))));
}

#[test]
fn refused_room_is_not_waited_for() {
    let (mut hub, ear) = Hub::filling();
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, ear.id, &error());
    let catch_up = hub.next_catch_up();
    assert_eq!(hub.listeners.wait_granted(ROOM, 1).unwrap(), None);
    hub.finish(catch_up);
    assert_eq!(ear.heard(), ["1", "Refused 0 since 1000 with an error"]);
}

#[test]
fn room_is_waited_for_while_another_listener_to_it_is_undecided() {
    let mut hub = Hub::new();
    let refused = hub.listen(Listen::new().rooms(&[ROOM, 13]), true);
    let granted = hub.listen(Listen::new().room(ROOM), true);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, refused.id, &error());
    let tables = hub.listeners.tables.lock();
    assert!(!tables.is_refused(&tables.rooms[&ROOM]) && tables.is_refused(&tables.rooms[&13]));
    drop(tables);
    hub.listeners.handle_granted(hub.connection, granted.id);
    assert_eq!(hub.listeners.wait_granted(ROOM, 1).unwrap(), Some(2));
}

#[test]
fn message_without_a_time_stands_where_the_one_before_it_does() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    let untimed = |mid| Message { mtime: None, ..row(mid) };
    hub.find_newest_rows(&[row(3), untimed(2), row(1)]);
    hub.push(4);
    hub.reconnect(&[&ear]);
    let mut catch_up = hub.next_catch_up();
    hub.take(&mut catch_up, [row(1), untimed(2), row(3), row(4), untimed(5), untimed(6), row(7)]);
    hub.finish(catch_up);
    assert_eq!(ear.heard(), ["4", "5", "6", "7"]);
}

#[test]
fn room_whose_messages_have_no_time_cannot_be_caught_up() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest_rows(&[2, 1].map(|mid| Message { mtime: None, ..row(mid) }));
    hub.reconnect(&[&ear]);
    assert!(hub.next_catch_up().base.is_none());
}

#[test]
fn several_rooms_are_caught_up_at_once_and_each_in_its_order() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().rooms(&[1, 2, 3, 4, 5, 6]), true);
    (0..6).for_each(|_| hub.find_newest(&[]));
    assert_eq!((0..9).filter(|_| hub.listeners.must_start_thread()).count(), 4, "the server is not flooded");
    for rid in 1..=6 {
        hub.push_in(rid, rid);
    }
    hub.reconnect(&[&ear]);
    let mut begun: Vec<CatchUp> = (0..5).map(|_| hub.next_catch_up()).collect();
    (1..=6).for_each(|rid| hub.push_in(rid, 10 + rid));
    hub.reconnect(&[&ear]);
    // The second catch-up of a room waits until the first is over.
    let sixth = hub.next_catch_up();
    assert!(begun.iter().all(|catch_up| catch_up.rid != sixth.rid));
    let last = begun.remove(4);
    let rid = last.rid;
    hub.finish(last);
    let again = hub.next_catch_up();
    assert_eq!((again.rid, again.connection), (rid, 3));
}

#[test]
fn gap_of_a_room_begins_with_the_last_message_of_that_room() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().rooms(&[1, 2]), true);
    (0..2).for_each(|_| hub.find_newest(&[]));
    hub.push_in(1, 1);
    hub.push_in(2, 2);
    hub.reconnect(&[&ear]);
    let mut catch_ups = [hub.next_catch_up(), hub.next_catch_up()];
    catch_ups.sort_by_key(|catch_up| catch_up.rid);
    let [one, mut two] = catch_ups;
    let of_two = |mid| Message { target: Target::Room(2), ..row(mid) };
    hub.take(&mut two, [of_two(8), of_two(9)]);
    hub.listeners.tell_gap(&one, Some(&error()));
    hub.listeners.tell_gap(&two, Some(&error()));
    hub.finish(one);
    hub.finish(two);
    assert_eq!(ear.heard(), ["1", "2", "8", "9", "Reconnected 0 since 1000 with an error"]);
}
