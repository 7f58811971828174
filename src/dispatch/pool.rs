//! The callback threads: where the user's code runs, and where its panics end.

use std::any::Any;
use std::cell::Cell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Shared;
use super::completion::{Callback, Place};
use super::hooks::Hooks;
use crate::engine::Outcome;
use crate::error::SystemError;

/// How long the end of the last client waits for callbacks that are still under way.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs callbacks where the user wants them.
pub type Executor = Box<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

thread_local! {
    static INSIDE_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is running a callback now.
pub fn is_inside_callback() -> bool {
    INSIDE_CALLBACK.with(Cell::get)
}

/// Something to run on a callback thread. It runs exactly once: an executor that drops it unrun runs it by that.
pub struct Job(Option<Work>);

enum Work {
    Callback { callback: Callback, outcome: Outcome, place: Place, shared: Arc<Shared> },
    Hooks(Arc<Hooks>),
    Retire(Arc<Hooks>),
}

impl Job {
    /// A call's callback, with its outcome.
    pub(super) fn callback(callback: Callback, outcome: Outcome, place: Place, shared: Arc<Shared>) -> Job {
        Job(Some(Work::Callback { callback, outcome, place, shared }))
    }

    /// The connection's hooks, for the events that wait.
    pub(super) fn hooks(hooks: Arc<Hooks>) -> Job {
        Job(Some(Work::Hooks(hooks)))
    }

    /// The end of the hooks. What they captured is dropped with them, and that is the user's code too.
    pub(super) fn retire(hooks: Arc<Hooks>) -> Job {
        Job(Some(Work::Retire(hooks)))
    }

    fn run(&mut self) {
        match self.0.take() {
            None => {}
            Some(Work::Hooks(hooks)) => {
                hooks.run_waiting();
                run_contained("dropping a connection hook", || drop(hooks));
            }
            Some(Work::Retire(hooks)) => run_contained("dropping a connection hook", || drop(hooks)),
            Some(Work::Callback { callback, outcome, mut place, shared }) => {
                // The callback may wait for the place that it holds.
                place.leave(&shared);
                run_contained("a callback", || callback(outcome));
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.run();
    }
}

/// Runs the user's code. A panic in it is logged, and ends here.
pub(super) fn run_contained(what: &str, code: impl FnOnce()) {
    let outer = INSIDE_CALLBACK.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    INSIDE_CALLBACK.set(outer);
    if let Err(payload) = result {
        log::error!("{what} panicked: {}", panic_text(&*payload));
        // Dropping what was thrown is the user's code too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "(no text)",
    }
}

/// Where jobs are handed in.
#[derive(Clone)]
pub struct Callbacks {
    jobs: Sender<Job>,
}

impl Callbacks {
    /// Starts `count` threads named `rtm-callback`. With an executor, a single one does nothing but hand the jobs on.
    ///
    /// # Errors
    ///
    /// The machine refused a thread.
    pub fn start(count: usize, executor: Option<Executor>) -> Result<(Callbacks, CallbackThreads), SystemError> {
        let (jobs, queue) = unbounded::<Job>();
        let (alive, ended) = crossbeam_channel::bounded::<Infallible>(0);
        let executor = executor.map(Arc::new);
        let count = if executor.is_some() { 1 } else { count };
        for _ in 0..count {
            let (queue, executor, alive) = (queue.clone(), executor.clone(), alive.clone());
            let work = move || {
                let _alive = alive;
                for job in queue {
                    hand_over(job, executor.as_deref());
                }
            };
            let spawned = thread::Builder::new().name("rtm-callback".into()).spawn(work);
            spawned.map_err(|error| SystemError::new("starting a callback thread", error))?;
        }
        Ok((Callbacks { jobs }, CallbackThreads { ended }))
    }

    /// Hands in a job. Never blocks.
    pub fn submit(&self, job: Job) {
        // The threads live as long as anybody can hand in a job. Were they gone, dropping the job would run it.
        let _ = self.jobs.send(job);
    }
}

fn hand_over(mut job: Job, executor: Option<&Executor>) {
    match executor {
        None => job.run(),
        Some(executor) => run_contained("the callback executor", || executor(Box::new(move || job.run()))),
    }
}

/// The other end of the callback threads. Dropped after everything that can hand in a job, it waits for what is under
/// way, though not for long, and not inside a callback, which would wait for itself.
pub struct CallbackThreads {
    ended: Receiver<Infallible>,
}

impl Drop for CallbackThreads {
    fn drop(&mut self) {
        if !is_inside_callback() {
            // Nothing is ever sent: the channel ends with the last thread.
            let _ = self.ended.recv_timeout(JOIN_TIMEOUT);
        }
    }
}
