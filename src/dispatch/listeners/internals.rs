//! The listeners of a client without its threads, for this crate's fuzz targets. No promise of stability.

use std::sync::Arc;
use std::time::Instant;

use super::{Listeners, Push, Sink, Taken};
use crate::engine::{Action, Counters, ListenerId};
use crate::error::Error;
use crate::rtm::Message;
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

    /// Does what a catch-up thread would do next without waiting: reads one page. `read` gives all messages of a room, oldest
    /// first. Says whether there was anything to do.
    pub fn catch_up(&self, now: Instant, read: impl FnOnce(i64) -> Vec<Message>) -> bool {
        let Some(work) = self.0.tables.lock().take_work() else { return false };
        let page = work.query().map(|query| Ok(query.page_of(&read(work.rid()))));
        self.0.finish_work(work, page, now);
        true
    }

    /// The client is closed.
    pub fn close(&self) {
        self.0.close();
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
