//! The items of a queue, and their sizes. An item is a list of pushes, a row or a gap.

use std::sync::Arc;

use crate::dispatch::listeners::push::GapReason;
use crate::error::Error;
use crate::rtm::{Message, PushList};

/// The memory of a history message in addition to its texts.
const ROW_OVERHEAD: usize = 128;

/// See the [module](self).
#[derive(Debug)]
pub(super) enum Item {
    /// Consecutive pushes.
    Pushes(Batch),
    /// A message of the history.
    Row(Arc<Message>),
    /// The number of pushes or rows that did not fit here.
    Lost(u64),
    Gap(GapReason, Option<Box<Error>>),
    /// A room could not be caught up from this time on, or from the beginning of the catch-up if the time is unknown.
    CatchUpGap(Option<i64>, Option<Box<Error>>),
}

/// A list of pushes that listeners may share, limited to those that fit this listener's queue.
#[derive(Debug)]
pub(super) struct Batch {
    pub pushes: Arc<PushList>,
    /// The number of pushes already taken.
    pub taken: usize,
    /// The number of pushes that belong to this listener.
    end: usize,
}

/// A number of pushes and rows, and their total bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub count: usize,
    pub bytes: usize,
}

impl Batch {
    /// Creates a batch of the first `count` pushes.
    pub(super) fn new(pushes: Arc<PushList>, count: usize) -> Batch {
        Batch { pushes, taken: 0, end: count }
    }

    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.taken < self.end
    }
}

impl Size {
    /// Adds one push or row of `bytes` bytes.
    #[inline]
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// The number of bytes that a history message counts for.
pub(super) fn row_bytes(message: &Message) -> usize {
    message.body.as_bytes().len() + message.attrs.len() + ROW_OVERHEAD
}
