//! The progress bar on stderr, where that is a terminal.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::terminal_size_of;

use super::tally::Tally;
use crate::table::NARROW;

const BETWEEN_UPDATES: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    last_update: Instant,
    furthest: u64,
}

impl Progress {
    /// `total` is the length of the file in bytes; `None` for a pipe.
    pub(super) fn new(total: Option<u64>, is_wanted: bool) -> Progress {
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
        Progress { bar, started: now, last_update: now, furthest: 0 }
    }

    /// `end` is how far into the file the row reaches that was done last. Rows may end out of order.
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

    /// Writes a line to stderr without harm to the bar.
    pub(super) fn say(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "rtm-room: {message}");
        });
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
