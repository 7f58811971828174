//! Checks whether stdout was closed when the program was started, as by `rtm-room … >&-`.
//!
//! Rust's runtime replaces a closed stdout with /dev/null before `main`, so output is lost without an error. Afterwards
//! it looks like a /dev/null that the user chose: Python's `subprocess.DEVNULL` is also opened for reading and writing.
//! So the check runs before the runtime starts.

use crate::failure::Failure;

/// Fails if stdout was closed. Call this before doing anything whose result would be lost.
pub(crate) fn check_it_is_open() -> Result<(), Failure> {
    if was_closed() { Err(Failure::StdoutClosed) } else { Ok(()) }
}

#[cfg(unix)]
use unix::was_closed;

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, Ordering};

    static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

    /// Runs before `main`, where little of the standard library may be used: only one system call and one store.
    #[ctor::ctor]
    fn look_at_stdout() {
        let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
        WAS_CLOSED.store(is_closed, Ordering::Relaxed);
    }

    pub(super) fn was_closed() -> bool {
        WAS_CLOSED.load(Ordering::Relaxed)
    }
}

#[cfg(not(unix))]
fn was_closed() -> bool {
    false
}
