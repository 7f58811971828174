//! The local gate over real sockets, seen by a peer that shares no code with it.

#![cfg(feature = "gate")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
#[allow(dead_code, reason = "the client's tests use the rest")]
#[path = "../common/wire.rs"]
mod codec;
mod codes;
mod connections;
mod lifetime;
mod listening;
mod messages;
mod methods;
mod wire;
