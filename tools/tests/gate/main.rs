//! The program `rtm-gate`, run as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "the library's tests use the rest")]
#[path = "../../../tests/common/wire.rs"]
mod codec;
mod faults;
#[cfg(feature = "encryption")]
mod keys;
mod serving;
#[allow(dead_code, reason = "the library's tests use the rest")]
#[path = "../../../tests/gate/wire.rs"]
mod wire;
