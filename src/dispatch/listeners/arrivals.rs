//! Pushes on their way from the I/O thread into the queues: many at once, since a queue's lock is one that two threads want.
//!
//! Pushes that come one after the other for the same listeners are one list, which those listeners share. What has arrived
//! is in the queues before anybody is woken.

use std::sync::Arc;

use super::Tables;
use crate::engine::ListenerId;
use crate::rtm::{PushList, PushRef};

/// A list has at most so many pushes, and one more below so many bytes: it is kept until all of it was taken by all.
const MOST_PUSHES: usize = 128;
const MOST_BYTES: usize = 64 * 1024;

/// The pushes that came last, and no list has yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    listeners: Vec<ListenerId>,
    pushes: PushList,
}

impl Arrivals {
    /// Whether a push for these listeners can be added.
    fn takes(&mut self, listeners: &[ListenerId]) -> bool {
        let pushes = self.pushes.pushes().len();
        if pushes == 0 {
            self.listeners.clear();
            self.listeners.extend(listeners);
        }
        pushes < MOST_PUSHES && self.pushes.payload_bytes() < MOST_BYTES && self.listeners == listeners
    }
}

impl Tables {
    /// A push has arrived for these listeners, in a payload of so many bytes.
    pub(super) fn take_push(&mut self, listeners: &[ListenerId], push: &PushRef<'_>, payload_len: usize) {
        if !self.arrivals.takes(listeners) {
            self.end_list();
            self.arrivals.takes(listeners);
        }
        self.arrivals.pushes.add(push, payload_len);
    }

    /// Adds to the queues what has arrived.
    pub(super) fn deliver_arrivals(&mut self) {
        self.end_list();
        for id in &self.touched {
            let Some(entry) = self.listeners.get_mut(id) else { continue };
            entry.sink.queue.push_all(entry.arrived.drain(..));
        }
    }

    /// The pushes that came last are a list. It is in no queue yet.
    fn end_list(&mut self) {
        if self.arrivals.pushes.pushes().is_empty() {
            return;
        }
        let pushes = self.arrivals.pushes.take();
        let listeners = std::mem::take(&mut self.arrivals.listeners);
        for &id in &listeners {
            let Some(entry) = self.listeners.get_mut(&id) else { continue };
            entry.arrived.push(Arc::clone(&pushes));
            self.touch(id);
        }
        self.arrivals.listeners = listeners;
    }
}
