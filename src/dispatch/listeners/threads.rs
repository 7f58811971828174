//! The interface to the catch-up threads: their number, and the work that they take and return.
//!
//! The threads are the client's (`client/catch_up.rs`). Each takes work, reads a page without holding a lock, and returns the
//! work with the page. They end once no listener fills gaps.

use std::time::Instant;

use super::rows::PageOutcome;
use super::schedule::Work;
use super::{Listeners, Sink};
use crate::engine::ListenerId;

/// A slow room must not hold up the others, nor must many rooms flood the server.
const MOST_THREADS: usize = 4;

impl Listeners {
    /// Has `start` start as many threads as there is use for, unless they run. Fewer will do, if there is one.
    ///
    /// # Errors
    ///
    /// No thread runs, and none could be started.
    pub(crate) fn ensure_threads<E>(&self, start: impl Fn() -> Result<(), E>) -> Result<(), E> {
        // One caller after the other: a thread that is counted and does not start must not be relied upon.
        let _starting = self.starting_threads.lock();
        while self.must_start_thread() {
            if let Err(error) = start() {
                let left = self.forget_thread();
                return if left > 0 { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }

    /// Whether another thread must be started that does the work. It is counted.
    fn must_start_thread(&self) -> bool {
        let mut tables = self.tables.lock();
        let must_start = !tables.is_closed && tables.threads < MOST_THREADS.min(tables.rooms.len());
        tables.threads += usize::from(must_start);
        must_start
    }

    /// The thread could not be started. Says how many there are.
    fn forget_thread(&self) -> usize {
        let mut tables = self.tables.lock();
        tables.threads -= 1;
        tables.threads
    }

    /// Waits for work; `None` once there can be none: the thread is to end. The histories of several rooms are read at once,
    /// that of one room by one thread after the other.
    pub(crate) fn next_work(&self) -> Option<Work> {
        let mut tables = self.tables.lock();
        loop {
            if tables.is_closed || tables.rooms.is_empty() {
                tables.threads -= 1;
                return None;
            }
            match tables.take_work() {
                Some(work) => return Some(work),
                None => self.changed.wait(&mut tables),
            }
        }
    }

    /// A thread has done the work that [`next_work`](Listeners::next_work) gave. `page` is the page that its query asks for, if
    /// it has one.
    pub(crate) fn finish_work(&self, work: Work, page: Option<PageOutcome>, now: Instant) {
        let mut tables = self.tables.lock();
        let rid = work.rid();
        let failure = match work {
            Work::FindNewest { connection, .. } => {
                tables.accept_newest(rid, connection, page, now);
                None
            }
            Work::CatchUp(catch_up) => tables.accept_page(*catch_up, page, now).err(),
        };
        tables.rooms_being_read.retain(|read| *read != rid);
        tables.reschedule_room(rid);
        let touched = tables.take_touched();
        drop(tables);
        self.changed.notify_all();
        touched.iter().for_each(Sink::wake);
        if let Some(error) = failure {
            log::warn!("room {rid} could not be caught up: {error}");
        }
    }

    /// Waits until it is known where the catch-ups of the listener's rooms will begin, or until `deadline`.
    pub(crate) fn wait_for_newest(&self, id: ListenerId, deadline: Instant) {
        let mut tables = self.tables.lock();
        while tables.awaits_newest(id) && !tables.is_closed {
            if self.changed.wait_until(&mut tables, deadline).timed_out() {
                return;
            }
        }
    }
}
