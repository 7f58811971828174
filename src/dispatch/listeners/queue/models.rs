//! Models every order in which pushes, overflow, a listener, and the end of either can interleave.

use super::*;
use crate::rtm::{EventRef, PushRef};

use loom::thread;

const PUSHES: i64 = 3;

fn queue(limit: usize) -> Arc<Queue> {
    Arc::new(Queue::new(limit, Arc::default(), 0))
}

/// Creates an event whose `uid` is its number.
fn event(uid: i64) -> Arc<PushList> {
    let event = EventRef { pid: 1, name: b"login", uid, time: 2, endpoint: b"", data: None };
    let mut pushes = PushList::default();
    pushes.add(&PushRef::Event(event), 10);
    pushes.take()
}

/// Does what the I/O thread does for each push.
fn push_all(queue: &Queue, events: &[Arc<PushList>]) {
    for event in events {
        queue.push_all([Arc::clone(event)]);
        queue.wake();
    }
}

fn events() -> Vec<Arc<PushList>> {
    (0..PUSHES).map(event).collect()
}

/// Takes everything until the end. Each push arrives once and in order, or is reported as missing in its place.
fn take_all(queue: &Queue, mut take: impl FnMut() -> Taken) {
    let mut next = 0;
    loop {
        assert!(queue.waiting.count.load(Ordering::Relaxed) <= queue.waiting.limit, "over the limit");
        match take() {
            Taken::Push(Push::Event(event)) => {
                assert_eq!(event.uid, next);
                next += 1;
            }
            Taken::Push(Push::Gap(gap)) => next += gap.missed().unwrap() as i64,
            Taken::Push(push) => panic!("{push:?}"),
            Taken::Nothing => {}
            Taken::Closed => break,
        }
    }
    assert_eq!(next, PUSHES);
}

/// Overflows a queue with pushes, while `listen` takes everything.
fn overflow(listen: fn(&Queue)) {
    let events = events();
    loom::model(move || {
        let queue = queue(1);
        let listener = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || listen(&queue))
        };
        push_all(&queue, &events);
        queue.close(&Error::closed(false));
        listener.join().unwrap();
    });
}

/// Abandons a queue while pushes arrive and `listen` takes them.
fn abandon(listen: fn(&Queue)) {
    let events = events();
    loom::model(move || {
        let queue = queue(2);
        let pushing = {
            let (queue, events) = (Arc::clone(&queue), events.clone());
            thread::spawn(move || push_all(&queue, &events))
        };
        let dropping = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.abandon())
        };
        listen(&queue);
        pushing.join().unwrap();
        dropping.join().unwrap();
        assert!(matches!(queue.try_take(), Taken::Closed));
        assert!(events.iter().all(|event| Arc::strong_count(event) == 1), "a push is kept for nobody");
    });
}

#[test]
fn nothing_is_lost_or_repeated_in_an_overflowing_queue() {
    overflow(|queue| take_all(queue, || queue.take_as(None, |next| next.make())));
}

#[test]
fn nothing_is_lost_or_repeated_when_one_thread_takes_everything() {
    overflow(|queue| {
        let mut taken = Outbox::default();
        take_all(queue, || queue.take_into(&mut taken, |next| next.make()));
    });
}

#[test]
fn dropped_listener_ends_and_leaves_nothing_behind() {
    abandon(|queue| while !matches!(queue.take_as(None, |next| next.make()), Taken::Closed) {});
}

#[test]
fn thread_of_a_dropped_handler_ends_and_leaves_nothing_behind() {
    abandon(|queue| {
        let mut taken = Outbox::default();
        while !matches!(queue.take_into(&mut taken, |next| next.make()), Taken::Closed) {}
    });
}
