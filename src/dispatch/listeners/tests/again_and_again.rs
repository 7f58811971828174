//! Catch-ups over several connections, with listeners that join in between.

use super::*;
use crate::error::ProtocolError;

/// The connection was lost because a page was larger than `ClientBuilder::max_payload`.
fn too_large() -> Error {
    Error::connection_closed(CloseReason::Protocol(ProtocolError::PayloadTooLarge { size: 2, limit: 1 }), false)
}

#[test]
fn message_in_the_history_and_in_a_push_is_delivered_once() {
    let mut hub = Hub::new();
    let filling = hub.listen(Listen::new().room(ROOM), true);
    let plain = hub.listen(Listen::new().room(ROOM), false);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&filling, &plain]);
    let late = hub.listen(Listen::new().room(ROOM), true);
    // Message 2 is sent after the connection was made, and read before it is pushed.
    hub.catch_up([1, 2]);
    hub.push(2);
    hub.push(2);
    assert_eq!(filling.received(), ["1", "2"]);
    assert_eq!(plain.received(), ["1", "Reconnected 0 since 1000", "2"]);
    assert_eq!(late.received(), ["2"]);
}

#[test]
fn catch_up_continues_after_another_reconnect() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(4);
    hub.page(hub.next_catch_up(), [1, 2]);
    let first = hub.next_catch_up();
    hub.reconnect(&[]);
    hub.fail(first, lost());
    assert!(hub.next_work().is_none(), "the room is not granted yet");
    hub.listeners.handle_granted(hub.connection, listener.id);
    hub.push(7);
    hub.page(hub.next_catch_up(), [2, 3, 4, 5, 6, 7]);
    hub.page(hub.next_catch_up(), [4, 5, 6, 7]);
    assert!(hub.next_work().is_none());
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn listener_added_during_a_catch_up_is_caught_up_after_the_next_loss() {
    let (mut hub, listener) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.push(3);
    hub.reconnect(&[&listener, &late]);
    // The first catch-up is still in progress, and another of its pages reaches beyond the second connection.
    hub.page(first, [1, 2]);
    hub.page(hub.next_catch_up(), [3]);
    hub.catch_up([1, 2, 3, 4]);
    hub.push(4);
    hub.push(5);
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5"]);
    assert_eq!(late.received(), ["3", "4", "5"]);
}

#[test]
fn row_of_an_earlier_catch_up_reaches_later_listeners_too() {
    let (mut hub, listener) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&listener, &late]);
    // Nothing was pushed in between, so the first catch-up reads to the end.
    hub.end(first, [1, 2]);
    hub.page(hub.next_catch_up(), [1, 2]);
    hub.catch_up([2]);
    assert_eq!(late.received(), ["2"]);
    hub.push(2);
    hub.push(3);
    assert_eq!(listener.received(), ["1", "2", "3"]);
    assert_eq!(late.received(), ["3"]);
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
    assert_eq!(filling.received(), ["1", "2", "5"]);
    assert_eq!(both.received(), ["1", "Reconnected 0 since 1000", "2", "5"]);
}

#[test]
fn server_that_comes_and_goes_adds_no_gaps_to_a_full_queue() {
    let mut hub = Hub::new();
    let listener = hub.listen_with(Listen::new().room(ROOM), false, 1);
    hub.push(1);
    for mid in 2..=1_001 {
        hub.reconnect(&[&listener]);
        hub.push(mid);
    }
    assert!(listener.sink.queue.held_items() <= 3);
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000", "Overflow 1000 since 1000"]);
    hub.reconnect(&[&listener]);
    hub.push(1_002);
    assert_eq!(listener.received(), ["Reconnected 0 since 1000", "1002"]);
}

#[test]
fn repeated_failures_to_read_a_history_are_one_gap() {
    let (mut hub, listener) = Hub::filling();
    for _ in 0..1_000 {
        hub.reconnect(&[&listener]);
        hub.fail(hub.next_catch_up(), error());
    }
    assert!(listener.sink.queue.held_items() <= 3);
    hub.reconnect(&[&listener]);
    hub.catch_up([1, 2]);
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000 with an error", "2"]);
}

#[test]
fn page_that_repeatedly_ends_its_connection_is_a_gap() {
    for is_pushed in [false, true] {
        let (mut hub, listener) = Hub::reconnected();
        if is_pushed {
            hub.push(9);
        }
        for _ in 0..20 {
            hub.fail(hub.next_catch_up(), lost());
            hub.reconnect(&[&listener]);
        }
        // The catch-up for the later connections.
        hub.catch_up([1, 9]);
        let received = listener.received();
        assert_eq!(received[..2], ["1", "Reconnected 0 since 1000 with an error"]);
        assert_eq!(received[2..], ["9"]);
    }
}

#[test]
fn page_too_large_for_the_client_is_requested_once() {
    let (hub, listener) = Hub::reconnected();
    hub.fail(hub.next_catch_up(), too_large());
    assert_eq!(listener.received(), ["1", "Reconnected 0 since 1000 with an error"]);
}

#[test]
fn newest_messages_too_large_for_the_client_are_requested_once() {
    let mut hub = Hub::new();
    let listener = hub.listen(Listen::new().room(ROOM), true);
    let work = hub.next_work().unwrap();
    hub.listeners.finish_work(work, Some(Err(too_large())), hub.now);
    hub.reconnect(&[&listener]);
    hub.do_blind_catch_up();
    assert!(hub.next_work().is_none());
    assert_eq!(listener.received(), ["Reconnected 0 since 0"]);
}

#[test]
fn catch_up_is_not_replaced_once_something_was_pushed_after_it() {
    let (mut hub, listener) = Hub::reconnected();
    hub.push(3);
    hub.reconnect(&[&listener]);
    hub.push(5);
    hub.catch_up([1, 2, 3]);
    hub.catch_up([1, 2, 3, 4, 5]);
    assert_eq!(listener.received(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn message_only_seen_by_the_catch_up_of_others_reaches_later_listeners() {
    let (mut hub, listener) = Hub::reconnected();
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    // Message 2 is sent to both, but the connection is lost before it is pushed.
    hub.end(first, [1, 2]);
    hub.reconnect(&[&listener, &late]);
    hub.catch_up([1, 2]);
    assert_eq!(listener.received(), ["1", "2"]);
    assert_eq!(late.received(), ["2"]);
}
