//! Catch-ups over several connections, with listeners that join meanwhile.

use super::*;

#[test]
fn message_that_comes_by_history_and_push_is_delivered_once_to_everybody() {
    let mut hub = Hub::new();
    let filling = hub.listen(Listen::new().room(ROOM), true);
    let plain = hub.listen(Listen::new().room(ROOM), false);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&filling, &plain]);
    let late = hub.listen(Listen::new().room(ROOM), true);
    // Sent after the connection was made, and read before it is pushed.
    hub.catch_up([1, 2]);
    hub.push(2);
    hub.push(2);
    assert_eq!(filling.heard(), ["1", "2"]);
    assert_eq!(plain.heard(), ["1", "Reconnected 0 since 1000", "2"]);
    assert_eq!(late.heard(), ["2"]);
}

#[test]
fn catch_up_goes_on_over_another_reconnect() {
    let (mut hub, ear) = Hub::reconnected();
    hub.push(4);
    hub.page(hub.next_catch_up(), [1, 2]);
    let first = hub.next_catch_up();
    hub.reconnect(&[]);
    hub.fail(first, lost());
    assert!(hub.next_work().is_none(), "the room is not granted yet");
    hub.listeners.handle_granted(hub.connection, ear.id);
    hub.push(7);
    hub.page(hub.next_catch_up(), [2, 3, 4, 5, 6, 7]);
    hub.page(hub.next_catch_up(), [4, 5, 6, 7]);
    assert!(hub.next_work().is_none());
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn listener_that_joined_during_a_catch_up_gets_what_it_misses_after_the_next_loss() {
    let (mut hub, ear) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.push(3);
    hub.reconnect(&[&ear, &late]);
    // The first catch-up is not over, and another of its pages reaches beyond the second connection.
    hub.page(first, [1, 2]);
    hub.page(hub.next_catch_up(), [3]);
    hub.catch_up([1, 2, 3, 4]);
    hub.push(4);
    hub.push(5);
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5"]);
    assert_eq!(late.heard(), ["3", "4", "5"]);
}

#[test]
fn row_of_an_earlier_catch_up_is_given_to_those_who_joined_since() {
    let (mut hub, ear) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&ear, &late]);
    // Nothing was pushed in between, so that the first catch-up reads on to the end.
    hub.end(first, [1, 2]);
    hub.page(hub.next_catch_up(), [1, 2]);
    hub.catch_up([2]);
    assert_eq!(late.heard(), ["2"]);
    hub.push(2);
    hub.push(3);
    assert_eq!(ear.heard(), ["1", "2", "3"]);
    assert_eq!(late.heard(), ["3"]);
}

#[test]
fn server_that_comes_and_goes_piles_up_neither_catch_ups_nor_gaps() {
    let mut hub = Hub::new();
    let filling = hub.listen(Listen::new().room(ROOM), true);
    let both = hub.listen(Listen::new().room(ROOM).event("login"), true);
    hub.find_newest(&[]);
    hub.push(1);
    for _ in 0..1_000 {
        hub.reconnect(&[&filling, &both]);
    }
    assert_eq!(hub.listeners.tables.lock().rooms[&ROOM].plans.len(), 1);
    assert!(filling.sink.queue.held_items() <= 2 && both.sink.queue.held_items() <= 3);
    hub.push(5);
    hub.page(hub.next_catch_up(), [1, 2, 5]);
    assert!(hub.next_work().is_none());
    assert_eq!(filling.heard(), ["1", "2", "5"]);
    assert_eq!(both.heard(), ["1", "Reconnected 0 since 1000", "2", "5"]);
}

#[test]
fn history_that_cannot_be_read_again_and_again_is_one_gap() {
    let (mut hub, ear) = Hub::filling();
    for _ in 0..1_000 {
        hub.reconnect(&[&ear]);
        hub.fail(hub.next_catch_up(), error());
    }
    assert!(ear.sink.queue.held_items() <= 3);
    hub.reconnect(&[&ear]);
    hub.catch_up([1, 2]);
    assert_eq!(ear.heard(), ["1", "Reconnected 0 since 1000 with an error", "2"]);
}

#[test]
fn catch_up_is_not_overtaken_once_something_was_pushed_behind_it() {
    let (mut hub, ear) = Hub::reconnected();
    hub.push(3);
    hub.reconnect(&[&ear]);
    hub.push(5);
    hub.catch_up([1, 2, 3]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn message_that_only_the_catch_up_of_others_saw_is_not_lost_to_those_who_joined_meanwhile() {
    let (mut hub, ear) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    // Sent to both; the connection dies before it is pushed.
    hub.end(first, [1, 2]);
    hub.reconnect(&[&ear, &late]);
    hub.catch_up([1, 2]);
    assert_eq!(ear.heard(), ["1", "2"]);
    assert_eq!(late.heard(), ["2"]);
}
