//! The threads `rtm-catch-up`, which read the histories of rooms for listeners that fill gaps.
//!
//! They run while there are such listeners. They do not keep the client alive, not even while a call waits for permits.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use super::Inner;
use super::call::submit_for;
use crate::dispatch::{Listeners, PageOutcome, retry_delay};
use crate::error::SystemError;
use crate::rtm::RoomId;
use crate::rtm::methods::history::{History, get_room_message};

/// Starts the threads that can be used and do not run yet.
pub(super) fn ensure_threads(inner: &Arc<Inner>) -> Result<(), SystemError> {
    let listeners = &inner.shared.listeners;
    listeners.ensure_threads(|| {
        let reader = Reader { listeners: Arc::clone(listeners), client: Arc::downgrade(inner) };
        let spawned = thread::Builder::new().name("rtm-catch-up".into()).spawn(move || reader.run());
        spawned.map(drop).map_err(|error| SystemError::new("starting a catch-up thread", error))
    })
}

struct Reader {
    listeners: Arc<Listeners>,
    client: Weak<Inner>,
}

impl Reader {
    fn run(&self) {
        while let Some(work) = self.listeners.next_work() {
            let page = work.query().map(|query| self.read_page(work.rid(), &query));
            if let Some(Err(error)) = &page {
                thread::sleep(retry_delay(error));
            }
            self.listeners.finish_work(work, page, Instant::now());
        }
    }

    fn read_page(&self, rid: RoomId, query: &History) -> PageOutcome {
        submit_for(&self.client, get_room_message(rid, query))?.wait()
    }
}
