//! Models every order in which pushes, an executor's threads, and the end of a listener or of its client can
//! interleave.

use super::*;
use crate::dispatch::callback_threads::Work;
use crate::rtm::{EventRef, PushList, PushRef};

use crossbeam_channel::Receiver;
use loom::sync::atomic::AtomicUsize;
use loom::thread::{self, JoinHandle};

/// A handler in an executor, and what it observed. A panic in a handler is caught, so failures are recorded here and
/// checked at the end.
struct Model {
    sink: Arc<Sink>,
    jobs: Receiver<Work>,
    seen: Arc<Seen>,
}

struct Seen {
    is_running: AtomicBool,
    has_overlapped: AtomicBool,
    heard: Mutex<Vec<i64>>,
    dropped: AtomicUsize,
}

/// Records that the handler was dropped.
struct Dropped(Arc<Seen>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Seen {
    fn hear(&self, push: &Push) {
        if self.is_running.swap(true, Ordering::SeqCst) {
            self.has_overlapped.store(true, Ordering::SeqCst);
        }
        if let Push::Event(event) = push {
            self.heard.lock().push(event.uid);
        }
        self.is_running.store(false, Ordering::SeqCst);
    }
}

impl Model {
    fn new() -> Arc<Model> {
        let seen = Arc::new(Seen {
            is_running: AtomicBool::new(false),
            has_overlapped: AtomicBool::new(false),
            heard: Mutex::new(Vec::new()),
            dropped: AtomicUsize::new(0),
        });
        let (callbacks, jobs) = Callbacks::in_model();
        let dropped = Dropped(Arc::clone(&seen));
        let handler = Box::new(move |push| dropped.0.hear(&push));
        let sink = Sink::in_executor(Queue::new(9, Arc::default(), 0), handler, callbacks);
        Arc::new(Model { sink, jobs, seen })
    }

    /// Does what the I/O thread does for a push, or a catch-up thread for a row.
    fn push(&self, number: i64) {
        let event = EventRef { pid: 1, name: b"login", uid: number, time: 2, endpoint: b"", data: None };
        let mut pushes = PushList::default();
        pushes.add(&PushRef::Event(event), 10);
        self.sink.queue.push_all([pushes.take()]);
        self.sink.wake();
    }

    /// Runs the jobs that are queued.
    fn run_jobs(&self) {
        self.jobs.try_iter().for_each(drop);
    }

    /// Runs the queued jobs on another thread of the executor, if there are any.
    fn spawn_worker(self: &Arc<Model>) -> Option<JoinHandle<()>> {
        let model = Arc::clone(self);
        let has_jobs = !self.jobs.is_empty();
        has_jobs.then(|| thread::spawn(move || model.run_jobs()))
    }

    /// Checks the handler once everything has ended. Returns what it heard.
    fn settle(&self) -> Vec<i64> {
        self.run_jobs();
        assert!(!self.seen.has_overlapped.load(Ordering::SeqCst), "the handler ran twice at once");
        assert_eq!(self.seen.dropped.load(Ordering::SeqCst), 1, "the handler is dropped, once");
        std::mem::take(&mut *self.seen.heard.lock())
    }
}

#[test]
fn pushes_are_heard_in_order_on_the_threads_of_an_executor() {
    loom::model(|| {
        let model = Model::new();
        model.push(0);
        let first = model.spawn_worker();
        model.push(1);
        let second = model.spawn_worker();
        model.sink.close(&Error::closed(false));
        let third = model.spawn_worker();
        [first, second, third].into_iter().flatten().for_each(|worker| worker.join().unwrap());
        assert_eq!(model.settle(), [0, 1]);
    });
}

#[test]
fn pushes_from_two_threads_all_reach_the_handler() {
    loom::model(|| {
        let model = Model::new();
        let pushing: Vec<_> = (0..2)
            .map(|number| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    model.push(number);
                    model.run_jobs();
                })
            })
            .collect();
        pushing.into_iter().for_each(|thread| thread.join().unwrap());
        // Nobody adds pushes any more, so none may be left.
        model.run_jobs();
        assert_eq!(model.seen.heard.lock().len(), 2, "a push waits for the next one");
        model.sink.close(&Error::closed(false));
        model.run_jobs();
        assert_eq!(model.settle().len(), 2);
    });
}

#[test]
fn dropped_listener_is_not_called_again() {
    loom::model(|| {
        let model = Model::new();
        let pushing = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                model.push(0);
                model.run_jobs();
                model.push(1);
                model.run_jobs();
            })
        };
        model.sink.abandon();
        model.run_jobs();
        pushing.join().unwrap();
        model.sink.close(&Error::closed(false));
        let heard = model.settle();
        assert!(heard.is_empty() || heard == [0] || heard == [0, 1], "{heard:?}");
    });
}
