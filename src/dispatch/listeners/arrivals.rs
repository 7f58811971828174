//! Pushes on their way from the I/O thread into the queues: many at once, since a queue's lock is one that two threads want.
//!
//! The pushes of one read mostly go to the same listeners, which then share the list of them. Where they do not, each
//! listener has a list of its own. What has arrived is in the queues before anybody is woken.

use std::sync::Arc;

use super::{Entry, Tables};
use crate::engine::ListenerId;
use crate::rtm::PushParts;

/// A list has at most so many pushes, and one more below so many bytes: it is kept until all of it was taken.
const MOST_PUSHES: usize = 128;
const MOST_BYTES: usize = 64 * 1024;

/// A push that has come. All listeners share its bytes; its texts are copied for each when it is taken.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub parts: PushParts,
    pub payload: Arc<[u8]>,
}

/// Pushes that are not in a queue yet.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pushes: Vec<Arrived>,
    bytes: usize,
}

/// Pushes that all go to the same listeners.
#[derive(Debug, Default)]
pub(super) struct SharedArrivals {
    listeners: Vec<ListenerId>,
    arrivals: Arrivals,
    /// Since the last wake, pushes have come for different listeners: each has a list of its own.
    is_given_up: bool,
}

impl Arrivals {
    #[inline]
    fn add(&mut self, push: Arrived) {
        self.bytes += push.payload.len();
        self.pushes.push(push);
    }

    fn is_full(&self) -> bool {
        self.pushes.len() >= MOST_PUSHES || self.bytes >= MOST_BYTES
    }

    /// All that there are, if any.
    fn take(&mut self) -> Option<Arc<[Arrived]>> {
        self.bytes = 0;
        (!self.pushes.is_empty()).then(|| self.pushes.drain(..).collect())
    }
}

impl SharedArrivals {
    /// Whether a push for these listeners can be added.
    fn takes(&mut self, listeners: &[ListenerId]) -> bool {
        if self.arrivals.pushes.is_empty() && !self.is_given_up {
            self.listeners.clear();
            self.listeners.extend(listeners);
        }
        !self.is_given_up && self.listeners == listeners
    }
}

impl Entry {
    /// Adds to the queue what has arrived for this listener alone.
    pub(super) fn deliver_own(&mut self) {
        if let Some(pushes) = self.arrivals.take() {
            self.sink.queue.push_all(&pushes);
        }
    }
}

impl Tables {
    /// A push has arrived for these listeners.
    #[inline]
    pub(super) fn take_push(&mut self, listeners: &[ListenerId], push: Arrived) {
        if self.shared.takes(listeners) {
            self.shared.arrivals.add(push);
            if self.shared.arrivals.is_full() {
                self.deliver_shared();
            }
            return;
        }
        self.take_apart(listeners, &push);
    }

    /// Gives each of these a push of its own.
    fn take_apart(&mut self, listeners: &[ListenerId], push: &Arrived) {
        self.deliver_shared();
        self.shared.is_given_up = true;
        for &id in listeners {
            let Some(entry) = self.listeners.get_mut(&id) else { continue };
            entry.arrivals.add(push.clone());
            if entry.arrivals.is_full() {
                entry.deliver_own();
            }
            self.touch(id);
        }
    }

    /// Adds to the queues what has arrived.
    pub(super) fn deliver_arrivals(&mut self) {
        self.deliver_shared();
        if std::mem::take(&mut self.shared.is_given_up) {
            for id in &self.touched {
                self.listeners.get_mut(id).into_iter().for_each(Entry::deliver_own);
            }
        }
    }

    fn deliver_shared(&mut self) {
        let Some(pushes) = self.shared.arrivals.take() else { return };
        let listeners = std::mem::take(&mut self.shared.listeners);
        for &id in &listeners {
            let Some(entry) = self.listeners.get(&id) else { continue };
            entry.sink.queue.push_all(&pushes);
            self.touch(id);
        }
        self.shared.listeners = listeners;
    }
}
