//! `rtm-gate` as a test bench: its faults, and the service's rules on request.

#![cfg(unix)]

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::params;
use crate::serving::{Running, USUAL, finished, rtm_gate};
use crate::wire::{Peer, signed};

fn serving(options: &[&str]) -> (Running, Peer) {
    let gate = Running::start(rtm_gate(&[&USUAL[..], options].concat()));
    let peer = Peer::connect_to(&gate.endpoint);
    (gate, peer)
}

fn add(peer: &mut Peer, room: i64, user: i64) -> i64 {
    peer.call("addroommember", params! { "rid" => room, "uid" => user }).code()
}

#[test]
fn fault_applies_to_its_method_and_so_often() {
    let (_gate, mut peer) = serving(&["--fault", "addroommember:200010x3"]);
    assert_eq!(peer.call("getroommembers", params! { "rid" => 1 }).code(), 0);
    let codes: Vec<i64> = (0..5).map(|user| add(&mut peer, 1, user)).collect();
    assert_eq!(codes, [200_010, 200_010, 200_010, 0, 0]);
}

#[test]
fn connection_is_closed_on_request() {
    let (gate, mut peer) = serving(&["--fault", "addroommember:disconnectx1"]);
    peer.send(&crate::wire::quest(1, "addroommember", signed("addroommember", params! { "rid" => 1, "uid" => 2 })));
    assert_eq!(peer.wait_for_close(), 0);
    assert_eq!(add(&mut Peer::connect_to(&gate.endpoint), 1, 2), 0);
}

#[test]
fn all_other_quests_are_answered_late_after_the_faults() {
    let (_gate, mut peer) = serving(&["--delay", "200ms", "--fault", "addroommember:200010x1"]);
    assert_eq!(add(&mut peer, 1, 2), 200_010);
    let asked = Instant::now();
    assert_eq!(add(&mut peer, 1, 2), 0);
    assert!(asked.elapsed() >= Duration::from_millis(200), "{:?}", asked.elapsed());
}

#[test]
fn rules_of_the_service_are_kept_on_request() {
    let (_gate, mut peer) = serving(&["--single-room"]);
    assert_eq!([add(&mut peer, 1, 7), add(&mut peer, 2, 7)], [0, 0]);
    let members = peer.result("getroommembers", params! { "rid" => 1 });
    assert_eq!(members["uids"].as_array().unwrap().len(), 0, "entering a room leaves the one before");

    let (_gate, mut peer) = serving(&["--calls-per-second", "2"]);
    let codes: Vec<i64> = (0..100).map(|user| add(&mut peer, 1, user)).collect();
    assert!(codes[..2] == [0, 0] && codes.contains(&200_010), "{codes:?}");
}

#[test]
fn signature_is_accepted_twice_on_request() {
    for (options, second) in [(&[][..], 200_006), (&["--accept-repeated-signatures"], 0)] {
        let (_gate, mut peer) = serving(options);
        let params = signed("getroommembers", params! { "rid" => 1 });
        assert_eq!(peer.ask("getroommembers", params.clone()).code(), 0);
        assert_eq!(peer.ask("getroommembers", params).code(), second);
    }
}

#[test]
fn fault_that_makes_no_sense_is_status_2() {
    for fault in ["nonsense", ":200010", "addroommember:200010x0"] {
        let (status, _, stderr) = finished(&[&USUAL[..], &["--fault", fault]].concat());
        assert_eq!(status, Some(2), "{fault}: {stderr}");
    }
}

#[test]
fn level_of_the_log_comes_from_the_option_or_else_from_the_environment() {
    let logged = |options: &[&str]| {
        let mut command = rtm_gate(&[&USUAL[..], options].concat());
        command.env("RUST_LOG", "debug");
        let gate = Running::start(command);
        Peer::connect_to(&gate.endpoint).result("getroommembers", params! { "rid" => 1 });
        gate.end(Signal::SIGTERM).2
    };
    assert_ne!(logged(&[]), "");
    assert_eq!(logged(&["--log", "error"]), "");
}
