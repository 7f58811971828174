//! How far a room is settled for whom: what stands before that in its history is not delivered.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::position::{Mark, OVERLAP_MS, Row};
use crate::engine::ListenerId;

/// Up to which message the history is no concern of which listeners.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    marks: Vec<Settled>,
    /// The places of the listeners' marks.
    places: FxHashMap<ListenerId, usize>,
}

#[derive(Debug)]
struct Settled {
    mark: Mark,
    passage: Passage,
    /// Whether the row that was looked at last is the mark's own, or stands before it.
    covers_row: bool,
}

/// Where the reading is, seen from a mark.
#[derive(Debug, PartialEq, Eq)]
enum Passage {
    /// The mark's own row has not been found. It may have been deleted: then its time is what counts.
    Unknown,
    /// Its row was read, and is still to be handed over.
    Ahead,
    Passed,
}

impl Settlement {
    /// Of these listeners and their marks.
    pub(super) fn new(marks: impl Iterator<Item = (ListenerId, Mark)>) -> Settlement {
        let mut settlement = Settlement::default();
        let mut known: FxHashMap<Mark, usize> = FxHashMap::default();
        for (id, mark) in marks {
            let place = *known.entry(mark).or_insert_with(|| {
                settlement.marks.push(Settled { mark, passage: Passage::Unknown, covers_row: false });
                settlement.marks.len() - 1
            });
            settlement.places.insert(id, place);
        }
        settlement
    }

    /// The time of the first mark.
    pub(super) fn begin(&self) -> i64 {
        self.marks.iter().map(|settled| settled.mark.mtime).min().unwrap_or(i64::MAX)
    }

    /// These rows were read, and are still to be handed over.
    pub(super) fn look_ahead(&mut self, rows: &VecDeque<Row>) {
        self.marks.iter_mut().for_each(|settled| settled.look_ahead(rows));
    }

    /// Whether the rows that follow these may have a say in whether the first of these are wanted.
    pub(super) fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        let may_come = |settled: &Settled| {
            let is_behind = |row: &Row| row.mark.mtime > settled.mark.mtime.saturating_add(OVERLAP_MS);
            settled.passage == Passage::Unknown && !rows.back().is_some_and(is_behind)
        };
        self.marks.iter().any(may_come)
    }

    /// Takes out those for whom the room is settled up to the row, which is the next.
    pub(super) fn retain_concerned(&mut self, mark: Mark, listeners: &mut Vec<ListenerId>) {
        let mut covers_any = false;
        for settled in &mut self.marks {
            settled.covers_row = settled.covers(mark);
            covers_any |= settled.covers_row;
        }
        if covers_any {
            listeners.retain(|id| self.places.get(id).is_none_or(|&place| !self.marks[place].covers_row));
        }
    }
}

impl Settled {
    fn look_ahead(&mut self, rows: &VecDeque<Row>) {
        if rows.iter().any(|row| self.is_at(row.mark)) {
            self.passage = Passage::Ahead;
        }
    }

    fn is_at(&self, mark: Mark) -> bool {
        (mark.from, mark.mid) == (self.mark.from, self.mark.mid)
    }

    /// Whether the next row is the mark's own, or stands before it.
    fn covers(&mut self, mark: Mark) -> bool {
        match self.passage {
            Passage::Unknown => mark.mtime <= self.mark.mtime,
            Passage::Ahead => {
                if self.is_at(mark) {
                    self.passage = Passage::Passed;
                }
                true
            }
            Passage::Passed => false,
        }
    }
}
