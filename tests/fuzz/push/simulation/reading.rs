//! How the histories of rooms are read: page by page, while the simulation continues.

use rtm_server_sdk::error::CloseReason;
use rtm_server_sdk::listeners_internals::OfflineReading;
use rtm_server_sdk::{Error, ErrorCode, HistoryPage};

use super::Simulation;

/// How many pages are read at once.
const MOST_READINGS: usize = 4;

/// A page that is being read.
#[derive(Debug)]
pub struct Reading {
    reading: OfflineReading,
    /// The connection on which it was begun.
    connection: u64,
    /// The server's answer. Without one, the call has not been sent.
    page: Option<HistoryPage>,
}

impl Simulation {
    /// Reads a page at once, requests one whose answer comes later, or completes such a request.
    pub(super) fn read(&mut self, detail: u8) {
        match detail % 8 {
            0..=2 => {
                self.begin(true);
                self.finish(0);
            }
            3 => self.begin(true),
            4 => self.begin(false),
            _ => self.finish(detail / 8),
        }
    }

    /// Everything is read that there is to read.
    pub(super) fn finish_readings(&mut self) {
        loop {
            self.begin(true);
            if self.readings.is_empty() {
                return;
            }
            self.finish(0);
        }
    }

    fn begin(&mut self, is_answered: bool) {
        if self.readings.len() == MOST_READINGS {
            return;
        }
        let Some(reading) = self.listeners.begin_reading() else { return };
        assert!(self.engine.input().is_some(), "a history is read without a connection");
        let page = is_answered.then(|| self.page_of(&reading));
        self.readings.push_back(Reading { reading, connection: self.connection, page });
    }

    /// Completes the oldest page being read, or fails it.
    fn finish(&mut self, detail: u8) {
        let Some(Reading { reading, connection, page }) = self.readings.pop_front() else { return };
        let is_lost = self.connection != connection || self.engine.input().is_none();
        // After a reconnect, calls are sent before new subscriptions.
        let is_ready = self.engine.input().is_some() && self.asking_since.is_none();
        let lost = || Error::connection_closed(CloseReason::Peer, true);
        let page = match page {
            _ if self.history.fails_pages && detail % 4 == 1 => Err(failure(detail / 4)),
            Some(_) if is_lost && detail % 2 == 1 => Err(lost()),
            Some(page) => Ok(page),
            None if is_lost && !is_ready => Err(lost()),
            // It has waited for the current connection.
            None => Ok(self.page_of(&reading)),
        };
        self.listeners.finish_reading(reading, page, self.now);
    }

    fn page_of(&self, reading: &OfflineReading) -> HistoryPage {
        let stored = self.history.messages.get(&reading.room()).map_or(&[][..], Vec::as_slice);
        reading.page_of(stored, self.history.page_size)
    }
}

fn failure(which: u8) -> Error {
    match which % 2 {
        0 => Error::from_answer(ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL, "not now"),
        _ => Error::from_answer(ErrorCode::RTM_EC_PERMISSION_DENIED, "no"),
    }
}
