//! The callback threads, which run the user's code and contain its panics. They know nothing about the jobs that they
//! run.

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

/// The user's executor, which runs callbacks.
pub(crate) type Executor = Box<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// Identifies the callback threads of one client.
type Id = u64;

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The clients whose jobs this thread is running, the innermost last.
    static RUNNING: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// Marks this thread as running a job, until it is dropped.
struct Running;

impl Running {
    fn enter(id: Id) -> Running {
        RUNNING.with_borrow_mut(|running| running.push(id));
        Running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An ending thread may have dropped this list before its last client.
        let _ = RUNNING.try_with(|running| running.borrow_mut().pop());
    }
}

/// Something to run on a callback thread. Closures are jobs. A job that is allocated before its input arrives has its
/// own type.
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

/// What a thread takes from the queue at a time.
pub(super) enum Work {
    One(Queued),
    /// Jobs that were submitted together, for a single thread.
    Many(Vec<Queued>),
}

/// Runs the user's code. Catches and logs a panic.
pub(super) fn contained(what: &str, code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        log::error!("{what} panicked: {}", panic_text(&*payload));
        // Dropping the panic's payload also runs the user's code. If that panics too, its payload is leaked.
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

/// Submits jobs to the callback threads.
#[derive(Clone)]
pub(crate) struct Callbacks {
    work: Sender<Work>,
    is_single_thread: bool,
    id: Id,
}

impl Callbacks {
    /// Starts `count` threads named `rtm-callback`. With an executor, starts a single one, which only passes jobs to
    /// it.
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
                // Dropped on this thread. What the executor has captured may include a client.
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

    /// Creates a handle without a thread, for models. The receiver gets the jobs, and runs a job by dropping it.
    #[cfg(all(loom, test))]
    pub(super) fn in_model() -> (Callbacks, Receiver<Work>) {
        let (work, queue) = unbounded();
        (Callbacks { work, is_single_thread: true, id: 0 }, queue)
    }

    /// Submits a job. Never blocks.
    pub(super) fn submit(&self, job: Box<dyn Job>) {
        // The threads live as long as a job can be submitted. If they had ended, dropping the job would run it.
        let _ = self.work.send(Work::One(self.queued(job)));
    }

    /// Submits several jobs, in order. Never blocks. A single thread is woken once for all of them; several threads
    /// share them.
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

    /// Whether this thread is running a callback of this client now.
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

/// Waits for the callback threads when dropped, which must happen after everything that can submit a job. The wait is
/// short, and is skipped inside a callback, which would wait for itself.
pub(crate) struct CallbackThreads {
    ended: Receiver<Infallible>,
}

impl Drop for CallbackThreads {
    fn drop(&mut self) {
        if !is_inside_callback() {
            // Nothing is ever sent; the channel disconnects when the last thread ends.
            let _ = self.ended.recv_timeout(JOIN_TIMEOUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_dropped_by_an_executor_runs_once() {
        let (ran, runs) = unbounded();
        let (callbacks, threads) = Callbacks::start(1, Some(Box::new(drop))).unwrap();
        callbacks.submit(Box::new(move || _ = ran.send(is_inside_callback())));
        assert_eq!(runs.iter().collect::<Vec<_>>(), [true], "run by the executor's drop, and no second time");
        drop(callbacks);
        drop(threads);
    }

    #[test]
    fn jobs_submitted_together_run_once_and_in_order() {
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
    fn several_threads_share_jobs_submitted_together() {
        let (callbacks, threads) = Callbacks::start(2, None).unwrap();
        let (there, meeting) = crossbeam_channel::bounded(0);
        // Each job waits for the other.
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
