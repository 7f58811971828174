//! Whether stdout was closed when the program was started, as by `rtm-room … >&-`.
//!
//! Rust's runtime opens /dev/null in place of a closed stdout before `main`, and what is printed there is lost without an
//! error. Afterwards it looks like a /dev/null that somebody chose: Python's `subprocess.DEVNULL` is opened for reading and
//! writing too. So the program looks before the runtime does.

use crate::failure::Failure;

/// Fails where stdout was closed. To be called before anything is done whose result would be lost.
pub(crate) fn check_it_is_open() -> Result<(), Failure> {
    if was_closed() { Err(Failure::StdoutClosed) } else { Ok(()) }
}

#[cfg(unix)]
use unix::was_closed;

#[cfg(unix)]
mod unix {
    use std::sync::atomic::{AtomicBool, Ordering};

    static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

    /// Runs before `main`, where little of the standard library may be used: one system call and one store.
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
