//! How far a room's history is settled for each listener. Earlier messages are not delivered.
//!
//! For each listener, a room is settled up to one message, its boundary. Everything before that is older than the
//! subscription, was delivered, or was reported as a gap. Times may run backwards, so they cannot tell what comes
//! before the boundary. Only the boundary's own row can; its time counts only until that row is found.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::position::{OVERLAP_MS, Position, Row};
use crate::engine::ListenerId;

/// The messages up to which a room is settled, and for which listeners.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    boundaries: Vec<Boundary>,
    /// The index of each listener's boundary. Several listeners may share one.
    of_listeners: FxHashMap<ListenerId, usize>,
}

/// The last message that is settled for some listeners.
#[derive(Debug)]
struct Boundary {
    position: Position,
    own_row: OwnRow,
    /// Whether the row checked last is the boundary's own or comes before it.
    covers_row: bool,
}

/// How far the reading has come, relative to the boundary's own row.
#[derive(Debug, PartialEq, Eq)]
enum OwnRow {
    /// The row has not been found. The message may have been deleted, so its time decides.
    NotFound,
    /// The row was read, but not handed over yet.
    Ahead,
    Passed,
}

impl Settlement {
    /// Creates the settlement from each listener's boundary.
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

    /// The earliest time of a boundary.
    pub(super) fn earliest_time(&self) -> i64 {
        self.boundaries.iter().map(|boundary| boundary.position.mtime).min().unwrap_or(i64::MAX)
    }

    /// Looks for the boundaries among rows that were read but not handed over yet.
    pub(super) fn look_ahead(&mut self, rows: &VecDeque<Row>) {
        self.boundaries.iter_mut().for_each(|boundary| boundary.look_ahead(rows));
    }

    /// Whether later rows may decide whether the first of these are wanted.
    pub(super) fn needs_more_than(&self, rows: &VecDeque<Row>) -> bool {
        let may_come = |boundary: &Boundary| {
            let is_behind = |row: &Row| row.position.mtime > boundary.position.mtime.saturating_add(OVERLAP_MS);
            boundary.own_row == OwnRow::NotFound && !rows.back().is_some_and(is_behind)
        };
        self.boundaries.iter().any(may_come)
    }

    /// Removes the listeners for which the room is settled up to the next row, `row`.
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

    /// Whether the next row is the boundary's own or comes before it.
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
