//! The listeners of a client without its threads, for this crate's fuzz targets. No promise of stability.

use std::sync::Arc;
use std::time::Instant;

use super::{CatchUp, Listeners, Progress, Push, Sink, Taken, Work};
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
            Action::Pushed { connection, method, payload } => self.0.route(connection, method, payload, now),
            other => return Some(other),
        }
        self.0.wake_touched();
        None
    }

    /// Does what a catch-up thread would do next without waiting. `read` gives all messages of a room, oldest first. Says
    /// whether there was anything to do.
    pub fn catch_up(&self, now: Instant, read: impl FnOnce(i64) -> Vec<Message>) -> bool {
        match self.next_work() {
            None => return false,
            Some(Work::FindNewest { rid, connection }) => {
                self.0.handle_newest(rid, connection, Some(&read(rid)), now);
            }
            Some(Work::CatchUp(mut catch_up)) => {
                if self.is_granted(&catch_up) == Some(true) {
                    let rows = read(catch_up.rid);
                    self.read_missed(&mut catch_up, rows, now);
                }
                self.0.finish(&catch_up);
            }
        }
        true
    }

    /// The client is closed.
    pub fn close(&self) {
        self.0.close();
    }

    /// What need not be waited for.
    fn next_work(&self) -> Option<Work> {
        let work = self.0.tables.lock().work.pop_front()?;
        match &work {
            Work::CatchUp(catch_up) if self.is_granted(catch_up).is_none() => {
                self.0.tables.lock().work.push_front(work);
                None
            }
            _ => Some(work),
        }
    }

    /// Whether the server listens to the room; `None` while that is to be waited for.
    fn is_granted(&self, catch_up: &CatchUp) -> Option<bool> {
        let tables = self.0.tables.lock();
        let Some(track) = tables.rooms.get(&catch_up.rid) else { return Some(false) };
        if track.granted == tables.connection {
            return Some(true);
        }
        tables.is_refused(track).then_some(false)
    }

    /// Reads on from the last message that is known, as the client does, page after page.
    fn read_missed(&self, catch_up: &mut CatchUp, rows: Vec<Message>, now: Instant) {
        let Some(base) = &catch_up.base else { return self.0.tell_gap(catch_up, None) };
        let is_reached = |row: &Message| row.mtime.is_some_and(|mtime| base.is_reached_by(mtime));
        if !base.is_beginning() && !rows.iter().any(is_reached) {
            self.0.tell_gap(catch_up, None);
        }
        let begin = catch_up.begin();
        let missed = rows.into_iter().filter(|row| row.mtime.is_some_and(|mtime| mtime >= begin)).collect();
        let _: Progress = self.0.take_rows(catch_up, missed, now);
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
