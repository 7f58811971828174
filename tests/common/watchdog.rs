//! Ends a test that hangs, and reports what it was waiting for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

static WAITING_FOR: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

/// Runs `body` on a thread of its own. If it takes longer than a minute, the process ends, after a list of everything
/// that the tests of this file are waiting for.
pub fn guarded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    guarded_for(Duration::from_secs(60), body)
}

/// [`guarded`] with another limit.
pub fn guarded_for<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, outcome) = channel();
    let builder = thread::Builder::new().name(name.clone());
    let runner = builder.spawn(move || _ = done.send(catch_unwind(AssertUnwindSafe(body)))).unwrap();
    match outcome.recv_timeout(limit) {
        Ok(Ok(value)) => {
            runner.join().unwrap();
            value
        }
        Ok(Err(panic)) => resume_unwind(panic),
        Err(RecvTimeoutError::Disconnected) => unreachable!("the runner always sends"),
        Err(RecvTimeoutError::Timeout) => give_up(&name, limit),
    }
}

/// Notes that this thread waits for `what`, until the result is dropped. Shown if the watchdog bites.
#[must_use]
pub fn waiting_for(what: impl Into<String>) -> Waiting {
    let mut list = list();
    let id = list.last().map_or(0, |(id, _)| id + 1);
    list.push((id, format!("{}: {}", thread::current().name().unwrap_or("?"), what.into())));
    Waiting(id)
}

pub struct Waiting(u64);

impl Drop for Waiting {
    fn drop(&mut self) {
        list().retain(|(id, _)| *id != self.0);
    }
}

fn list() -> MutexGuard<'static, Vec<(u64, String)>> {
    WAITING_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

// A hanging thread cannot be ended, so this ends the whole process.
fn give_up(name: &str, limit: Duration) -> ! {
    eprintln!("WATCHDOG: {name} did not end within {limit:?}. Waited for:");
    for (_, what) in list().iter() {
        eprintln!("  - {what}");
    }
    eprintln!("threads:");
    for (name, state) in super::process::threads() {
        eprintln!("  - {name} ({state})");
    }
    std::process::abort();
}
