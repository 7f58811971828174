//! The destination of a listener's pushes: a thread that waits for them, or a handler.
//!
//! Each handler has its own thread, so a handler that blocks delays neither other handlers nor callbacks. With an
//! executor, only one job at a time runs the handler, so it gets one push at a time however many threads the executor
//! has.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::push::Push;
use super::queue::{Outbox, Queue, Ready, Taken};
use crate::dispatch::callback_threads::{Callbacks, contained};
use crate::error::{Error, SystemError};
use crate::sync::{AtomicBool, Mutex};

/// How many pushes one job passes to its handler before it lets other jobs run.
const PUSHES_PER_JOB: usize = 64;

/// A user's handler of pushes.
pub(crate) type Handler = Box<dyn FnMut(Push) + Send>;

/// A listener's queue, and what empties it.
#[derive(Debug)]
pub(crate) struct Sink {
    pub queue: Queue,
    executor: Option<InExecutor>,
}

/// A handler that is run by the user's executor.
struct InExecutor {
    /// `None` once the client is closed: it would keep the callback threads alive.
    callbacks: Mutex<Option<Callbacks>>,
    /// Taken by the job that runs it. Gone for good once the queue has ended.
    handler: Mutex<Option<Handler>>,
    /// Whether a job that runs the handler is scheduled or running.
    is_scheduled: AtomicBool,
}

impl fmt::Debug for InExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InExecutor").finish_non_exhaustive()
    }
}

impl Sink {
    /// Creates a sink for a thread that waits for the queue.
    pub(crate) fn new(queue: Queue) -> Arc<Sink> {
        Arc::new(Sink { queue, executor: None })
    }

    /// Creates a sink for a handler that the executor behind `callbacks` runs.
    pub(crate) fn in_executor(queue: Queue, handler: Handler, callbacks: Callbacks) -> Arc<Sink> {
        let executor = InExecutor {
            callbacks: Mutex::new(Some(callbacks)),
            handler: Mutex::new(Some(handler)),
            is_scheduled: AtomicBool::new(false),
        };
        Arc::new(Sink { queue, executor: Some(executor) })
    }

    /// Runs `handler` on its own thread, named `rtm-listener`, until the queue ends.
    ///
    /// # Errors
    ///
    /// The system refused the thread.
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

    /// Wakes the listener: something was added to its queue.
    pub(crate) fn wake(self: &Arc<Sink>) {
        match &self.executor {
            None => self.queue.wake(),
            Some(_) => self.schedule(),
        }
    }

    /// Closes the sink: the client was closed.
    pub(crate) fn close(self: &Arc<Sink>, error: &Error) {
        self.queue.close(error);
        if let Some(executor) = &self.executor {
            self.schedule();
            // The running job handles what is left.
            drop(executor.callbacks.lock().take());
        }
    }

    /// Ends the sink: the listener was dropped.
    pub(crate) fn abandon(self: &Arc<Sink>) {
        self.queue.abandon();
        self.schedule();
    }

    /// Schedules a job that runs the handler, unless one is scheduled already or there is nothing to take.
    fn schedule(self: &Arc<Sink>) {
        let Some(executor) = &self.executor else { return };
        if !self.queue.is_ready() {
            return;
        }
        // Once the client is closed, the running job handles what is left.
        let Some(callbacks) = executor.callbacks.lock().clone() else { return };
        if !executor.is_scheduled.swap(true, Ordering::SeqCst) {
            let sink = Arc::clone(self);
            callbacks.submit(Box::new(move || sink.run_handler()));
        }
    }

    /// Runs the handler for the waiting pushes. At most one such job exists at a time.
    fn run_handler(self: Arc<Sink>) {
        let Some(executor) = &self.executor else { return };
        loop {
            self.run_handler_in(executor);
            executor.is_scheduled.store(false, Ordering::SeqCst);
            // Whoever added a push since the last check saw `is_scheduled`, and did not schedule a job.
            if !self.queue.is_ready() || executor.is_scheduled.swap(true, Ordering::SeqCst) {
                return;
            }
            let callbacks = executor.callbacks.lock().clone();
            if let Some(callbacks) = callbacks {
                let sink = Arc::clone(&self);
                return callbacks.submit(Box::new(move || sink.run_handler()));
            }
            // The client is closed, so no other job follows: this one continues until nothing is left.
            if executor.handler.lock().is_none() {
                return;
            }
        }
    }

    /// Runs the handler for a limited number of pushes; once the client is closed, for all that are left.
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
