//! The program `rtm-gate`, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[cfg(feature = "encryption")]
mod keys;
mod serving;
#[allow(dead_code, reason = "the library's tests of the gate use the rest")]
#[path = "../../../tests/gate/wire.rs"]
mod wire;
