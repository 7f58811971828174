//! Helpers shared by the tests: a watchdog, a separate codec, and servers and proxies that misbehave on request.
//!
//! Each test file uses only some of them, hence `dead_code`.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod answering;
pub mod dead_ends;
pub mod fixtures;
pub mod golden_files;
pub mod lossy_network;
pub mod process;
pub mod proxy;
pub mod pushes;
pub mod pushing;
pub mod rooms;
pub mod scripted;
pub mod tally;
pub mod vector_answers;
pub mod vectors;
pub mod watchdog;
pub mod wire;

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use watchdog::waiting_for;

/// Far longer than anything takes that works, even on a loaded machine. Nobody waits this long for nothing: it is the
/// time after which a test counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// "At once", with room for a loaded machine. Where it is an upper bound, what is tested against it is much longer.
pub const SOON: Duration = Duration::from_secs(5);

/// Waits until `condition` holds; the test fails if it never does. For states that send no event.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let _note = waiting_for(what);
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it never came true that {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What comes out of `receiver`; the test fails if nothing does.
pub fn receive<T>(receiver: &Receiver<T>, what: &str) -> T {
    let _note = waiting_for(what);
    match receiver.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("{what} did not come"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what} can no longer come"),
    }
}
