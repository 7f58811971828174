//! Pushes on their way from the I/O thread into the queues. They move in batches, because two threads compete for a
//! queue's lock.
//!
//! Consecutive pushes for the same listeners form one list, which these listeners share. Arrivals enter the queues
//! before any listener is woken.

use std::sync::Arc;

use crate::engine::ListenerId;
use crate::rtm::{PushList, PushRef};

/// A list takes another push only below both limits. It stays in memory until every listener has taken all of it.
const MOST_PUSHES: usize = 128;
const MOST_BYTES: usize = 64 * 1024;

/// The list that pushes are being added to, and its listeners.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    listeners: Vec<ListenerId>,
    pushes: PushList,
}

impl Arrivals {
    /// Whether a push for these listeners may be added to the list.
    pub(super) fn takes(&self, listeners: &[ListenerId]) -> bool {
        let pushes = self.pushes.pushes().len();
        pushes == 0 || (pushes < MOST_PUSHES && self.pushes.payload_bytes() < MOST_BYTES && self.listeners == listeners)
    }

    /// Adds a push, which the list [takes](Arrivals::takes). It arrived in a payload of `payload_len` bytes.
    pub(super) fn add(&mut self, listeners: &[ListenerId], push: &PushRef<'_>, payload_len: usize) {
        if self.pushes.pushes().is_empty() {
            self.listeners.clear();
            self.listeners.extend(listeners);
        }
        self.pushes.add(push, payload_len);
    }

    /// Takes the list, unless it is empty. The next push begins a new one.
    pub(super) fn take_list(&mut self) -> Option<(&[ListenerId], Arc<PushList>)> {
        if self.pushes.pushes().is_empty() {
            return None;
        }
        Some((self.listeners.as_slice(), self.pushes.take()))
    }
}
