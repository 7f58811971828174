//! What a listener has taken over, and how a push is made of it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Item, Size, row_bytes};
use crate::dispatch::listeners::arrivals::Arrived;
use crate::dispatch::listeners::push::{Gap, GapReason, Push};
use crate::rtm::PushRef;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub items: VecDeque<Item>,
    /// The mtime of the last message that was given out.
    since: Option<i64>,
    /// What that was when the catch-up began that is under way, if one is. Its rows are of several rooms: what one room misses
    /// may be older than the last row of another.
    before_catch_up: Option<Option<i64>>,
    /// What was given out, and still counts as waiting.
    pub uncounted: Size,
}

/// Pushes that other listeners may share, as far as this one has room for them.
#[derive(Debug)]
pub(super) struct Batch {
    pushes: Arc<[Arrived]>,
    next: usize,
    end: usize,
}

impl Batch {
    /// The first `count` of these.
    pub(super) fn new(pushes: &Arc<[Arrived]>, count: usize) -> Batch {
        Batch { pushes: Arc::clone(pushes), next: 0, end: count }
    }

    fn has_more(&self) -> bool {
        self.next < self.end
    }
}

impl Outbox {
    /// What is next. `None` if nothing is, or a catch-up.
    pub(super) fn next(&mut self) -> Option<Push> {
        let since = self.since;
        Some(match self.items.pop_front()? {
            Item::CatchUp => {
                self.items.push_front(Item::CatchUp);
                self.before_catch_up.get_or_insert(since);
                return None;
            }
            Item::Pushes(mut batch) => {
                self.before_catch_up = None;
                let push = self.read(batch.pushes.get(batch.next)?);
                batch.next += 1;
                if batch.has_more() {
                    self.items.push_front(Item::Pushes(batch));
                }
                push
            }
            Item::Row(message) => {
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
                let since = from.or(self.before_catch_up.unwrap_or(since));
                Push::Gap(Gap::new(GapReason::Reconnected, None, since, error.map(|error| *error)))
            }
        })
    }

    fn read(&mut self, Arrived { parts, payload }: &Arrived) -> Push {
        self.uncounted.add(payload.len());
        match parts.within(payload) {
            PushRef::Message(message) => {
                self.since = message.mtime.or(self.since);
                Push::Message(message.to_message())
            }
            PushRef::Event(event) => Push::Event(event.to_event()),
        }
    }
}
