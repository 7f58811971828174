//! Items that have arrived for a listener and have not been taken over.
//!
//! Items are taken in delivery order, which is not the order of arrival: pushes behind a catch-up in progress are held back
//! until all of its rooms are done, and the rows of these rooms come first.

use std::collections::VecDeque;

use super::item::Item;
use crate::error::Error;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What came before the first catch-up that is under way.
    items: VecDeque<Item>,
    /// What came since, for each catch-up in their order.
    held_back: VecDeque<HeldBack>,
    pub is_closed: bool,
}

/// What waits for the end of a catch-up, and what that brings.
#[derive(Debug)]
pub(super) struct HeldBack {
    /// The connection after which the rooms are caught up.
    connection: u64,
    /// Rooms that are not done.
    pub rooms_left: usize,
    /// What the rooms have brought. It can be taken at once.
    pub caught_up: VecDeque<Item>,
    /// What came behind the catch-up.
    behind: VecDeque<Item>,
}

/// What a look into the inbox comes to.
pub(super) enum TakeOver {
    Items,
    Nothing,
    Closed,
}

impl Inbox {
    /// One to which nothing comes any more.
    pub(super) fn closed() -> Inbox {
        Inbox { is_closed: true, ..Inbox::default() }
    }

    /// The list to which that belongs which comes now.
    pub(super) fn tail(&mut self) -> &mut VecDeque<Item> {
        match self.held_back.back_mut() {
            Some(held_back) => &mut held_back.behind,
            None => &mut self.items,
        }
    }

    /// From here on, what comes waits until so many rooms are caught up after the connection of this number.
    pub(super) fn begin_catch_up(&mut self, connection: u64, rooms: usize) {
        let caught_up = self.take_last_gap().into_iter().collect();
        self.held_back.push_back(HeldBack { connection, rooms_left: rooms, caught_up, behind: VecDeque::new() });
    }

    /// Takes over what has come, up to what is held back. `taken` is empty.
    pub(super) fn take_over(&mut self, taken: &mut VecDeque<Item>) -> TakeOver {
        while self.items.is_empty() {
            match self.held_back.front_mut() {
                None if self.is_closed => return TakeOver::Closed,
                None => return TakeOver::Nothing,
                Some(first) if !first.caught_up.is_empty() => std::mem::swap(&mut self.items, &mut first.caught_up),
                Some(first) if first.is_under_way() => return TakeOver::Nothing,
                Some(first) => {
                    self.items = std::mem::take(&mut first.behind);
                    self.held_back.pop_front();
                }
            }
        }
        std::mem::swap(&mut self.items, taken);
        TakeOver::Items
    }

    /// Whether there is something to take over, or nothing to wait for.
    pub(super) fn is_ready(&self) -> bool {
        !self.items.is_empty() || self.held_back.front().map_or(self.is_closed, HeldBack::is_ready)
    }

    /// Drops catch-ups from the end that are done and have brought nothing: a server that comes and goes must not fill the
    /// queue of a listener that does not look.
    pub(super) fn drop_spent_catch_ups(&mut self) {
        while self.held_back.back().is_some_and(HeldBack::is_spent) {
            self.held_back.pop_back();
        }
    }

    /// Takes back the last catch-up if it is done and came to nothing but a gap, which another catch-up is about to follow.
    fn take_last_gap(&mut self) -> Option<Item> {
        if !self.held_back.back()?.is_only_a_gap() {
            return None;
        }
        self.held_back.pop_back()?.caught_up.pop_front()
    }

    /// What belongs to the catch-up of the connection of this number, unless that is done.
    pub(super) fn under_way(&mut self, connection: u64) -> Option<&mut HeldBack> {
        self.all_under_way().find(|held_back| held_back.connection == connection)
    }

    /// What belongs to each catch-up that is not done.
    pub(super) fn all_under_way(&mut self) -> impl Iterator<Item = &mut HeldBack> {
        self.held_back.iter_mut().filter(|held_back| held_back.is_under_way())
    }

    /// How many items of any kind it holds, each catch-up being one as well.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let held_items = |held_back: &HeldBack| 1 + held_back.caught_up.len() + held_back.behind.len();
        self.items.len() + self.held_back.iter().map(held_items).sum::<usize>()
    }
}

impl HeldBack {
    /// Adds a gap of one room. Gaps of several rooms in a row are one, which begins with the earliest of them.
    pub(super) fn push_gap(&mut self, since: Option<i64>, error: Option<Error>) {
        match self.caught_up.back_mut() {
            // None sorts first, as it should.
            Some(Item::CatchUpGap(earliest, _)) => *earliest = since.min(*earliest),
            _ => self.caught_up.push_back(Item::CatchUpGap(since, error.map(Box::new))),
        }
    }

    fn is_under_way(&self) -> bool {
        self.rooms_left > 0
    }

    /// Whether the catch-up is done, and neither brought nor held back anything.
    fn is_spent(&self) -> bool {
        !self.is_under_way() && self.caught_up.is_empty() && self.behind.is_empty()
    }

    /// Whether the catch-up is done, brought a gap alone, and held back nothing.
    fn is_only_a_gap(&self) -> bool {
        let is_gap = self.caught_up.len() == 1 && matches!(self.caught_up.front(), Some(Item::CatchUpGap(..)));
        !self.is_under_way() && is_gap && self.behind.is_empty()
    }

    /// Whether there is something to take, or nothing to wait for.
    fn is_ready(&self) -> bool {
        !self.is_under_way() || !self.caught_up.is_empty()
    }
}
