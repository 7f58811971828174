//! The interface to the catch-up threads: how many there are, and the work that they take and return.
//!
//! The client owns the threads (`client/catch_up.rs`). Each takes work, reads a page without holding a lock, and
//! returns the work with the page. They end once no listener fills gaps.

use std::time::Instant;

use super::rows::PageOutcome;
use super::schedule::Work;
use super::{Listeners, Sink};
use crate::engine::ListenerId;

/// More than one, because a slow room must not delay the others; bounded, because many rooms must not flood the server.
const MOST_THREADS: usize = 4;

impl Listeners {
    /// Calls `start` until there are as many threads as can be used. If a start fails, the threads that run already
    /// suffice.
    ///
    /// # Errors
    ///
    /// No thread runs, and none could be started.
    pub(crate) fn ensure_threads<E>(&self, start: impl Fn() -> Result<(), E>) -> Result<(), E> {
        // Callers take turns: none may rely on a thread that was counted but then failed to start.
        let _starting = self.starting_threads.lock();
        while self.must_start_thread() {
            if let Err(error) = start() {
                let left = self.forget_thread();
                return if left > 0 { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }

    /// Whether another thread must be started. If so, counts it.
    fn must_start_thread(&self) -> bool {
        let mut tables = self.tables.lock();
        let must_start = !tables.is_closed && tables.threads < MOST_THREADS.min(tables.rooms.len());
        tables.threads += usize::from(must_start);
        must_start
    }

    /// Removes a thread that could not be started from the count. Returns how many are left.
    fn forget_thread(&self) -> usize {
        let mut tables = self.tables.lock();
        tables.threads -= 1;
        tables.threads
    }

    /// Waits for work. Returns `None` once there can be no more, and the thread must end. Different rooms are read in
    /// parallel, but one room only by one thread at a time.
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

    /// Accepts the result of work that [`next_work`](Listeners::next_work) returned. `page` is the answer to its query,
    /// if it has one.
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

    /// Waits until the starting points of the listener's future catch-ups are known, or until `deadline`.
    pub(crate) fn wait_for_newest(&self, id: ListenerId, deadline: Instant) {
        let mut tables = self.tables.lock();
        while tables.awaits_newest(id) && !tables.is_closed {
            if self.changed.wait_until(&mut tables, deadline).timed_out() {
                return;
            }
        }
    }
}
