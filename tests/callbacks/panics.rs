//! A callback that panics.

use std::thread;

use crossbeam_channel::unbounded;

use super::with_server;
use crate::common::fixtures::into;
use crate::common::receive;
use crate::common::watchdog::guarded;

#[test]
fn panic_in_a_callback_ends_there() {
    guarded(|| {
        let (server, client) = with_server();
        for _ in 0..5 {
            client.add_room_member(1, 1).callback(|_| panic!("this panic is a part of the test"));
            let (sender, outcomes) = unbounded();
            client.add_room_member(1, 2).callback(into(&sender));
            receive(&outcomes, "the callback after the panic").unwrap();
            client.add_room_member(1, 3).call().unwrap();
        }
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn panic_whose_value_panics_on_drop_is_contained_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("this panic is a part of the test");
            }
        }
    }
    guarded(|| {
        let (_server, client) = with_server();
        client.add_room_member(1, 1).callback(|_| std::panic::panic_any(Bomb));
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 2).callback(into(&sender));
        receive(&outcomes, "the callback after the panic").unwrap();
    });
}

/// Panics when it is dropped, with a payload that panics in turn, as many times as it says.
struct NestedBomb(u32);

impl Drop for NestedBomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(NestedBomb(self.0 - 1));
        }
    }
}

#[test]
fn panics_nested_in_the_payload_are_contained_too() {
    guarded(|| {
        let (_server, client) = with_server();
        for depth in 1..4 {
            client.add_room_member(1, 1).callback(move |_| std::panic::panic_any(NestedBomb(depth)));
        }
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 2).callback(into(&sender));
        receive(&outcomes, "the callback after the panics").unwrap();
    });
}
