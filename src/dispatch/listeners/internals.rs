//! The listeners of a client without its threads, for this crate's fuzz targets. No promise of stability.

use std::sync::Arc;
use std::time::Instant;

use super::schedule::Work;
use super::{Listeners, Push, Sink, Taken};
use crate::engine::{Action, Counters, ListenerId};
use crate::error::Error;
use crate::rtm::methods::history::{HistoryPage, StoredMessage};
use crate::rtm::methods::listen::Listen;

/// All listeners of a client. What its threads do is done when it is asked for.
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
    /// Nobody listens yet.
    #[must_use]
    pub fn new(counters: Arc<Counters>) -> OfflineListeners {
        OfflineListeners(Listeners::new(counters))
    }

    /// Adds a listener whose queue holds so many pushes.
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

    /// Takes a listener out, as dropping it does.
    pub fn remove(&self, listener: &OfflineListener) {
        listener.sink.abandon();
        self.0.remove(listener.id);
    }

    /// Carries out an action of the engine that is for listeners. Others are given back.
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

    /// What a catch-up thread would read next without waiting.
    #[must_use]
    pub fn begin_reading(&self) -> Option<OfflineReading> {
        self.0.tables.lock().take_work().map(OfflineReading)
    }

    /// The page was read, or could not be. It counts only where there is one to read.
    pub fn finish_reading(&self, reading: OfflineReading, page: Result<HistoryPage, Error>, now: Instant) {
        let OfflineReading(work) = reading;
        let page = work.query().map(|_| page);
        self.0.finish_work(work, page, now);
    }

    /// The client is closed.
    pub fn close(&self) {
        self.0.close();
    }
}

impl OfflineReading {
    /// The room whose history is read.
    #[must_use]
    pub fn room(&self) -> i64 {
        self.0.rid()
    }

    /// The page, from a server that has these messages of the room, oldest first, and gives at most `most` at once.
    #[must_use]
    pub fn page_of(&self, stored: &[StoredMessage], most: usize) -> HistoryPage {
        let nothing = HistoryPage { messages: Vec::new(), next: None };
        self.0.query().map_or(nothing, |query| query.page_of(stored, most))
    }
}

impl OfflineListener {
    /// Its name for the engine.
    #[must_use]
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Takes what is next; `None` if nothing is there.
    #[must_use]
    pub fn take(&self) -> Option<Push> {
        match self.sink.queue.try_take() {
            Taken::Push(push) => Some(push),
            Taken::Nothing | Taken::Closed => None,
        }
    }

    /// Whether nothing is there, and nothing more will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.sink.queue.try_take(), Taken::Closed)
    }
}
