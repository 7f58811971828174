//! Counts the pushes and rows that wait in a queue, and their bytes, and says what still fits.
//!
//! They are counted in under the queue's lock, and counted out by the listener without it. A push that was just delivered may
//! still count, but the counts are never too low, so no queue exceeds its bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::item::Size;
use crate::rtm::PushList;

/// Payloads in one queue may take this many bytes; one more is let in below that.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The room of what was given out is counted free again for so many pushes at once: the I/O thread counts on the same cache line.
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

    /// How much waits, on either side.
    pub(super) fn size(&self) -> Size {
        Size { count: self.count.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Whether one more fits beside so many. Only whoever adds to the queue asks, under its lock.
    pub(super) fn has_room(&self, waiting: Size) -> bool {
        waiting.count < self.limit && waiting.bytes < MOST_BYTES
    }

    /// Counts the first of these pushes in, as many as fit, and says how many do.
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

    /// How many pushes may have been given out and still be counted. In a short queue none: each has room for the next at once.
    #[inline]
    pub(super) fn most_uncounted(&self) -> usize {
        MOST_UNCOUNTED.min(self.limit / MOST_UNCOUNTED)
    }
}
