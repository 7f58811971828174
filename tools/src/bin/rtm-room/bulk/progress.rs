//! The output of a run on stderr: its progress, if that is a terminal, and its failures.

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use terminal_size::terminal_size_of;

use super::tally::Tally;
use crate::output::Output;
use crate::stderr::{tell_error, tell_note};
use crate::table::NARROW;

const BETWEEN_UPDATES: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
    output: Output,
    started: Instant,
    last_update: Instant,
    furthest: u64,
}

impl Progress {
    /// `total` is the length of the file in bytes; `None` for a pipe.
    pub(super) fn new(total: Option<u64>, is_wanted: bool, output: Output) -> Progress {
        let target = if is_wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let is_narrow = terminal_size_of(io::stderr()).is_some_and(|(width, _)| usize::from(width.0) < NARROW);
        let template = match total {
            Some(_) if is_narrow => "{percent:>3}%  {msg}",
            Some(_) => "{wide_bar} {percent:>3}%  {msg}  {eta} left",
            None => "{spinner} {msg}  {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, target).with_style(style);
        let now = Instant::now();
        Progress { bar, output, started: now, last_update: now, furthest: 0 }
    }

    /// `end` is the position in the file where the row done last ends. Rows may end out of order.
    pub(super) fn update(&mut self, end: u64, tally: &Tally) {
        self.furthest = self.furthest.max(end);
        if self.bar.is_hidden() || self.last_update.elapsed() < BETWEEN_UPDATES {
            return;
        }
        self.last_update = Instant::now();
        let rate = tally.rows() as f64 / self.started.elapsed().as_secs_f64();
        let (rows, failed) = (HumanCount(tally.rows()), HumanCount(tally.failed()));
        self.bar.set_message(format!("{rows} rows  {}/s  {failed} failed", HumanCount(rate as u64)));
        self.bar.set_position(self.furthest);
    }

    /// Prints a note without damaging the progress bar.
    pub(super) fn note(&self, message: impl Display) {
        self.bar.suspend(|| tell_note(self.output, message));
    }

    /// Prints a failure. `details` is an object with further details for programs.
    pub(super) fn error(&self, message: impl Display, details: Value) {
        self.bar.suspend(|| tell_error(self.output, message, details));
    }

    /// Whether the output is for a program.
    pub(super) fn is_for_programs(&self) -> bool {
        matches!(self.output, Output::Json)
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
