//! The items of a queue, and their sizes: one item per list of pushes, row or gap.

use std::sync::Arc;

use crate::dispatch::listeners::push::GapReason;
use crate::error::Error;
use crate::rtm::{Message, PushList};

/// What a message of the history takes beside its texts.
const ROW_OVERHEAD: usize = 128;

/// See the [module](self).
#[derive(Debug)]
pub(super) enum Item {
    /// Pushes that came one after the other.
    Pushes(Batch),
    /// A message of the history.
    Row(Arc<Message>),
    /// So many did not fit in here.
    Lost(u64),
    Gap(GapReason, Option<Box<Error>>),
    /// A room could not be caught up from this time on; from the beginning of the catch-up, if none is known.
    CatchUpGap(Option<i64>, Option<Box<Error>>),
}

/// Pushes that other listeners may share, as far as this one has room for them.
#[derive(Debug)]
pub(super) struct Batch {
    pub pushes: Arc<PushList>,
    /// How many of them were given out.
    pub taken: usize,
    /// How many of them are this listener's.
    end: usize,
}

/// A number of pushes and rows, and of their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub count: usize,
    pub bytes: usize,
}

impl Batch {
    /// The first `count` of these.
    pub(super) fn new(pushes: Arc<PushList>, count: usize) -> Batch {
        Batch { pushes, taken: 0, end: count }
    }

    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.taken < self.end
    }
}

impl Size {
    /// Adds one of so many bytes.
    #[inline]
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// The bytes that a message of the history counts for.
pub(super) fn row_bytes(message: &Message) -> usize {
    message.body.as_bytes().len() + message.attrs.len() + ROW_OVERHEAD
}
