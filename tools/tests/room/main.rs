//! The command line tool `rtm-room`, run as its users run it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bulk;
mod commands;
mod documented;
mod fake;
mod faults;
mod tool;
