//! Counts the pushes and rows that wait in a queue, and their bytes, and determines how many more fit.
//!
//! The queue adds to the counts under its lock; the listener subtracts without it. A push that was just delivered may
//! still count, but the counts are never too low, so no queue exceeds its bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::item::Size;
use crate::rtm::PushList;

/// The byte limit of a queue. A push is accepted as long as the queue is below it.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// How many taken pushes are subtracted at once. Each subtraction competes with the I/O thread for a cache line.
const MOST_UNCOUNTED: usize = 64;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Waiting {
    pub limit: usize,
    pub count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    pub(super) fn new(limit: usize) -> Waiting {
        Waiting { limit, count: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// What waits, in the inbox and in the outbox.
    pub(super) fn size(&self) -> Size {
        Size { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Whether one more push fits. Only code that adds to the queue calls this, under the lock.
    pub(super) fn has_room(&self, waiting: Size) -> bool {
        waiting.count < self.limit && waiting.bytes < MOST_BYTES
    }

    /// Counts as many of the first pushes as fit, and returns their number.
    pub(super) fn count_in_what_fits(&self, pushes: &PushList) -> usize {
        let (mut waiting, mut new) = (self.size(), Size::default());
        for push in pushes.pushes() {
            if !self.has_room(waiting) {
                break;
            }
            waiting.add(push.payload_len());
            new.add(push.payload_len());
        }
        self.count_in(new);
        new.count
    }

    pub(super) fn count_in(&self, size: Size) {
        self.count.fetch_add(size.count, Ordering::Relaxed);
        self.bytes.fetch_add(size.bytes, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn count_out(&self, size: Size) {
        self.count.fetch_sub(size.count, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }

    /// How many pushes may be taken but still counted. None in a short queue, which must accept a new push as soon as
    /// one is taken.
    #[inline]
    pub(super) fn most_uncounted(&self) -> usize {
        MOST_UNCOUNTED.min(self.limit / MOST_UNCOUNTED)
    }
}
