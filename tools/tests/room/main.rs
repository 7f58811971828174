//! The command line tool `rtm-room`, run as its users run it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bulk;
#[allow(dead_code, reason = "the library's tests use the rest")]
#[path = "../../../tests/common/wire.rs"]
mod codec;
mod commands;
mod completions;
mod conversation;
mod documented;
mod failures_as_json;
mod fake;
mod faults;
mod left_rows;
mod messages;
mod million;
mod pty;
mod quests;
mod retrying;
mod stopping;
mod terminal;
mod tool;
mod watching;
mod wording;
