//! A gate with one connection and without sockets, for this crate's fuzz targets. Not covered by semantic versioning.

use std::time::Instant;

use super::GateBuilder;
use super::clock::Now;
use super::failure::Violation;
use super::service::Service;
use super::session::{Served, Session};

/// A gate with a stopped clock and a single connection.
#[derive(Debug)]
pub struct OfflineGate {
    service: Service,
    session: Session,
    now: Now,
    answers: Vec<u8>,
    pushes: Vec<u8>,
}

impl OfflineGate {
    /// Creates a gate with the settings of `builder`, at `unix_ms` milliseconds after the epoch.
    #[must_use]
    pub fn new(builder: GateBuilder, unix_ms: i64) -> OfflineGate {
        OfflineGate {
            service: builder.into_service(),
            session: Session::new(0),
            now: Now { unix_ms, monotonic: Instant::now() },
            answers: Vec::new(),
            pushes: Vec::new(),
        }
    }

    /// Serves what the peer sends.
    ///
    /// # Errors
    ///
    /// The gate closes the connection, for the reason given.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            let space = self.session.space();
            let taken = space.len().min(bytes.len());
            space[..taken].copy_from_slice(&bytes[..taken]);
            self.session.advance(taken);
            bytes = &bytes[taken..];
            self.serve()?;
        }
        Ok(())
    }

    /// The bytes of all answers so far.
    #[must_use]
    pub fn answers(&self) -> &[u8] {
        &self.answers
    }

    /// The bytes of all pushes so far. They are separate from the answers, because their place among these depends on
    /// how the peer's bytes were split.
    #[must_use]
    pub fn pushes(&self) -> &[u8] {
        &self.pushes
    }

    fn serve(&mut self) -> Result<(), Violation> {
        loop {
            let served = self.session.serve(&mut self.service, self.now);
            self.answers.extend_from_slice(self.session.unsent());
            self.session.mark_sent(self.session.unsent().len());
            for push in self.service.take_pushes() {
                self.pushes.extend_from_slice(&push.quest);
            }
            if served? != Served::OutputFull {
                return Ok(());
            }
        }
    }
}
