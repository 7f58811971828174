//! The destination of a listener's pushes: a thread that waits for them, or a handler.
//!
//! Each handler has its own thread, so a handler that blocks holds up neither other handlers nor callbacks. With an
//! executor, one job at a time runs the handler, so it gets one push at a time however many threads the executor has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::push::Push;
use super::queue::{Outbox, Queue, Ready, Taken};
use crate::dispatch::callbacks::{Callbacks, contained};
use crate::error::{Error, SystemError};
use crate::sync::{AtomicBool, Mutex};

/// A handler in an executor is run for so many pushes at once, then others have their turn.
const PUSHES_PER_JOB: usize = 64;

/// A user's handler of pushes.
pub(crate) type Handler = Box<dyn FnMut(Push) + Send>;

/// A listener's queue, and whoever empties it.
#[derive(Debug)]
pub(crate) struct Sink {
    pub queue: Queue,
    executor: Option<InExecutor>,
}

/// A handler that is run by the user's executor.
struct InExecutor {
    /// Gone once the client is closed: it would keep the callback threads alive.
    callbacks: Mutex<Option<Callbacks>>,
    /// Taken by the job that runs it; gone for good once the queue has come to its end.
    handler: Mutex<Option<Handler>>,
    /// A job that runs the handler is under way, or is about to be.
    is_scheduled: AtomicBool,
}

impl fmt::Debug for InExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InExecutor").finish_non_exhaustive()
    }
}

impl Sink {
    /// For a thread that waits at the queue.
    pub(crate) fn new(queue: Queue) -> Arc<Sink> {
        Arc::new(Sink { queue, executor: None })
    }

    /// For a handler that is run by the executor behind `callbacks`.
    pub(crate) fn in_executor(queue: Queue, handler: Handler, callbacks: Callbacks) -> Arc<Sink> {
        let executor = InExecutor {
            callbacks: Mutex::new(Some(callbacks)),
            handler: Mutex::new(Some(handler)),
            is_scheduled: AtomicBool::new(false),
        };
        Arc::new(Sink { queue, executor: Some(executor) })
    }

    /// Runs `handler` on a thread of its own, named `rtm-listener`, until the queue has come to its end.
    ///
    /// # Errors
    ///
    /// The machine refused the thread.
    pub(crate) fn run_on_thread(self: &Arc<Sink>, mut handler: Handler) -> Result<(), SystemError> {
        let sink = Arc::clone(self);
        let run = move || {
            let mut taken = Outbox::default();
            let mut handle = |next: Taken<Ready<'_>>| match next {
                Taken::Push(push) => {
                    contained("a listener", || handler(push.make()));
                    true
                }
                Taken::Nothing => true,
                Taken::Closed => false,
            };
            while sink.queue.take_into(&mut taken, &mut handle) {}
            drop(taken);
            contained("dropping a listener", || drop(handler));
        };
        let spawned = thread::Builder::new().name("rtm-listener".into()).spawn(run);
        spawned.map(drop).map_err(|error| SystemError::new("starting a listener's thread", error))
    }

    /// Something was added to the queue.
    pub(crate) fn wake(self: &Arc<Sink>) {
        match &self.executor {
            None => self.queue.wake(),
            Some(_) => self.schedule(),
        }
    }

    /// The client is closed.
    pub(crate) fn close(self: &Arc<Sink>, error: &Error) {
        self.queue.close(error);
        if let Some(executor) = &self.executor {
            self.schedule();
            // What the job leaves is run by the job itself.
            drop(executor.callbacks.lock().take());
        }
    }

    /// Nobody listens any more.
    pub(crate) fn abandon(self: &Arc<Sink>) {
        self.queue.abandon();
        self.schedule();
    }

    /// Has the executor run the handler, unless it is about to, or there is nothing to take.
    fn schedule(self: &Arc<Sink>) {
        let Some(executor) = &self.executor else { return };
        if !self.queue.is_ready() {
            return;
        }
        // Once the client is closed, the job that is under way runs what is left.
        let Some(callbacks) = executor.callbacks.lock().clone() else { return };
        if !executor.is_scheduled.swap(true, Ordering::SeqCst) {
            let sink = Arc::clone(self);
            callbacks.submit(Box::new(move || sink.run_handler()));
        }
    }

    /// Runs the handler for what is there. Only one such job is under way.
    fn run_handler(self: Arc<Sink>) {
        let Some(executor) = &self.executor else { return };
        loop {
            self.run_handler_in(executor);
            executor.is_scheduled.store(false, Ordering::SeqCst);
            // What came since the last look found a job under way.
            if !self.queue.is_ready() || executor.is_scheduled.swap(true, Ordering::SeqCst) {
                return;
            }
            let callbacks = executor.callbacks.lock().clone();
            if let Some(callbacks) = callbacks {
                let sink = Arc::clone(&self);
                return callbacks.submit(Box::new(move || sink.run_handler()));
            }
            // The client is closed, and no other job will come: this one goes on until nothing is left.
            if executor.handler.lock().is_none() {
                return;
            }
        }
    }

    /// Runs the handler for some pushes, or, once the client is closed, for all that are left.
    fn run_handler_in(&self, executor: &InExecutor) {
        let Some(mut handler) = executor.handler.lock().take() else { return };
        let mut pushes = 0;
        while pushes < PUSHES_PER_JOB || executor.callbacks.lock().is_none() {
            match self.queue.try_take() {
                Taken::Push(push) => contained("a listener", || handler(push)),
                Taken::Nothing => break,
                Taken::Closed => {
                    drop(executor.callbacks.lock().take());
                    return contained("dropping a listener", || drop(handler));
                }
            }
            pushes += 1;
        }
        *executor.handler.lock() = Some(handler);
    }
}

#[cfg(all(loom, test))]
mod models;
