//! The reply channel on which a caller blocks. Each thread keeps its own for its next call.

use std::cell::Cell;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::completion::Route;
use crate::engine::Outcome;

thread_local! {
    static SPARE: Cell<Option<ReplyChannel>> = const { Cell::new(None) };
}

/// A channel for one outcome at a time.
pub struct ReplyChannel {
    sender: Sender<Outcome>,
    receiver: Receiver<Outcome>,
}

impl ReplyChannel {
    /// This thread's channel, or a new one.
    pub fn take() -> ReplyChannel {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        spare.unwrap_or_else(|| {
            let (sender, receiver) = bounded(1);
            ReplyChannel { sender, receiver }
        })
    }

    pub fn route(&self) -> Route {
        Route::Reply(self.sender.clone())
    }

    /// Waits for the outcome; `None` if it has not come by `deadline`.
    pub fn wait(self, deadline: Instant) -> Option<Outcome> {
        let outcome = self.receiver.recv_deadline(deadline).ok()?;
        // Only a channel whose one outcome came is clean: in any other it may still come.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        Some(outcome)
    }
}
