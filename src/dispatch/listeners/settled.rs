//! How far a room's history is settled for each listener. Earlier messages are not delivered.
//!
//! For each listener a room is settled up to one message, by its position: everything before it is older than the
//! subscription, was delivered, or was reported as a gap. Times alone cannot say what is before it, because they may run
//! backwards. So its own row is searched for; its time counts only as long as that row is not found.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::position::{OVERLAP_MS, Position, Row};
use crate::engine::ListenerId;

/// Up to which message the history is no concern of which listeners.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    boundaries: Vec<Boundary>,
    /// Each listener's boundary, by its index. Several listeners may share one.
    of_listeners: FxHashMap<ListenerId, usize>,
}

/// The last message that is settled for some listeners.
#[derive(Debug)]
struct Boundary {
    position: Position,
    own_row: OwnRow,
    /// Whether the row that was looked at last is the boundary's own, or stands before it.
    covers_row: bool,
}

/// Where the reading is, seen from the boundary's own row.
#[derive(Debug, PartialEq, Eq)]
enum OwnRow {
    /// It has not been found. The message may have been deleted: then its time is what counts.
    NotFound,
    /// It was read, and is still to be handed over.
    Ahead,
    Passed,
}

impl Settlement {
    /// Of these listeners, each with the position up to which the room is settled for it.
    pub(super) fn new(settled: impl Iterator<Item = (ListenerId, Position)>) -> Settlement {
        let mut settlement = Settlement::default();
        let mut known: FxHashMap<Position, usize> = FxHashMap::default();
        for (id, position) in settled {
            let index = *known.entry(position).or_insert_with(|| {
                settlement.boundaries.push(Boundary { position, own_row: OwnRow::NotFound, covers_row: false });
                settlement.boundaries.len() - 1
            });
            settlement.of_listeners.insert(id, index);
        }
        settlement
    }

    /// The time of the first boundary.
    pub(super) fn earliest_time(&self) -> i64 {
        self.boundaries.iter().map(|boundary| boundary.position.mtime).min().unwrap_or(i64::MAX)
    }

    /// These rows were read, and are still to be handed over.
    pub(super) fn look_ahead(&mut self, rows: &VecDeque<Row>) {
        self.boundaries.iter_mut().for_each(|boundary| boundary.look_ahead(rows));
    }

    /// Whether the rows that follow these may have a say in whether the first of these are wanted.
    pub(super) fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        let may_come = |boundary: &Boundary| {
            let is_behind = |row: &Row| row.position.mtime > boundary.position.mtime.saturating_add(OVERLAP_MS);
            boundary.own_row == OwnRow::NotFound && !rows.back().is_some_and(is_behind)
        };
        self.boundaries.iter().any(may_come)
    }

    /// Takes out those for whom the room is settled up to the row, which is the next.
    pub(super) fn retain_concerned(&mut self, row: Position, listeners: &mut Vec<ListenerId>) {
        let mut covers_any = false;
        for boundary in &mut self.boundaries {
            boundary.covers_row = boundary.covers(row);
            covers_any |= boundary.covers_row;
        }
        if covers_any {
            let covers = |&index: &usize| self.boundaries[index].covers_row;
            listeners.retain(|id| !self.of_listeners.get(id).is_some_and(covers));
        }
    }
}

impl Boundary {
    fn look_ahead(&mut self, rows: &VecDeque<Row>) {
        if rows.iter().any(|row| self.position.is_same_message(row.position)) {
            self.own_row = OwnRow::Ahead;
        }
    }

    /// Whether the next row is the boundary's own, or stands before it.
    fn covers(&mut self, row: Position) -> bool {
        match self.own_row {
            OwnRow::NotFound => row.mtime <= self.position.mtime,
            OwnRow::Ahead => {
                if self.position.is_same_message(row) {
                    self.own_row = OwnRow::Passed;
                }
                true
            }
            OwnRow::Passed => false,
        }
    }
}
