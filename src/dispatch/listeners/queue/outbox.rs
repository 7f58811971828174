//! What a listener has taken over, and how a push is made of it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Item, Size, row_bytes};
use crate::dispatch::listeners::push::{Gap, GapReason, Push};
use crate::rtm::{PushList, PushParts};

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The pushes that come first.
    batch: Option<Batch>,
    pub(super) items: VecDeque<Item>,
    /// The mtime of the last message that was given out.
    since: Option<i64>,
    /// What that was when the catch-up began that is under way, if one is. Its rows are of several rooms: what one room misses
    /// may be older than the last row of another.
    before_catch_up: Option<Option<i64>>,
    /// What was given out, and still counts as waiting.
    pub(super) uncounted: Size,
}

/// Pushes that other listeners may share, as far as this one has room for them.
#[derive(Debug)]
pub(super) struct Batch {
    pushes: Arc<PushList>,
    next: usize,
    end: usize,
}

impl Batch {
    /// The first `count` of these.
    pub(super) fn new(pushes: Arc<PushList>, count: usize) -> Batch {
        Batch { pushes, next: 0, end: count }
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_none() && self.items.is_empty()
    }

    /// What is next, if anything is.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Push> {
        if self.batch.is_some() { self.next_in_batch() } else { self.next_item() }
    }

    #[inline]
    fn next_in_batch(&mut self) -> Option<Push> {
        let batch = self.batch.as_mut()?;
        let push = batch.pushes.pushes().get(batch.next)?;
        batch.next += 1;
        self.uncounted.add(push.payload_len());
        let push = match &push.parts {
            PushParts::Message(parts) => {
                self.since = parts.mtime.or(self.since);
                Push::Message(batch.pushes.message(parts))
            }
            PushParts::Event(parts) => Push::Event(batch.pushes.event(parts)),
        };
        if batch.next == batch.end {
            self.batch = None;
        }
        Some(push)
    }

    fn next_item(&mut self) -> Option<Push> {
        let since = self.since;
        Some(match self.items.pop_front()? {
            Item::Pushes(batch) => {
                self.before_catch_up = None;
                self.batch = Some(batch);
                return self.next_in_batch();
            }
            Item::Row(message) => {
                self.before_catch_up.get_or_insert(since);
                self.uncounted.add(row_bytes(&message));
                self.since = message.mtime.or(since);
                Push::Message(Arc::unwrap_or_clone(message))
            }
            Item::Lost(missed) => Push::Gap(Gap::new(GapReason::Overflow, Some(missed), since, None)),
            Item::Gap(reason, error) => {
                self.before_catch_up = None;
                Push::Gap(Gap::new(reason, None, since, error.map(|error| *error)))
            }
            Item::CatchUpGap(from, error) => {
                let since = from.or(*self.before_catch_up.get_or_insert(since));
                Push::Gap(Gap::new(GapReason::Reconnected, None, since, error.map(|error| *error)))
            }
        })
    }
}
