//! If polling fails, calls in flight end with the system's error. In its own file, because it depends on the
//! descriptors of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::os::fd::IntoRawFd;

use rtm_server_sdk::{Error, ReconnectPolicy};

use common::fixtures;
use common::scripted::ScriptedServer;
use common::watchdog::guarded;

/// The one poll of this process.
fn poll_descriptor() -> i32 {
    let is_poll =
        |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|path| path.ends_with("anon_inode:[eventpoll]"));
    let mut polls = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok).filter(is_poll);
    let poll = polls.next().expect("the client polls");
    assert!(polls.next().is_none(), "somebody else polls too");
    poll.file_name().to_str().unwrap().parse().unwrap()
}

/// Replaces the poll with another file, which cannot be polled.
fn break_poll() {
    let descriptor = poll_descriptor();
    nix::unistd::close(descriptor).unwrap();
    // The lowest free number is assigned first. The poll's owner closes it.
    assert_eq!(fs::File::open("/dev/null").unwrap().into_raw_fd(), descriptor);
}

#[test]
fn failing_poll_ends_calls_as_a_system_error() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap();
        let pending = client.add_room_member(1, 1).submit();
        let connection = server.accept();
        connection.next();
        break_poll();
        // Wakes the thread from its current poll; the next one fails.
        let later = client.add_room_member(1, 2).submit();
        let error = pending.wait().unwrap_err();
        assert!(matches!(error, Error::System(_)), "{error:?}");
        assert!(error.may_have_executed(), "the server has seen it");
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.and_then(std::io::Error::raw_os_error), Some(nix::libc::EINVAL));
        // It was accepted before the failure, or came too late.
        assert!(matches!(later.wait(), Err(Error::System(_) | Error::Closed(_))));
        assert!(!client.is_connected());
        assert!(matches!(client.add_room_member(1, 3).call(), Err(Error::Closed(_))));
    });
}
