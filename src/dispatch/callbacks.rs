//! The callback threads, which run the user's code and contain its panics. They run jobs and know nothing else about
//! them.

use std::any::Any;
use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::SystemError;

/// How long dropping the last client waits for callbacks that are still running.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs callbacks where the user wants them.
pub(crate) type Executor = Box<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Names the callback threads of one client.
type Id = u64;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The clients whose jobs this thread is running, the innermost last.
    static RUNNING: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// Marks this thread as one that runs a job, until it is dropped.
struct Running;

impl Running {
    fn enter(id: Id) -> Running {
        RUNNING.with_borrow_mut(|running| running.push(id));
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A thread that is ending may have dropped this list before its last client.
        let _ = RUNNING.try_with(|running| running.borrow_mut().pop());
    }
}

/// Something to run on a callback thread. Closures are jobs; a job that was allocated before there was anything to run
/// has a type of its own.
pub(crate) trait Job: Send {
    /// Runs the job. Calls to the user's code are [`contained`].
    fn run(self: Box<Self>);
}

impl<F: FnOnce() + Send> Job for F {
    fn run(self: Box<Self>) {
        self();
    }
}

/// A job that runs exactly once: if an executor drops it unrun, it runs in that drop.
pub(super) struct Queued {
    job: Option<Box<dyn Job>>,
    id: Id,
}

impl Queued {
    fn run(&mut self) {
        if let Some(job) = self.job.take() {
            let _running = Running::enter(self.id);
            job.run();
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.run();
    }
}

/// What the threads take from their queue at a time.
pub(super) enum Work {
    One(Queued),
    /// Jobs that came together, for a single thread.
    Many(Vec<Queued>),
}

/// Runs the user's code. A panic in it is logged, and ends here.
pub(super) fn contained(what: &str, code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        log::error!("{what} panicked: {}", panic_text(&*payload));
        // Dropping the panic's payload runs the user's code too. If that panics in turn, its payload is leaked.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        std::mem::forget(dropped);
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "(no text)",
    }
}

/// Takes jobs in.
#[derive(Clone)]
pub(crate) struct Callbacks {
    work: Sender<Work>,
    is_single_thread: bool,
    id: Id,
}

impl Callbacks {
    /// Starts `count` threads named `rtm-callback`. With an executor, a single one does nothing but hand the jobs on.
    ///
    /// # Errors
    ///
    /// The operating system refused a thread.
    pub(crate) fn start(count: usize, executor: Option<Executor>) -> Result<(Callbacks, CallbackThreads), SystemError> {
        let (work, queue) = unbounded::<Work>();
        let (alive, ended) = crossbeam_channel::bounded::<Infallible>(0);
        let executor = executor.map(Arc::new);
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed);
        let count = if executor.is_some() { 1 } else { count };
        for _ in 0..count {
            let (queue, executor, alive) = (queue.clone(), executor.clone(), alive.clone());
            let run = move || {
                let _alive = alive;
                let _running = Running::enter(id);
                // What an executor has captured is dropped on this thread, and may be a client.
                let executor = executor;
                for work in queue {
                    match work {
                        Work::One(job) => hand_over(job, executor.as_deref()),
                        Work::Many(jobs) => jobs.into_iter().for_each(|job| hand_over(job, executor.as_deref())),
                    }
                }
            };
            let spawned = thread::Builder::new().name("rtm-callback".into()).spawn(run);
            spawned.map_err(|error| SystemError::new("starting a callback thread", error))?;
        }
        Ok((Callbacks { work, is_single_thread: count == 1, id }, CallbackThreads { ended }))
    }

    /// Without a thread, for models: the other end has the jobs, and dropping one runs it.
    #[cfg(all(loom, test))]
    pub(super) fn in_model() -> (Callbacks, Receiver<Work>) {
        let (work, queue) = unbounded();
        (Callbacks { work, is_single_thread: true, id: 0 }, queue)
    }

    /// Hands in a job. Never blocks.
    pub(super) fn submit(&self, job: Box<dyn Job>) {
        // The threads live as long as a job can be handed in. Were they gone, dropping the job would run it.
        let _ = self.work.send(Work::One(self.queued(job)));
    }

    /// Hands in jobs that came together, in their order. Never blocks. A single thread is woken once for all of them;
    /// several share them.
    pub(crate) fn submit_all(&self, jobs: &mut Vec<Box<dyn Job>>) {
        if self.is_single_thread && jobs.len() > 1 {
            let _ = self.work.send(Work::Many(jobs.drain(..).map(|job| self.queued(job)).collect()));
        } else {
            jobs.drain(..).for_each(|job| self.submit(job));
        }
    }

    fn queued(&self, job: Box<dyn Job>) -> Queued {
        Queued { job: Some(job), id: self.id }
    }

    /// Whether this thread is running one of these callbacks now.
    pub(crate) fn is_running_here(&self) -> bool {
        RUNNING.try_with(|running| running.borrow().contains(&self.id)).unwrap_or(false)
    }
}

fn hand_over(mut job: Queued, executor: Option<&Executor>) {
    match executor {
        None => job.run(),
        Some(executor) => contained("the callback executor", || executor(Box::new(move || job.run()))),
    }
}

/// Whether this thread is running a callback of any client now.
fn is_inside_callback() -> bool {
    RUNNING.try_with(|running| !running.borrow().is_empty()).unwrap_or(false)
}

/// The other end of the callback threads. Dropped after everything that can hand in a job, it waits for what is under
/// way, though not for long, and not inside a callback, which would wait for itself.
pub(crate) struct CallbackThreads {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_that_an_executor_drops_runs_once() {
        let (ran, runs) = unbounded();
        let (callbacks, threads) = Callbacks::start(1, Some(Box::new(drop))).unwrap();
        callbacks.submit(Box::new(move || _ = ran.send(is_inside_callback())));
        assert_eq!(runs.iter().collect::<Vec<_>>(), [true], "run by the executor's drop, and no second time");
        drop(callbacks);
        drop(threads);
    }

    #[test]
    fn jobs_that_are_handed_in_together_run_in_order_and_once() {
        for executor in [None, Some(Box::new(|job: Box<dyn FnOnce() + Send>| job()) as Executor), Some(Box::new(drop))]
        {
            let (ran, runs) = unbounded();
            let (callbacks, threads) = Callbacks::start(1, executor).unwrap();
            let job = |number: u32| {
                let ran = ran.clone();
                Box::new(move || _ = ran.send(number)) as Box<dyn Job>
            };
            callbacks.submit_all(&mut (0..100).map(job).collect());
            drop(ran);
            assert!(runs.iter().eq(0..100));
            drop(callbacks);
            drop(threads);
        }
    }

    #[test]
    fn several_threads_share_the_jobs_that_are_handed_in_together() {
        let (callbacks, threads) = Callbacks::start(2, None).unwrap();
        let (there, meeting) = crossbeam_channel::bounded(0);
        // Each of them waits for the other.
        let send = Box::new(move || there.send(()).unwrap());
        let receive = Box::new(move || meeting.recv().unwrap());
        callbacks.submit_all(&mut vec![send, receive]);
        drop(callbacks);
        let ended = threads.ended.clone();
        assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Err(crossbeam_channel::RecvTimeoutError::Disconnected));
        drop(threads);
    }

    #[test]
    fn threads_end_with_the_last_handle() {
        let (callbacks, threads) = Callbacks::start(2, None).unwrap();
        let ended = threads.ended.clone();
        drop(callbacks);
        assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Err(crossbeam_channel::RecvTimeoutError::Disconnected));
        drop(threads);
    }
}
