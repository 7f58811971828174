//! What has come for a listener and was not taken over.

use std::collections::VecDeque;

use super::item::Item;
use crate::error::Error;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What came before the first of the catch-ups.
    items: VecDeque<Item>,
    /// The catch-ups that are not over, in their order.
    catch_ups: VecDeque<CatchUp>,
    pub is_closed: bool,
}

/// A catch-up, and what waits for its end.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// The connection after which the rooms are caught up.
    connection: u64,
    /// Rooms that are not done.
    pub rooms_left: usize,
    /// What the rooms have brought.
    pub items: VecDeque<Item>,
    /// What came behind it.
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

    /// Where that belongs which comes now.
    pub(super) fn end(&mut self) -> &mut VecDeque<Item> {
        match self.catch_ups.back_mut() {
            Some(catch_up) => &mut catch_up.behind,
            None => &mut self.items,
        }
    }

    /// From here on, what comes waits until so many rooms are caught up after the connection of this number.
    pub(super) fn begin_catch_up(&mut self, connection: u64, rooms: usize) {
        let items = self.take_last_gap().into_iter().collect();
        self.catch_ups.push_back(CatchUp { connection, rooms_left: rooms, items, behind: VecDeque::new() });
    }

    /// Takes over what has come, up to a catch-up that is under way. `taken` is empty.
    pub(super) fn take_over(&mut self, taken: &mut VecDeque<Item>) -> TakeOver {
        while self.items.is_empty() {
            match self.catch_ups.front_mut() {
                None if self.is_closed => return TakeOver::Closed,
                None => return TakeOver::Nothing,
                Some(catch_up) if !catch_up.items.is_empty() => std::mem::swap(&mut self.items, &mut catch_up.items),
                Some(catch_up) if catch_up.rooms_left > 0 => return TakeOver::Nothing,
                Some(catch_up) => {
                    self.items = std::mem::take(&mut catch_up.behind);
                    self.catch_ups.pop_front();
                }
            }
        }
        std::mem::swap(&mut self.items, taken);
        TakeOver::Items
    }

    /// Whether there is something to take over, or nothing to wait for.
    pub(super) fn is_ready(&self) -> bool {
        !self.items.is_empty() || self.catch_ups.front().map_or(self.is_closed, CatchUp::is_ready)
    }

    /// Drops catch-ups from the end that are done and have brought nothing: a server that comes and goes must not fill the
    /// queue of a listener that does not look.
    pub(super) fn drop_spent_catch_ups(&mut self) {
        while self.catch_ups.back().is_some_and(CatchUp::is_spent) {
            self.catch_ups.pop_back();
        }
    }

    /// Takes back the last catch-up if it is done and came to nothing but a gap, which another catch-up is about to follow.
    fn take_last_gap(&mut self) -> Option<Item> {
        let last = self.catch_ups.back()?;
        let is_gap = last.items.len() == 1 && matches!(last.items.front(), Some(Item::CatchUpGap(..)));
        if last.rooms_left > 0 || !last.behind.is_empty() || !is_gap {
            return None;
        }
        self.catch_ups.pop_back()?.items.pop_front()
    }

    /// The catch-up of the connection of this number, unless it is done.
    pub(super) fn catch_up(&mut self, connection: u64) -> Option<&mut CatchUp> {
        self.catch_ups_under_way().find(|catch_up| catch_up.connection == connection)
    }

    pub(super) fn catch_ups_under_way(&mut self) -> impl Iterator<Item = &mut CatchUp> {
        self.catch_ups.iter_mut().filter(|catch_up| catch_up.rooms_left > 0)
    }

    /// How many items of any kind it holds, each catch-up being one as well.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let of_catch_up = |catch_up: &CatchUp| 1 + catch_up.items.len() + catch_up.behind.len();
        self.items.len() + self.catch_ups.iter().map(of_catch_up).sum::<usize>()
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

    /// Whether it is done, and neither brought nor held back anything.
    fn is_spent(&self) -> bool {
        self.rooms_left == 0 && self.items.is_empty() && self.behind.is_empty()
    }

    /// Whether there is something to take, or nothing to wait for.
    fn is_ready(&self) -> bool {
        self.rooms_left == 0 || !self.items.is_empty()
    }
}
