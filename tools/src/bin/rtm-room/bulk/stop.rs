//! Ctrl-C: the first waits for the calls in flight, the second does not.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, bounded};

use super::progress::Progress;
use crate::failure::INTERRUPTED;

/// What the thread that runs the rows and the one that takes the signal tell each other.
pub(super) struct Stop {
    is_wanted: Arc<AtomicBool>,
    /// Gets a message at the first signal, to end a wait.
    pub(super) signal: Receiver<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The first line whose row has not ended.
    unfinished_line: AtomicU64,
    in_flight: AtomicUsize,
}

impl Stop {
    pub(super) fn listen(start_line: u64, progress: Progress) -> io::Result<Stop> {
        let (sender, signal) = bounded(1);
        let stop = Stop { is_wanted: Arc::default(), signal, shared: Arc::default() };
        stop.publish(start_line, None, 0);
        let (is_wanted, shared) = (Arc::clone(&stop.is_wanted), Arc::clone(&stop.shared));
        let on_signal = move || {
            if is_wanted.swap(true, Ordering::SeqCst) {
                stop_at_once(&shared, &progress);
            }
            let calls = shared.in_flight.load(Ordering::SeqCst);
            progress.say(format_args!("waiting for {calls} calls in flight; press Ctrl-C again to stop at once"));
            let _ = sender.try_send(());
        };
        ctrlc::set_handler(on_signal).map_err(io::Error::other)?;
        Ok(stop)
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }

    /// To be called whenever a row begins or ends.
    pub(super) fn publish(&self, next_line: u64, first_in_flight: Option<u64>, in_flight: usize) {
        self.shared.unfinished_line.store(first_in_flight.unwrap_or(next_line), Ordering::SeqCst);
        self.shared.in_flight.store(in_flight, Ordering::SeqCst);
    }
}

fn stop_at_once(shared: &Shared, progress: &Progress) -> ! {
    let line = shared.unfinished_line.load(Ordering::SeqCst);
    progress.finish();
    progress.say(format_args!(
        "stopped at once: what became of the rows from line {line} on is not known; go on with --start-line {line}"
    ));
    process::exit(i32::from(INTERRUPTED));
}
