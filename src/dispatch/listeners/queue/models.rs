//! Every order in which pushes, overflow, a listener, and the end of either can meet.

use super::*;
use crate::fpnn::MapWriter;
use crate::rtm::{PushMethod, PushRef};

use loom::thread;

const PUSHES: i64 = 3;

fn queue(limit: usize) -> Arc<Queue> {
    Arc::new(Queue::new(limit, Arc::default(), 0))
}

/// An event whose `uid` numbers it.
fn event(number: i64) -> Arc<[u8]> {
    let mut payload = Vec::new();
    let map = MapWriter::begin(&mut payload).int("pid", 1).str("event", "login").int("uid", number);
    let _ = map.int("time", 2).str("endpoint", "");
    payload.into()
}

fn arrived(payload: &Arc<[u8]>) -> Arrived {
    let push = PushRef::read(PushMethod::Event, payload).unwrap().unwrap();
    Arrived { parts: push.to_parts(payload), payload: Arc::clone(payload) }
}

/// What the I/O thread does for each push.
fn push_all(queue: &Queue, payloads: &[Arc<[u8]>]) {
    for payload in payloads {
        queue.push_all(&Arc::from([arrived(payload)]));
        queue.wake();
    }
}

fn payloads() -> Vec<Arc<[u8]>> {
    (0..PUSHES).map(event).collect()
}

/// Takes what comes until the end. Each push comes once, in order, or is told to be missing in its place.
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

/// Pushes that overflow a queue, from which `listen` takes all.
fn overflow(listen: fn(&Queue)) {
    let payloads = payloads();
    loom::model(move || {
        let queue = queue(1);
        let listener = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || listen(&queue))
        };
        push_all(&queue, &payloads);
        queue.close(&Error::closed(false));
        listener.join().unwrap();
    });
}

/// A queue is abandoned while pushes come and `listen` takes them.
fn abandon(listen: fn(&Queue)) {
    // Three threads: a third push would take many minutes.
    let payloads = payloads()[..2].to_vec();
    loom::model(move || {
        let queue = queue(2);
        let pushing = {
            let (queue, payloads) = (Arc::clone(&queue), payloads.clone());
            thread::spawn(move || push_all(&queue, &payloads))
        };
        let dropping = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.abandon())
        };
        listen(&queue);
        pushing.join().unwrap();
        dropping.join().unwrap();
        assert!(matches!(queue.try_take(), Taken::Closed));
        assert!(payloads.iter().all(|payload| Arc::strong_count(payload) == 1), "a push is kept for nobody");
    });
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_through_an_overflowing_queue() {
    overflow(|queue| take_all(queue, || queue.take(None)));
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_where_one_thread_takes_everything() {
    overflow(|queue| {
        let mut taken = Outbox::default();
        take_all(queue, || queue.take_into(&mut taken));
    });
}

#[test]
fn listener_that_is_dropped_ends_and_leaves_nothing_behind() {
    abandon(|queue| while !matches!(queue.take(None), Taken::Closed) {});
}

#[test]
fn thread_of_a_handler_that_is_dropped_ends_and_leaves_nothing_behind() {
    abandon(|queue| {
        let mut taken = Outbox::default();
        while !matches!(queue.take_into(&mut taken), Taken::Closed) {}
    });
}
