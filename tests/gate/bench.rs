//! The gate as a test bench: its faults, and the rules that it follows on request.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rtm_server_sdk::ErrorCode;
use rtm_server_sdk::gate::{Fault, Gate, GateBuilder};

use crate::codec::TWO_WAY;
use crate::params;
use crate::wire::{Peer, SECRET, WATCHDOG, gate, packet, quest, signed, wait_until};

const LIMITED: ErrorCode = ErrorCode::RTM_EC_FREQUENCY_LIMITED;

fn built(configure: impl FnOnce(GateBuilder) -> GateBuilder) -> (Gate, Peer) {
    let gate = configure(Gate::builder().project(80_000_001, SECRET)).bind("127.0.0.1:0").unwrap();
    let peer = Peer::connect(&gate);
    (gate, peer)
}

#[test]
fn injected_answer_replaces_the_calls_own() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::answer(LIMITED, "slow down").on("addroommember").times(2));
    gate.inject(Fault::answer(ErrorCode::FPNN_EC_CORE_SERVER_STOPPING, "bye").times(1));
    let member = || params! { "rid" => 1, "uid" => 2 };
    let answer = peer.call("addroommember", member());
    assert_eq!((answer.code(), &answer.payload["ex"]), (200_010, &"slow down".into()));
    let codes = ["getroominfo", "addroommember", "addroommember"].map(|method| peer.call(method, member()).code());
    assert_eq!(codes, [20_014, 200_010, 0]);
    assert_eq!(gate.stats().executed("addroommember"), 1);
}

#[test]
fn fault_applies_before_the_signature_and_to_methods_that_the_gate_does_not_know() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::answer(LIMITED, "x"));
    for method in ["somethingnew", "getroominfo", "*ping"] {
        assert_eq!(peer.ask(method, vec![]).code(), 200_010);
    }
    gate.clear_faults();
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
}

#[test]
fn late_answer_is_overtaken_and_sent_when_due() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::delay(Duration::from_secs(3600)).on("addroommember"));
    gate.inject(Fault::delay(Duration::from_secs(1800)).on("getroominfo"));
    peer.send(&quest(90, "addroommember", signed("addroommember", params! { "rid" => 1, "uid" => 2 })));
    peer.send(&quest(91, "getroominfo", signed("getroominfo", params! { "rid" => 1 })));
    let members = peer.result("getroommembers", params! { "rid" => 1 });
    assert_eq!(members["uids"][0], 2.into(), "it is executed at once");
    gate.advance(Duration::from_secs(1800));
    assert_eq!(peer.receive().seq, 91);
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    gate.advance(Duration::from_secs(1800));
    assert_eq!(peer.receive().seq, 90);
}

#[test]
fn late_answer_is_sent_on_its_own_even_to_a_half_closed_peer() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let delay = Duration::from_millis(50);
    gate.inject(Fault::delay(delay).times(1));
    let start = Instant::now();
    peer.send(&quest(1, "*ping", vec![]));
    peer.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.receive().seq, 1);
    assert!(start.elapsed() >= delay);
    assert_eq!(peer.wait_for_close(), 0);
}

#[test]
fn silenced_quest_is_not_executed_and_others_are_answered() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::silence().on("addroommember").times(1));
    peer.send(&quest(90, "addroommember", signed("addroommember", params! { "rid" => 1, "uid" => 2 })));
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    assert_eq!(gate.stats().executed("addroommember"), 0);
}

#[test]
fn disconnect_delivers_earlier_answers_and_executes_nothing_more() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::disconnect().on("addroommember").times(1));
    let add = |seq| quest(seq, "addroommember", signed("addroommember", params! { "rid" => 1, "uid" => 2 }));
    peer.send(&[quest(1, "*ping", vec![]), add(2), add(3)].concat());
    assert_eq!(peer.receive().seq, 1);
    assert_eq!(peer.wait_for_close(), 0);
    assert_eq!(gate.stats().executed("addroommember"), 0);
    Peer::connect(&gate).result("addroommember", params! { "rid" => 1, "uid" => 2 });
}

#[test]
fn clock_that_is_moved_on_ends_bans_signatures_and_idle_connections() {
    let (gate, mut peer) = built(|builder| builder.idle_timeout(Duration::from_secs(600)));
    peer.result("addroomban", params! { "rid" => 1, "uid" => 7, "btime" => 100 });
    let is_banned = params! { "rid" => 1, "uid" => 7 };
    assert_eq!(peer.result("isbanofroom", is_banned)["ok"], true.into());
    gate.advance(Duration::from_secs(50));
    let ts = peer.ask("*ping", vec![]).payload["ts"].as_i64().unwrap();
    assert!(ts >= (crate::wire::unix_s() + 50) * 1000);
    gate.advance(Duration::from_secs(50));
    // The peer's own clock is now 100 s slow.
    assert_eq!(peer.call("isbanofroom", params! { "rid" => 1, "uid" => 7 }).code(), 200_008);
    // Whoever sends something in between gets the full time again.
    for _ in 0..2 {
        gate.advance(Duration::from_secs(400));
        assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    }
    gate.advance(Duration::from_secs(600));
    assert_eq!(gate.stats().connections_open, 0);
    assert_eq!(peer.wait_for_close(), 0);
}

#[test]
fn all_connections_are_cut_at_once_and_new_ones_taken() {
    let gate = gate();
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(&gate)).collect();
    for peer in &mut peers {
        assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    }
    gate.disconnect_all();
    assert_eq!(gate.stats().connections_open, 0);
    for mut peer in peers {
        assert_eq!(peer.wait_for_close(), 0);
    }
    assert_eq!(Peer::connect(&gate).ask("*ping", vec![]).code(), 0);
}

#[test]
fn paused_gate_accepts_connections_and_answers_once_resumed() {
    let gate = gate();
    let mut old = Peer::connect(&gate);
    assert_eq!(old.ask("*ping", vec![]).code(), 0);
    gate.pause();
    let mut new = Peer::connect(&gate);
    for peer in [&mut old, &mut new] {
        peer.send(&quest(90, "addroommember", signed("addroommember", params! { "rid" => 1, "uid" => 2 })));
    }
    wait_until(|| gate.stats().connections_open == 2);
    // Each command that has returned was a turn of the gate's thread, in which it could have served.
    (0..100).for_each(|_| gate.advance(Duration::ZERO));
    assert_eq!(gate.stats().executed("addroommember"), 0);
    gate.resume();
    assert_eq!([old.receive().seq, new.receive().seq], [90, 90]);
}

#[test]
fn answer_that_is_delayed_for_ever_does_not_come() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    gate.inject(Fault::delay(Duration::MAX).on("getroominfo"));
    peer.send(&quest(90, "getroominfo", signed("getroominfo", params! { "rid" => 1 })));
    assert_eq!(peer.ask("*ping", vec![]).code(), 0, "what comes first is the answer to the ping");
    gate.advance(Duration::from_secs(3600));
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
}

#[test]
fn gate_whose_clock_is_moved_to_the_limit_keeps_serving() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for seconds in (32..64).map(|bit| 1 << bit) {
        gate.advance(Duration::from_secs(seconds));
        assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    }
    gate.advance(Duration::MAX);
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
}

#[test]
fn paused_gate_can_be_dropped() {
    let gate = gate();
    gate.pause();
    drop(gate);
}

#[test]
fn calls_over_the_rate_are_200010_until_a_second_is_over() {
    let (gate, mut peer) = built(|builder| builder.calls_per_second(3));
    let call = |peer: &mut Peer| peer.call("getroominfo", params! { "rid" => 1 }).code();
    let calls: Vec<u8> =
        (1..=5).flat_map(|seq| quest(seq, "getroominfo", signed("getroominfo", params! { "rid" => 1 }))).collect();
    peer.send(&calls);
    let codes: Vec<i64> = (0..5).map(|_| peer.receive().code()).collect();
    assert_eq!(codes, [0, 0, 0, 200_010, 200_010]);
    assert_eq!(peer.ask("*ping", vec![]).code(), 0, "a ping is no call");
    gate.advance(Duration::from_secs(1));
    assert_eq!(call(&mut peer), 0);
}

#[test]
fn user_of_a_gate_with_single_rooms_leaves_one_for_the_next() {
    let (_gate, mut peer) = built(|builder| builder.single_room(true));
    for room in [1, 2] {
        peer.result("addroommember", params! { "rid" => room, "uid" => 7 });
    }
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 })["uids"].as_array().unwrap().len(), 0);
    let (_gate, mut peer) = built(|builder| builder);
    for room in [1, 2] {
        peer.result("addroommember", params! { "rid" => room, "uid" => 7 });
    }
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 })["uids"].as_array().unwrap().len(), 1);
}

#[test]
fn repeated_signature_is_accepted_if_configured() {
    let (_gate, mut peer) = built(|builder| builder.accept_repeated_signatures(true));
    let quest = signed("getroominfo", params! { "rid" => 1 });
    assert_eq!([quest.clone(), quest].map(|quest| peer.ask("getroominfo", quest).code()), [0, 0]);
}

#[test]
fn gate_with_nagles_algorithm_serves_all_the_same() {
    let (_gate, mut peer) = built(|builder| builder.nagle(true));
    for _ in 0..3 {
        peer.result("getroominfo", params! { "rid" => 1 });
    }
}

#[test]
fn incomplete_packets_use_bounded_memory_in_total() {
    const PEERS: usize = 40;
    const PART: usize = 7 * 1024 * 1024;
    let gate = gate();
    let mut good = Peer::connect(&gate);
    good.result("addroommember", params! { "rid" => 1, "uid" => 2 });
    let whole = packet(0x80, TWO_WAY, Some(1), "*ping", &vec![0; PART + 1]);
    let mut cut = 0;
    let peers: Vec<Peer> = (0..PEERS)
        .map(|_| {
            let mut peer = Peer::connect(&gate);
            // A peer that is cut off may notice before it has sent everything.
            cut += usize::from(peer.stream.write_all(&whole[..PART]).is_err());
            peer
        })
        .collect();
    // 128 MiB hold 18 of them.
    wait_until(|| gate.stats().connections_open <= 19);
    assert!(cut <= PEERS - 18);
    assert_eq!(good.ask("*ping", vec![]).code(), 0, "whoever holds little stays");
    drop(peers);
}

#[test]
fn connection_that_violated_the_protocol_is_cut_even_if_its_peer_stays() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.send(b"nonsense");
    assert_eq!(peer.wait_for_close(), 0);
    wait_until(|| gate.stats().connections_open == 0);
    // For the peer, only one direction of the stream has ended. The gate does not wait for the other forever.
    gate.advance(WATCHDOG);
    wait_until(|| peer.stream.try_clone().unwrap().write_all(b"more nonsense").is_err());
}
