//! The local gate over real sockets, seen by a peer that shares no code with it.

#![cfg(feature = "gate")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod codes;
mod connections;
mod lifetime;
mod methods;
mod wire;
