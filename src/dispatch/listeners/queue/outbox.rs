//! Items that a listener has taken over, and the pushes that are made from them.
//!
//! The outbox belongs to the listener, so nothing here waits for the I/O thread. A gap carries the time of the last
//! message delivered before it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::item::{Batch, Item, Size, row_bytes};
use crate::dispatch::listeners::push::{Gap, GapReason, Push};
use crate::rtm::{PushList, PushParts};

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The pushes that are taken first.
    batch: Option<Batch>,
    pub(super) items: VecDeque<Item>,
    /// The mtime of the last message taken.
    since: Option<i64>,
    /// The value of `since` when the current catch-up began. Its rows belong to several rooms, so the missing messages
    /// of one room may be older than the last row of another.
    before_catch_up: Option<Option<i64>>,
    /// What was taken but still counts as waiting.
    pub(super) uncounted: Size,
}

/// A push that was taken but not made yet. A push is large, so it is best made where it is wanted.
#[derive(Debug)]
pub(crate) enum Ready<'a> {
    InList(&'a PushList, &'a PushParts),
    Other(Box<Push>),
}

/// What was taken last.
#[derive(Debug)]
pub(super) enum Last {
    /// A push of the batch.
    InBatch,
    Other(Box<Push>),
}

/// The kind of the next item.
enum NextItem {
    /// There is none.
    Nothing,
    /// A batch, whose pushes come next.
    Batch,
    /// A single push or gap.
    Push(Box<Push>),
}

impl Ready<'_> {
    /// Makes the push.
    #[inline]
    pub(crate) fn make(self) -> Push {
        match self {
            Ready::InList(list, PushParts::Message(parts)) => Push::Message(list.message(parts)),
            Ready::InList(list, PushParts::Event(parts)) => Push::Event(list.event(parts)),
            Ready::Other(push) => *push,
        }
    }

    pub(super) fn is_gap(&self) -> bool {
        matches!(self, Ready::Other(push) if matches!(**push, Push::Gap(_)))
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.batch.as_ref().is_some_and(Batch::has_more)
    }

    /// Drops a batch whose last push was taken.
    pub(super) fn forget_batch(&mut self) {
        self.batch = None;
    }

    /// Takes the next push or gap, if there is one.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Last> {
        if !self.batch.as_ref().is_some_and(Batch::has_more) {
            self.forget_batch();
            match self.advance_item() {
                NextItem::Nothing => return None,
                NextItem::Batch => {}
                NextItem::Push(push) => return Some(Last::Other(push)),
            }
        }
        let batch = self.batch.as_mut()?;
        let push = batch.pushes.pushes().get(batch.taken)?;
        batch.taken += 1;
        self.uncounted.add(push.payload_len());
        if let PushParts::Message(parts) = &push.parts {
            self.since = parts.mtime.or(self.since);
        }
        Some(Last::InBatch)
    }

    /// Returns what was taken last, ready to be made.
    #[inline]
    pub(super) fn ready(&self, last: Last) -> Option<Ready<'_>> {
        match last {
            Last::Other(push) => Some(Ready::Other(push)),
            Last::InBatch => {
                let batch = self.batch.as_ref()?;
                let push = batch.pushes.pushes().get(batch.taken.checked_sub(1)?)?;
                Some(Ready::InList(&batch.pushes, &push.parts))
            }
        }
    }

    /// Takes the next item.
    fn advance_item(&mut self) -> NextItem {
        let since = self.since;
        let push = match self.items.pop_front() {
            None => return NextItem::Nothing,
            Some(Item::Pushes(batch)) => {
                self.before_catch_up = None;
                self.batch = Some(batch);
                return NextItem::Batch;
            }
            Some(Item::Row(message)) => {
                self.before_catch_up.get_or_insert(since);
                self.uncounted.add(row_bytes(&message));
                self.since = message.mtime.or(since);
                Push::Message(Arc::unwrap_or_clone(message))
            }
            Some(Item::Lost(missed)) => Push::Gap(Gap::new(GapReason::Overflow, Some(missed), since, None)),
            Some(Item::Gap(reason, error)) => {
                self.before_catch_up = None;
                Push::Gap(Gap::new(reason, None, since, error.map(|error| *error)))
            }
            Some(Item::CatchUpGap(from, error)) => {
                let since = from.or(*self.before_catch_up.get_or_insert(since));
                Push::Gap(Gap::new(GapReason::Reconnected, None, since, error.map(|error| *error)))
            }
        };
        NextItem::Push(Box::new(push))
    }
}
