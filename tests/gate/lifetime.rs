//! The start and the end of a gate.

use std::thread;
use std::time::Instant;

use rtm_server_sdk::Error;
use rtm_server_sdk::gate::Gate;

use crate::params;
use crate::wire::{Peer, SECRET, WATCHDOG, gate};

#[test]
fn endpoint_is_the_real_port() {
    let gate = gate();
    assert_eq!(gate.endpoint(), gate.local_addr().to_string());
    assert!(gate.endpoint().starts_with("127.0.0.1:"));
    assert_ne!(gate.local_addr().port(), 0);
    assert_eq!(Peer::connect_to(gate.endpoint()).ask("*ping", vec![]).code(), 0);
}

#[test]
fn port_in_use_is_a_system_error() {
    let gate = gate();
    let error = Gate::builder().project(1, SECRET).bind(gate.endpoint()).unwrap_err();
    assert!(matches!(error, Error::System(_)));
    assert!(format!("{error:#}").starts_with(&format!("listening on {} failed: ", gate.endpoint())), "{error:#}");
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn dropped_gate_closes_its_connections_and_its_port() {
    let gate = gate();
    let endpoint = gate.endpoint().to_owned();
    let mut peers: Vec<Peer> = (0..50).map(|_| Peer::connect(&gate)).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    }
    drop(gate);
    for peer in &mut peers {
        assert_eq!(peer.wait_for_close(), 0);
    }
    assert!(std::net::TcpStream::connect(endpoint).is_err());
}

#[test]
fn dropped_gate_can_be_started_again_on_its_port_without_its_memory() {
    let mut gate = gate();
    let endpoint = gate.endpoint().to_owned();
    for _ in 0..5 {
        let mut peer = Peer::connect(&gate);
        peer.result("addroommember", params! { "rid" => 1, "uid" => 7 });
        let members = peer.result("getroommembers", params! { "rid" => 1 });
        assert_eq!(members["uids"].as_array().unwrap().len(), 1);
        // The gate's side closes first, which leaves the port in the state TIME_WAIT.
        drop(gate);
        assert_eq!(peer.wait_for_close(), 0);
        gate = Gate::builder().project(80_000_001, SECRET).bind(&*endpoint).unwrap();
        assert_eq!(gate.endpoint(), endpoint);
        let members = Peer::connect(&gate).result("getroommembers", params! { "rid" => 1 });
        assert_eq!(members["uids"].as_array().unwrap().len(), 0);
    }
}

#[test]
fn gate_is_dropped_at_once_under_load() {
    let gate = gate();
    let mut flood = Peer::connect(&gate);
    let pings: Vec<u8> = (0..1000).flat_map(|seq| crate::wire::quest(seq, "*ping", vec![])).collect();
    let flooding = thread::spawn(move || while std::io::Write::write_all(&mut flood.stream, &pings).is_ok() {});
    while gate.stats().executed("*ping") < 1000 {
        thread::yield_now();
    }
    let start = Instant::now();
    drop(gate);
    assert!(start.elapsed() < WATCHDOG / 4, "took {:?}", start.elapsed());
    flooding.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_gate_leaves_no_thread() {
    let gate = gate();
    let name = format!("rtm-gate-{}", gate.local_addr().port());
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        // A thread may end while the list is being read.
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.into_iter().any(|comm| comm.trim_end() == name)
    };
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < WATCHDOG, "the thread never got its name");
    }
    drop(gate);
    // The kernel may list a joined thread for another moment.
    while is_there() {
        assert!(start.elapsed() < WATCHDOG, "the thread is still there");
    }
}
