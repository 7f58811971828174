//! Items that have arrived for a listener and have not been taken over.
//!
//! Items are taken in delivery order, which is not the order of arrival. What arrives behind a catch-up in progress is
//! held back until all its rooms are done. The rows of these rooms come first.

use std::collections::VecDeque;

use super::item::Item;
use crate::error::Error;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What arrived before the first catch-up in progress.
    items: VecDeque<Item>,
    /// What has arrived since, for each catch-up in order.
    held_back: VecDeque<HeldBack>,
    pub is_closed: bool,
}

/// What a catch-up delivers, and what waits for its end.
#[derive(Debug)]
pub(super) struct HeldBack {
    /// The connection for which the rooms are caught up.
    connection: u64,
    /// The number of rooms that are not done.
    pub rooms_left: usize,
    /// What the rooms have delivered. It can be taken at once.
    pub caught_up: VecDeque<Item>,
    /// What arrived behind the catch-up.
    behind: VecDeque<Item>,
}

/// The result of [`Inbox::take_over`].
pub(super) enum TakeOver {
    Items,
    Nothing,
    Closed,
}

impl Inbox {
    /// Creates an inbox that has ended.
    pub(super) fn closed() -> Inbox {
        Inbox { is_closed: true, ..Inbox::default() }
    }

    /// Returns the list that new items are added to.
    pub(super) fn tail(&mut self) -> &mut VecDeque<Item> {
        match self.held_back.back_mut() {
            Some(held_back) => &mut held_back.behind,
            None => &mut self.items,
        }
    }

    /// Holds back what arrives from now on, until `rooms` rooms have been caught up after this connection.
    pub(super) fn begin_catch_up(&mut self, connection: u64, rooms: usize) {
        let caught_up = self.take_last_gap().into_iter().collect();
        self.held_back.push_back(HeldBack { connection, rooms_left: rooms, caught_up, behind: VecDeque::new() });
    }

    /// Moves what has arrived to `taken`, up to the first held-back item. `taken` is empty.
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

    /// Drops finished catch-ups from the end if they delivered nothing. Otherwise they would fill the queue when a
    /// server comes and goes while the listener takes nothing.
    pub(super) fn drop_spent_catch_ups(&mut self) {
        while self.held_back.back().is_some_and(HeldBack::is_spent) {
            self.held_back.pop_back();
        }
    }

    /// Takes back the last catch-up if it is done and delivered only a gap. Another catch-up is about to follow it.
    fn take_last_gap(&mut self) -> Option<Item> {
        if !self.held_back.back()?.is_only_a_gap() {
            return None;
        }
        self.held_back.pop_back()?.caught_up.pop_front()
    }

    /// Returns the catch-up for this connection, unless it is done.
    pub(super) fn under_way(&mut self, connection: u64) -> Option<&mut HeldBack> {
        self.all_under_way().find(|held_back| held_back.connection == connection)
    }

    /// Returns the catch-ups that are not done.
    pub(super) fn all_under_way(&mut self) -> impl Iterator<Item = &mut HeldBack> {
        self.held_back.iter_mut().filter(|held_back| held_back.is_under_way())
    }

    /// The number of items of any kind, counting each catch-up as one.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let held_items = |held_back: &HeldBack| 1 + held_back.caught_up.len() + held_back.behind.len();
        self.items.len() + self.held_back.iter().map(held_items).sum::<usize>()
    }
}

impl HeldBack {
    /// Adds a gap of one room. Consecutive gaps of several rooms are merged into one that begins with the earliest, and has
    /// the first error.
    pub(super) fn push_gap(&mut self, since: Option<i64>, error: Option<Error>) {
        match self.caught_up.back_mut() {
            // `None` sorts first: without a time, the gap begins where the catch-up does.
            Some(Item::CatchUpGap(earliest, first_error)) => {
                *earliest = since.min(*earliest);
                *first_error = first_error.take().or(error.map(Box::new));
            }
            _ => self.caught_up.push_back(Item::CatchUpGap(since, error.map(Box::new))),
        }
    }

    fn is_under_way(&self) -> bool {
        self.rooms_left > 0
    }

    /// Whether the catch-up is done, and neither delivered nor held back anything.
    fn is_spent(&self) -> bool {
        !self.is_under_way() && self.caught_up.is_empty() && self.behind.is_empty()
    }

    /// Whether the catch-up is done, delivered only a gap, and held back nothing.
    fn is_only_a_gap(&self) -> bool {
        let is_gap = self.caught_up.len() == 1 && matches!(self.caught_up.front(), Some(Item::CatchUpGap(..)));
        !self.is_under_way() && is_gap && self.behind.is_empty()
    }

    /// Whether there is something to take, or nothing to wait for.
    fn is_ready(&self) -> bool {
        !self.is_under_way() || !self.caught_up.is_empty()
    }
}
