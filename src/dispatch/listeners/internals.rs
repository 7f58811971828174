//! The listeners of a client without its threads, for this crate's fuzz targets. Not covered by semantic versioning.

use std::sync::Arc;
use std::time::Instant;

use super::schedule::Work;
use super::{Listeners, Push, Sink, Taken};
use crate::engine::{Action, Counters, ListenerId};
use crate::error::Error;
use crate::rtm::RoomId;
use crate::rtm::methods::history::{HistoryPage, StoredMessage};
use crate::rtm::methods::listen::Listen;

/// All listeners of a client. The caller does the work of the threads.
#[derive(Debug)]
pub struct OfflineListeners(Listeners);

/// One listener.
#[derive(Debug)]
pub struct OfflineListener {
    id: ListenerId,
    sink: Arc<Sink>,
}

/// A page of a room's history that is being read.
#[derive(Debug)]
pub struct OfflineReading(Work);

impl OfflineListeners {
    /// Creates the table, without listeners.
    #[must_use]
    pub fn new(counters: Arc<Counters>) -> OfflineListeners {
        OfflineListeners(Listeners::new(counters))
    }

    /// Adds a listener whose queue holds up to `queue` pushes.
    ///
    /// # Errors
    ///
    /// The listeners were closed.
    pub fn add(&self, listen: Arc<Listen>, fills_gaps: bool, queue: usize) -> Result<OfflineListener, Error> {
        let sink = Sink::new(self.0.new_queue(queue));
        let fills_gaps = fills_gaps && listen.names_rooms();
        let id = self.0.add(listen, fills_gaps, Arc::clone(&sink))?;
        Ok(OfflineListener { id, sink })
    }

    /// Removes a listener, as dropping it does.
    pub fn remove(&self, listener: &OfflineListener) {
        listener.sink.abandon();
        self.0.remove(listener.id);
    }

    /// Carries out an action of the engine if it concerns listeners. Returns any other action.
    pub fn carry_out<T>(&self, action: Action<T>, now: Instant) -> Option<Action<T>> {
        match action {
            Action::Granted { connection, listener } => self.0.handle_granted(connection, listener),
            Action::Refused { connection, listener, error } => self.0.handle_refused(connection, listener, &error),
            Action::Pushed { connection, pushes } => self.0.route(connection, &pushes, now),
            Action::Disconnect => {
                self.0.handle_disconnected();
                return Some(Action::Disconnect);
            }
            other => return Some(other),
        }
        self.0.wake_touched();
        None
    }

    /// Returns what a catch-up thread would read next without waiting.
    #[must_use]
    pub fn begin_reading(&self) -> Option<OfflineReading> {
        self.0.tables.lock().take_work().map(OfflineReading)
    }

    /// Accepts the page, or the failure to read it. Ignored if there is no page to read.
    pub fn finish_reading(&self, reading: OfflineReading, page: Result<HistoryPage, Error>, now: Instant) {
        let OfflineReading(work) = reading;
        let page = work.query().map(|_| page);
        self.0.finish_work(work, page, now);
    }

    /// Closes the listeners, as closing the client does.
    pub fn close(&self) {
        self.0.close();
    }
}

impl OfflineReading {
    /// The room whose history is read.
    #[must_use]
    pub fn room(&self) -> RoomId {
        self.0.rid()
    }

    /// Answers the query like a server that stores these messages of the room, oldest first, with at most `most` per
    /// page.
    #[must_use]
    pub fn page_of(&self, stored: &[StoredMessage], most: usize) -> HistoryPage {
        let nothing = HistoryPage { messages: Vec::new(), next: None };
        self.0.query().map_or(nothing, |query| query.page_of(stored, most))
    }
}

impl OfflineListener {
    /// Its id in the engine.
    #[must_use]
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Takes the next push, or `None` if there is none.
    #[must_use]
    pub fn take(&self) -> Option<Push> {
        match self.sink.queue.try_take() {
            Taken::Push(push) => Some(push),
            Taken::Nothing | Taken::Closed => None,
        }
    }

    /// Whether the queue is empty and has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.sink.queue.try_take(), Taken::Closed)
    }
}
