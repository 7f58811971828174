//! Handlers get one push at a time, in order, and delay nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{bounded, unbounded};
use rtm_server_sdk::{Listen, Push};

use crate::common::fixtures;
use crate::common::pushing::{agree, next_quest, room_push};
use crate::common::receive;
use crate::common::scripted::ScriptedServer;
use crate::common::watchdog::guarded;
use crate::{Pair, ROOM, next_mid};

fn mid(push: &Push) -> i64 {
    match push {
        Push::Message(message) => message.mid,
        push => panic!("{push:?}"),
    }
}

fn pushes(count: i64) -> Vec<u8> {
    (1..=count).flat_map(|mid| room_push(mid as u32, ROOM, mid)).collect()
}

#[test]
fn handler_gets_pushes_one_at_a_time_and_in_order() {
    guarded(|| {
        let pair = Pair::new();
        let (sender, receiver) = unbounded();
        let _guard = pair.callback(Listen::new().room(ROOM), move |push| _ = sender.send(mid(&push)));
        pair.connection.send(&pushes(2000));
        assert_eq!(
            (1..=2000).map(|_| receive(&receiver, "a push")).collect::<Vec<_>>(),
            (1..=2000).collect::<Vec<_>>()
        );
    });
}

#[test]
fn blocked_handler_delays_neither_handlers_nor_callbacks_nor_calls() {
    guarded(|| {
        let pair = Pair::new();
        let (release, blocked) = bounded::<()>(0);
        let (entered, is_in) = unbounded();
        let _blocked = pair.callback(Listen::new().room(ROOM), move |_| {
            _ = entered.send(());
            _ = blocked.recv();
        });
        let (sender, receiver) = unbounded();
        let send = move |push: Push| _ = sender.send(mid(&push));
        let _other = pair.client.listen(Listen::new().room(ROOM)).callback(send).unwrap();
        let listener = pair.client.listen(Listen::new().room(ROOM)).start().unwrap();
        pair.connection.send(&pushes(100));
        receive(&is_in, "the handler that blocks");
        assert_eq!((1..=100).map(|_| receive(&receiver, "a push")).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
        assert_eq!((1..=100).map(|_| next_mid(&listener)).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
        let (sender, receiver) = unbounded();
        pair.client.get_room_info(1).callback(fixtures::into(&sender));
        pair.connection.answer(&next_quest(&pair.connection));
        receive(&receiver, "the outcome of a call").unwrap();
        drop(release);
    });
}

#[test]
fn panic_in_a_handler_ends_with_its_push() {
    guarded(|| {
        let pair = Pair::new();
        let (sender, receiver) = unbounded();
        let _guard = pair.callback(Listen::new().room(ROOM), move |push| {
            let mid = mid(&push);
            assert!(mid % 2 == 0, "odd");
            _ = sender.send(mid);
        });
        pair.connection.send(&pushes(10));
        assert_eq!((1..=5).map(|_| receive(&receiver, "a push")).collect::<Vec<_>>(), [2, 4, 6, 8, 10]);
    });
}

#[test]
fn handler_may_make_blocking_calls() {
    guarded(|| {
        let pair = Pair::new();
        let client = pair.client.clone();
        let (sender, receiver) = unbounded();
        let guard = pair.callback(Listen::new().room(ROOM), move |_| _ = sender.send(client.get_room_info(1).call()));
        pair.connection.send(&pushes(3));
        for _ in 0..3 {
            pair.connection.answer(&next_quest(&pair.connection));
            receive(&receiver, "the outcome of a call").unwrap();
        }
        drop(guard);
    });
}

#[test]
fn dropped_guard_ends_the_handler_and_drops_it() {
    guarded(|| {
        let pair = Pair::new();
        let (sender, receiver) = unbounded();
        let guard = pair.callback(Listen::new().room(ROOM), move |push| _ = sender.send(mid(&push)));
        pair.connection.send(&room_push(1, ROOM, 1));
        assert_eq!(receive(&receiver, "a push"), 1);
        drop(guard);
        assert!(crate::common::pushing::ids(&agree(&pair.connection), "rids").is_empty());
        pair.connection.send(&room_push(2, ROOM, 2));
        assert_eq!(
            receiver.recv_timeout(crate::common::PATIENCE),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        );
    });
}

#[test]
fn guard_may_be_dropped_inside_its_own_handler() {
    guarded(|| {
        let pair = Pair::new();
        let (slot, guard) = unbounded();
        let (sender, receiver) = unbounded();
        let handler = move |push: Push| {
            drop(guard.recv());
            _ = sender.send(mid(&push));
        };
        slot.send(pair.callback(Listen::new().room(ROOM), handler)).unwrap();
        pair.connection.send(&pushes(3));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1], "none after the one that dropped the guard");
    });
}

#[test]
fn closed_client_passes_queued_pushes_to_handlers() {
    guarded(|| {
        let pair = Pair::new();
        let (release, blocked) = bounded::<()>(0);
        let (sender, receiver) = unbounded();
        let _guard = pair.callback(Listen::new().room(ROOM), move |push| {
            _ = blocked.recv();
            _ = sender.send(mid(&push));
        });
        pair.connection.send(&pushes(5));
        // The last answer follows the last push.
        std::iter::repeat_with(|| pair.connection.next()).take(5).for_each(drop);
        pair.client.close();
        drop(release);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn executor_runs_a_handler_one_push_at_a_time_and_in_order() {
    guarded(|| {
        let server = ScriptedServer::start();
        // Four threads, each taking the next job, so only the client can keep the order.
        let (jobs, queue) = unbounded::<Box<dyn FnOnce() + Send>>();
        for _ in 0..4 {
            let queue = queue.clone();
            std::thread::spawn(move || queue.iter().for_each(|job| job()));
        }
        let builder = fixtures::builder(server.endpoint()).callback_executor(move |job| _ = jobs.send(job));
        let pair = Pair::of(builder.build().unwrap(), server);
        let (sender, receiver) = unbounded();
        let inside = Arc::new(AtomicUsize::new(0));
        let _guard = pair.callback(Listen::new().room(ROOM), move |push| {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            _ = sender.send(mid(&push));
            inside.fetch_sub(1, Ordering::SeqCst);
        });
        pair.connection.send(&pushes(2000));
        assert_eq!(
            (1..=2000).map(|_| receive(&receiver, "a push")).collect::<Vec<_>>(),
            (1..=2000).collect::<Vec<_>>()
        );
    });
}

#[test]
fn handler_in_an_executor_is_dropped_with_its_guard_and_with_the_client() {
    guarded(|| {
        let server = ScriptedServer::start();
        let (jobs, queue) = unbounded::<Box<dyn FnOnce() + Send>>();
        std::thread::spawn(move || queue.iter().for_each(|job| job()));
        let builder = fixtures::builder(server.endpoint()).callback_executor(move |job| _ = jobs.send(job));
        let pair = Pair::of(builder.build().unwrap(), server);
        let (sender, receiver) = unbounded::<()>();
        let keep = sender.clone();
        let guard = pair.callback(Listen::new().room(ROOM), move |_| _ = keep.send(()));
        let kept = pair.client.listen(Listen::new().room(ROOM)).callback(move |_| _ = sender.send(())).unwrap();
        drop(guard);
        pair.connection.send(&room_push(1, ROOM, 1));
        receive(&receiver, "the push for the handler that is left");
        drop(pair);
        assert_eq!(
            receiver.recv_timeout(crate::common::PATIENCE),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected)
        );
        drop(kept);
    });
}
