//! All listeners of a client: routes pushes to them, and catches rooms up from the history after a reconnect.
//!
//! The I/O thread routes pushes and reports which subscriptions the server granted. User threads add and remove
//! listeners. The catch-up threads read histories. One lock protects the tables. No user code runs under it, and no
//! user value is dropped under it.
//!
//! Each file calls only those before it: `duplicates`; `position`, `settled`, `retry`, `catch_up` and `rooms` for one
//! room; `push`, `queue` and `sink` for one listener; `routes`, `arrivals` and `tables` for all of them; then `rows`,
//! `schedule`, `threads`.

mod arrivals;
mod catch_up;
mod duplicates;
#[cfg(feature = "unstable-internals")]
pub mod internals;
mod position;
mod push;
mod queue;
mod retry;
mod rooms;
mod routes;
mod rows;
mod schedule;
mod settled;
mod sink;
mod tables;
mod threads;

pub use push::{Gap, GapReason, Push};
pub(crate) use queue::{Queue, Ready, Taken};
pub(crate) use retry::retry_delay;
pub(crate) use rows::PageOutcome;
pub(crate) use sink::{Handler, Sink};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::engine::{Counters, ListenerId, RawPushes};
use crate::error::Error;
use crate::rtm::PushRef;
use crate::rtm::methods::listen::Listen;
use tables::{Entry, Tables};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Listeners {
    tables: Mutex<Tables>,
    /// Notified when something changes that a catch-up thread or a starting listener may be waiting for.
    changed: Condvar,
    /// Held while catch-up threads are being started.
    starting_threads: Mutex<()>,
    counters: Arc<Counters>,
    last_id: AtomicU64,
    /// The counter stripe of the newest queue. Queues use the stripes in turn for counting what they deliver.
    last_stripe: AtomicUsize,
}

impl Listeners {
    pub(crate) fn new(counters: Arc<Counters>) -> Listeners {
        Listeners {
            tables: Mutex::default(),
            changed: Condvar::new(),
            starting_threads: Mutex::default(),
            counters,
            last_id: AtomicU64::new(0),
            last_stripe: AtomicUsize::new(0),
        }
    }

    /// Creates a queue for a listener. It holds at most `limit` pushes.
    pub(crate) fn new_queue(&self, limit: usize) -> Queue {
        Queue::new(limit, Arc::clone(&self.counters), self.last_stripe.fetch_add(1, Ordering::Relaxed))
    }

    /// Registers a listener. It receives pushes from now on, but the server has not been asked for them yet.
    ///
    /// # Errors
    ///
    /// The client is closed.
    pub(crate) fn add(&self, listen: Arc<Listen>, fills_gaps: bool, sink: Arc<Sink>) -> Result<ListenerId, Error> {
        let mut tables = self.tables.lock();
        if tables.is_closed {
            return Err(Error::closed(false));
        }
        // Assigned under the lock, so the routes list ids in ascending order.
        let id = ListenerId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        tables.routes.add(id, &listen);
        if fills_gaps {
            for &rid in &listen.rooms.named {
                tables.rooms.entry(rid).or_default().add(id);
            }
        }
        let entry = Entry {
            sink,
            listen,
            fills_gaps,
            first_granted_on: None,
            last_refusal: None,
            is_touched: false,
            arrived: Vec::new(),
            has_early_pushes: false,
        };
        tables.listeners.insert(id, entry);
        Ok(id)
    }

    /// Removes a listener.
    pub(crate) fn remove(&self, id: ListenerId) {
        let mut tables = self.tables.lock();
        let Some(entry) = tables.listeners.remove(&id) else { return };
        tables.routes.remove(id, &entry.listen);
        if entry.fills_gaps {
            for rid in &entry.listen.rooms.named {
                let Some(room) = tables.rooms.get_mut(rid) else { continue };
                room.remove(id);
                if room.is_empty() {
                    tables.rooms.remove(rid);
                }
                // The server may have refused all remaining listeners.
                tables.reschedule_room(*rid);
            }
        }
        let touched = tables.take_touched();
        drop(tables);
        self.changed.notify_all();
        touched.iter().for_each(Sink::wake);
    }

    /// Routes pushes that arrived on this connection.
    pub(crate) fn route(&self, connection: u64, pushes: &RawPushes, now: Instant) {
        self.counters.pushes_received.add(pushes.count() as u64);
        let mut unreadable = Vec::new();
        let mut tables = self.tables.lock();
        for (method, payload) in pushes.iter() {
            match PushRef::read(method, payload) {
                Ok(None) => {}
                Ok(Some(push)) => {
                    tables.enter_connection(connection);
                    if !tables.route(connection, &push, payload.len(), now) {
                        self.counters.pushes_duplicate.increment();
                    }
                }
                Err(error) => unreadable.push(error),
            }
        }
        drop(tables);
        for error in unreadable {
            log::debug!("dropped an unreadable push: {error}");
        }
    }

    /// Records that the server granted the listener's subscription on this connection.
    pub(crate) fn handle_granted(&self, connection: u64, id: ListenerId) {
        let mut tables = self.tables.lock();
        tables.enter_connection(connection);
        tables.record_granted(connection, id);
        drop(tables);
        self.changed.notify_all();
    }

    /// Records that the server refused a subscription that it had granted before.
    pub(crate) fn handle_refused(&self, connection: u64, id: ListenerId, error: &Error) {
        log::warn!("the server refused a subscription that it had granted before: {error}");
        let mut tables = self.tables.lock();
        tables.enter_connection(connection);
        tables.give(id, |sink| sink.queue.push_gap(GapReason::Refused, Some(error.clone())));
        tables.record_refused(connection, id, error);
        drop(tables);
        self.changed.notify_all();
    }

    /// Records that the connection was lost. From now on, histories may contain messages sent while nothing was pushed.
    pub(crate) fn handle_disconnected(&self) {
        self.tables.lock().is_lost = true;
    }

    /// Returns the number of listeners, and the number of pushes waiting in all their queues.
    #[cfg(feature = "metrics")]
    pub(crate) fn queue_lengths(&self) -> (usize, usize) {
        let tables = self.tables.lock();
        let queued = tables.listeners.values().map(|entry| entry.sink.queue.len());
        (tables.listeners.len(), queued.sum())
    }

    /// Delivers what has arrived, and wakes every listener that received something.
    pub(crate) fn wake_touched(&self) {
        let mut tables = self.tables.lock();
        tables.deliver_arrivals();
        if tables.touched.is_empty() {
            return;
        }
        let touched = tables.take_touched();
        drop(tables);
        touched.iter().for_each(Sink::wake);
    }

    /// Closes all listeners, because the client was closed.
    pub(crate) fn close(&self) {
        let mut tables = self.tables.lock();
        tables.is_closed = true;
        tables.deliver_arrivals();
        let sinks: Vec<Arc<Sink>> = tables.listeners.values().map(|entry| Arc::clone(&entry.sink)).collect();
        drop(tables);
        self.changed.notify_all();
        let error = Error::closed(false);
        sinks.iter().for_each(|sink| sink.close(&error));
    }
}

#[cfg(test)]
mod tests;
