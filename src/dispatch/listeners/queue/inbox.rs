//! What has come for a listener and was not taken over.

use std::collections::VecDeque;

use super::Item;
use crate::error::Error;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub items: VecDeque<Item>,
    /// What the catch-ups stand for that were not passed yet, in their order.
    pub catch_ups: VecDeque<CatchUp>,
    pub is_closed: bool,
}

#[derive(Debug)]
pub(super) struct CatchUp {
    /// The connection after which the rooms are caught up.
    pub connection: u64,
    /// Rooms that are not done.
    pub rooms_left: usize,
    pub items: VecDeque<Item>,
}

/// What a look into the inbox comes to.
pub(super) enum TakeOver {
    /// There is more now in what was taken over.
    Items,
    Nothing,
    Closed,
}

impl Inbox {
    /// Takes over what has come. If a catch-up is next, what it has comes before it, item by item.
    pub(super) fn take_over(&mut self, taken: &mut VecDeque<Item>) -> TakeOver {
        if matches!(taken.front(), Some(Item::CatchUp)) {
            if let Some(catch_up) = self.catch_ups.front_mut() {
                match catch_up.items.pop_front() {
                    Some(item) => {
                        taken.push_front(item);
                        return TakeOver::Items;
                    }
                    None if catch_up.rooms_left > 0 => return TakeOver::Nothing,
                    None => _ = self.catch_ups.pop_front(),
                }
            }
            taken.pop_front();
            return TakeOver::Items;
        }
        match (self.items.is_empty(), self.is_closed) {
            (true, true) => TakeOver::Closed,
            (true, false) => TakeOver::Nothing,
            (false, _) => {
                std::mem::swap(&mut self.items, taken);
                TakeOver::Items
            }
        }
    }

    /// Drops catch-ups from the end that are done and have brought nothing: a server that comes and goes must not fill the
    /// queue of a listener that does not look.
    pub(super) fn drop_spent_catch_ups(&mut self) {
        while matches!(self.items.back(), Some(Item::CatchUp)) && self.catch_ups.back().is_some_and(CatchUp::is_spent) {
            self.items.pop_back();
            self.catch_ups.pop_back();
        }
    }

    /// Takes back the last catch-up if it is done and came to nothing but a gap, which another catch-up is about to follow.
    pub(super) fn take_last_gap(&mut self) -> Option<Item> {
        let is_gap = |catch_up: &CatchUp| {
            catch_up.rooms_left == 0 && catch_up.items.len() == 1 && matches!(catch_up.items[0], Item::CatchUpGap(..))
        };
        if !matches!(self.items.back(), Some(Item::CatchUp)) || !self.catch_ups.back().is_some_and(is_gap) {
            return None;
        }
        self.items.pop_back();
        self.catch_ups.pop_back()?.items.pop_front()
    }

    /// The catch-up of the connection of this number, unless it is done.
    pub(super) fn catch_up(&mut self, connection: u64) -> Option<&mut CatchUp> {
        self.catch_ups.iter_mut().find(|catch_up| catch_up.connection == connection && catch_up.rooms_left > 0)
    }
}

impl CatchUp {
    /// Gaps of several rooms in a row are one, which begins with the earliest of them.
    pub(super) fn push_gap(&mut self, since: Option<i64>, error: Option<Error>) {
        match self.items.back_mut() {
            // None sorts first, as it should.
            Some(Item::CatchUpGap(earliest, _)) => *earliest = since.min(*earliest),
            _ => self.items.push_back(Item::CatchUpGap(since, error.map(Box::new))),
        }
    }

    fn is_spent(&self) -> bool {
        self.rooms_left == 0 && self.items.is_empty()
    }

    /// Whether there is something to take, or nothing to wait for.
    pub(super) fn is_ready(&self) -> bool {
        self.rooms_left == 0 || !self.items.is_empty()
    }
}
