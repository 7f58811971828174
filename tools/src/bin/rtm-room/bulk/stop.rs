//! Ctrl-C: the first waits for the calls in flight, the second does not.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, bounded};
use serde_json::json;

use super::progress::Progress;
use crate::failure::INTERRUPTED;
use crate::signals::on_stop_signal;

/// The state shared by the thread that runs the rows and the one that handles the signal.
pub(super) struct Stop {
    /// Gets a message at the first signal, to end a wait.
    pub(super) signal: Receiver<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_wanted: AtomicBool,
    /// Whether rows are being run. Before that, a signal need not wait.
    is_running: AtomicBool,
    /// The first line whose row has not ended.
    unfinished_line: AtomicU64,
    in_flight: AtomicUsize,
}

impl Stop {
    pub(super) fn listen(start_line: u64, progress: Progress) -> io::Result<Stop> {
        let (sender, signal) = bounded(1);
        let stop = Stop { signal, shared: Arc::default() };
        stop.publish(start_line, None, 0);
        let shared = Arc::clone(&stop.shared);
        on_stop_signal(move || {
            if !shared.is_running.load(Ordering::SeqCst) {
                progress.error("stopped before the first row", json!({}));
                leave(&progress);
            }
            if shared.is_wanted.swap(true, Ordering::SeqCst) {
                let line = shared.unfinished_line.load(Ordering::SeqCst);
                progress.error(
                    format_args!(
                        "stopped at once: what became of the rows from line {line} on is not known; \
                         go on with --start-line {line}"
                    ),
                    json!({"next_line": line}),
                );
                leave(&progress);
            }
            let calls = shared.in_flight.load(Ordering::SeqCst);
            let noun = if calls == 1 { "call" } else { "calls" };
            progress.note(format_args!("waiting for {calls} {noun} in flight; press Ctrl-C again to stop at once"));
            let _ = sender.try_send(());
        })?;
        Ok(stop)
    }

    /// Call this before the first row.
    pub(super) fn begin(&self) {
        self.shared.is_running.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.shared.is_wanted.load(Ordering::SeqCst)
    }

    /// Call this whenever a row begins or ends.
    pub(super) fn publish(&self, next_line: u64, first_in_flight: Option<u64>, in_flight: usize) {
        self.shared.unfinished_line.store(first_in_flight.unwrap_or(next_line), Ordering::SeqCst);
        self.shared.in_flight.store(in_flight, Ordering::SeqCst);
    }
}

fn leave(progress: &Progress) -> ! {
    progress.finish();
    process::exit(i32::from(INTERRUPTED));
}
