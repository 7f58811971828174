//! The threads `rtm-catch-up`: they read the histories of rooms for the listeners that fill gaps.
//!
//! They run while there are such listeners. They do not keep the client alive: each call borrows the client for as long as
//! it takes to submit it.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::{Client, Inner};
use crate::dispatch::{CatchUp, Listeners, Progress, Work};
use crate::error::{Error, Retry, SystemError};
use crate::rtm::methods::history::{History, HistoryPage};
use crate::rtm::{Message, RoomId};

/// How often a page is asked for again that the server did not give, and told that asking again may help.
const TRIES: u32 = 5;
/// The server keeps so many messages of a room. In a room that was empty, this many may be the rest of more.
const KEPT_MESSAGES: usize = 500;

/// Starts as many threads as there is use for, unless they run.
pub(super) fn ensure_threads(inner: &Arc<Inner>) -> Result<(), SystemError> {
    let listeners = &inner.shared.listeners;
    while listeners.must_start_thread() {
        let reader = Reader { listeners: Arc::clone(listeners), client: Arc::downgrade(inner) };
        let spawned = thread::Builder::new().name("rtm-catch-up".into()).spawn(move || reader.run());
        spawned.map(drop).map_err(|error| {
            listeners.forget_thread();
            SystemError::new("starting a catch-up thread", error)
        })?;
    }
    Ok(())
}

struct Reader {
    listeners: Arc<Listeners>,
    client: Weak<Inner>,
}

/// Why a catch-up ends before it is up to date.
enum End {
    /// The server refused the room, or nobody wants it any more.
    Unwanted,
    /// The history cannot be read.
    Failed(Error),
}

impl Reader {
    fn run(&self) {
        while let Some(mut work) = self.listeners.next_work() {
            match &mut work {
                Work::FindNewest { rid, connection } => {
                    let page = self.read_page(*rid, &History::latest());
                    let newest = page.as_ref().ok().map(|page| &*page.messages);
                    self.listeners.handle_newest(*rid, *connection, newest, Instant::now());
                }
                Work::CatchUp(catch_up) => {
                    self.catch_up(catch_up);
                    self.listeners.finish(catch_up);
                }
            }
            self.listeners.end_work(&work);
        }
    }

    fn catch_up(&self, catch_up: &mut CatchUp) {
        match self.read_missed(catch_up) {
            Ok(()) | Err(End::Unwanted) => {}
            Err(End::Failed(error)) => {
                log::warn!("room {} could not be caught up: {error}", catch_up.rid);
                self.listeners.tell_gap(catch_up, Some(&error));
            }
        }
    }

    fn read_missed(&self, catch_up: &mut CatchUp) -> Result<(), End> {
        let Some(base) = &catch_up.base else {
            self.listeners.tell_gap(catch_up, None);
            return Ok(());
        };
        let is_beginning = base.is_beginning();
        let mut query = History::oldest().between(catch_up.begin(), 0);
        let mut first_pages = Vec::new();
        let mut is_first = true;
        loop {
            let page = self.read_granted(catch_up, &query)?;
            let next = page.next;
            if is_first && is_beginning {
                first_pages.extend(page.messages);
                if next.is_none() || first_pages.len() >= KEPT_MESSAGES {
                    is_first = false;
                    if first_pages.len() >= KEPT_MESSAGES {
                        self.listeners.tell_gap(catch_up, None);
                    }
                    if self.take(catch_up, std::mem::take(&mut first_pages)) == Progress::UpToDate {
                        return Ok(());
                    }
                }
            } else {
                if std::mem::replace(&mut is_first, false) && !self.reaches_back(catch_up, &page.messages)? {
                    self.listeners.tell_gap(catch_up, None);
                }
                if self.take(catch_up, page.messages) == Progress::UpToDate {
                    return Ok(());
                }
            }
            match next {
                Some(next) => query = next,
                None => return Ok(()),
            }
        }
    }

    fn take(&self, catch_up: &mut CatchUp, rows: Vec<Message>) -> Progress {
        self.listeners.take_rows(catch_up, rows, Instant::now())
    }

    /// Whether the history still has something as old as what was seen last, so that nothing between is gone.
    fn reaches_back(&self, catch_up: &CatchUp, first: &[Message]) -> Result<bool, End> {
        let Some(base) = &catch_up.base else { return Ok(false) };
        if first.iter().any(|row| row.mtime.is_some_and(|mtime| base.is_reached_by(mtime))) {
            return Ok(true);
        }
        let older = History::latest().between(0, base.last.mtime).count(1);
        Ok(!self.read_granted(catch_up, &older)?.messages.is_empty())
    }

    /// Reads a page once the server listens to the room, so that nothing can be missed after the page. A connection that is
    /// lost meanwhile is waited for.
    fn read_granted(&self, catch_up: &CatchUp, query: &History) -> Result<HistoryPage, End> {
        let mut after = catch_up.connection - 1;
        let mut tries = 0;
        loop {
            let granted = self.listeners.wait_granted(catch_up.rid, after).map_err(End::Failed)?;
            let connection = granted.ok_or(End::Unwanted)?;
            let error = match self.read_page(catch_up.rid, query) {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            tries += 1;
            match (&error, error.retry()) {
                (Error::ConnectionClosed(_) | Error::Connect(_) | Error::NotConnected(_), _) => after = connection,
                (_, Retry::Now) if tries < TRIES => {}
                (_, Retry::After(wait)) if tries < TRIES => thread::sleep(wait.min(Duration::from_secs(1))),
                _ => return Err(End::Failed(error)),
            }
        }
    }

    fn read_page(&self, rid: RoomId, query: &History) -> Result<HistoryPage, Error> {
        let inner = self.client.upgrade().ok_or_else(|| Error::closed(false))?;
        let client = Client { inner };
        let pending = client.get_room_message(rid, query).submit();
        drop(client);
        pending.wait()
    }
}
