//! The signals that end a command in order: Ctrl-C, SIGTERM and SIGHUP, unless they were ignored from the start.

use std::io;

/// Runs `handler` on a thread of its own for each signal that asks the program to stop.
#[cfg(not(unix))]
pub(crate) fn on_stop_signal(handler: impl FnMut() + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(handler).map_err(io::Error::other)
}

/// Runs `handler` on a thread of its own for each signal that asks the program to stop.
#[cfg(unix)]
pub(crate) fn on_stop_signal(mut handler: impl FnMut() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let ignored = ignored_signals();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new()
        .name("rtm-room-stop".into())
        .spawn(move || signals.forever().for_each(|_| handler()))
        .map(drop)
}

/// The signals that this process was started with ignored, as `nohup` does with SIGHUP; a bit for each. Only Linux tells.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
