//! Pushes on their way from the I/O thread into the queues, many at once, because two threads compete for a queue's lock.
//!
//! Consecutive pushes for the same listeners form one list, which these listeners share. Arrivals are in the queues before
//! anybody is woken.

use std::sync::Arc;

use crate::engine::ListenerId;
use crate::rtm::{PushList, PushRef};

/// A list has at most so many pushes, and one more below so many bytes: it is kept until all of it was taken by all.
const MOST_PUSHES: usize = 128;
const MOST_BYTES: usize = 64 * 1024;

/// The list that pushes are added to: the pushes that came last, and for whom they are.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    listeners: Vec<ListenerId>,
    pushes: PushList,
}

impl Arrivals {
    /// Whether a push for these listeners belongs to the list.
    pub(super) fn takes(&self, listeners: &[ListenerId]) -> bool {
        let pushes = self.pushes.pushes().len();
        pushes == 0 || (pushes < MOST_PUSHES && self.pushes.payload_bytes() < MOST_BYTES && self.listeners == listeners)
    }

    /// Adds a push to the list, which [takes](Arrivals::takes) it. It came in a payload of so many bytes.
    pub(super) fn add(&mut self, listeners: &[ListenerId], push: &PushRef<'_>, payload_len: usize) {
        if self.pushes.pushes().is_empty() {
            self.listeners.clear();
            self.listeners.extend(listeners);
        }
        self.pushes.add(push, payload_len);
    }

    /// Takes the list, unless it is empty. The next push begins another.
    pub(super) fn take_list(&mut self) -> Option<(&[ListenerId], Arc<PushList>)> {
        if self.pushes.pushes().is_empty() {
            return None;
        }
        Some((self.listeners.as_slice(), self.pushes.take()))
    }
}
