//! Many connections, few bytes, many bytes, no reader, and bad behaviour.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::gate::Gate;

use crate::params;
use crate::wire::{Peer, SECRET, gate, packet, payload, quest, signed, wait_until};

fn signed_quest(seq: u32, method: &str, params: crate::wire::Params) -> Vec<u8> {
    quest(seq, method, signed(method, params))
}

fn ask_for_info(seq: u32) -> Vec<u8> {
    signed_quest(seq, "getroominfo", params! { "rid" => 1 })
}

/// A gate and a peer. Room 1 has an info of `bytes` bytes.
fn gate_with_info(len: usize) -> (Gate, Peer) {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.result("setroominfo", params! { "rid" => 1, "oinfo" => "x".repeat(len) });
    (gate, peer)
}

/// Requests the info of room 1 repeatedly, on a separate thread.
fn ask_without_reading(peer: &Peer, asks: u32, and_then: &'static [u8]) -> thread::JoinHandle<()> {
    let mut writer = peer.stream.try_clone().unwrap();
    thread::spawn(move || {
        for seq in 0..asks {
            writer.write_all(&ask_for_info(seq)).unwrap();
        }
        _ = writer.write_all(and_then);
    })
}

/// Waits until the gate stops executing quests for a peer that reads no answers. Returns how many it has executed.
///
/// Another connection is served meanwhile, and its calls act as the clock: the gate has stopped when many of them have
/// passed without anything new.
fn wait_until_stuck(gate: &Gate) -> u64 {
    let mut other = Peer::connect(gate);
    let (mut executed, mut quiet_calls) = (0, 0);
    while quiet_calls < 500 {
        assert_eq!(other.ask("*ping", vec![]).code(), 0);
        let now = gate.stats().executed("getroominfo");
        quiet_calls = if now == executed && executed > 0 { quiet_calls + 1 } else { 0 };
        executed = now;
    }
    executed
}

/// Reads all answers to [`ask_without_reading`].
fn read_infos(peer: &mut Peer, asks: u32, len: usize) {
    for seq in 0..asks {
        let answer = peer.receive();
        assert_eq!((answer.seq, answer.payload["oinfo"].as_str().unwrap().len()), (seq, len));
    }
}

#[test]
fn pipelined_quests_are_all_answered() {
    const QUESTS: u32 = 20_000;
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let mut writer = peer.stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        for seq in 0..QUESTS {
            let params = params! { "rid" => seq % 7, "uid" => seq };
            writer.write_all(&signed_quest(seq, "addroommember", params)).unwrap();
        }
    });
    let mut seqs: Vec<u32> = (0..QUESTS)
        .map(|_| {
            let answer = peer.receive();
            assert_eq!(answer.code(), 0);
            answer.seq
        })
        .collect();
    sender.join().unwrap();
    seqs.sort_unstable();
    assert!(seqs.into_iter().eq(0..QUESTS));
    assert_eq!(gate.stats().executed("addroommember"), u64::from(QUESTS));
}

#[test]
fn quest_is_understood_however_it_is_cut() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    // Without a delay, most of these bytes travel alone.
    for byte in ask_for_info(1) {
        peer.send(&[byte]);
    }
    assert_eq!(peer.receive().code(), 0);
    // The end of one quest arrives with the beginning of the next. The pause in between is another connection's call.
    let both = || [2, 3].map(ask_for_info).concat();
    let len = both().len();
    for cut in [1, 11, 12, 13, 16, 20, len / 2 - 1, len / 2 + 1, len - 1] {
        let mut peer = Peer::connect(&gate);
        // Signed again, because no signature may be used twice.
        let both = both();
        peer.send(&both[..cut.min(both.len())]);
        Peer::connect(&gate).ask("*ping", vec![]);
        peer.send(&both[cut.min(both.len())..]);
        assert_eq!([peer.receive().seq, peer.receive().seq], [2, 3], "cut at {cut}");
    }
}

#[test]
fn broken_packet_closes_its_connection_and_no_other() {
    let gate = gate();
    let mut other = Peer::connect(&gate);
    let empty_map = payload(vec![]);
    let good = packet(0x80, 1, Some(1), "*ping", &empty_map);
    let with_byte = |index: usize, byte: u8| {
        let mut packet = good.clone();
        packet[index] = byte;
        packet
    };
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("magic", with_byte(0, b'f')),
        ("http", b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n".to_vec()),
        ("message type 3", with_byte(6, 3)),
        ("message type 255", with_byte(6, 255)),
        ("flag with neither", with_byte(5, 0x00)),
        ("flag with neither, zipped", with_byte(5, 0x20)),
        ("flag with both", with_byte(5, 0xc0)),
        ("size of 4 GiB", with_byte(11, 0xff)),
        ("no payload", packet(0x80, 1, Some(1), "*ping", b"")),
        ("nil", packet(0x80, 1, Some(1), "*ping", b"\xc0")),
        ("array", packet(0x80, 1, Some(1), "*ping", b"\x90")),
        ("truncated map", packet(0x80, 1, Some(1), "*ping", b"\x81\xa1a")),
        ("truncated string", packet(0x80, 1, Some(1), "*ping", b"\x81\xa1a\xa5abc")),
        ("huge map", packet(0x80, 1, Some(1), "*ping", b"\xdf\xff\xff\xff\xff")),
        ("key that is no string", packet(0x80, 1, Some(1), "*ping", b"\x81\x01\x01")),
        ("reserved byte", packet(0x80, 1, Some(1), "*ping", b"\x81\xa1a\xc1")),
        ("truncated one-way quest", packet(0x80, 0, None, "*ping", b"\x81\xa1a")),
        ("truncated unknown method", packet(0x80, 1, Some(1), "nonsense", b"\x81\xa1a")),
    ];
    for (name, bytes) in broken {
        let mut peer = Peer::connect(&gate);
        assert_eq!(peer.ask("*ping", vec![]).code(), 0);
        peer.send(&bytes);
        assert_eq!(peer.wait_for_close(), 0, "{name}");
        assert_eq!(other.ask("*ping", vec![]).code(), 0);
    }
    assert_eq!(gate.stats().connections_open, 1);
}

#[test]
fn deep_nesting_is_survived() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let mut bytes = b"\x81\xa1a".to_vec();
    bytes.resize(1_000_000, 0x91);
    peer.send(&packet(0x80, 1, Some(1), "*ping", &bytes));
    assert_eq!(peer.wait_for_close(), 0);
    assert_eq!(Peer::connect(&gate).ask("*ping", vec![]).code(), 0);
}

#[test]
fn answers_and_quests_before_a_broken_packet_count() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let answer = packet(0x80, 2, Some(5), "", &payload(vec![]));
    // An answer without a quest is ignored.
    peer.send(&[&answer[..], &signed_quest(6, "addroommember", params! { "rid" => 1, "uid" => 2 })].concat());
    assert_eq!(peer.receive().seq, 6);
    peer.send(b"nonsense");
    assert_eq!(peer.wait_for_close(), 0);
    assert_eq!(gate.stats().executed("addroommember"), 1);
}

#[test]
fn answers_before_a_broken_packet_arrive_even_if_they_exceed_the_socket() {
    const ASKS: u32 = 300;
    const INFO: usize = 60_000;
    let (gate, mut peer) = gate_with_info(INFO);
    // More than the gate reads at once, so that bytes are left in its socket when it has read enough.
    let sender = ask_without_reading(&peer, ASKS, &[b'x'; 1_000_000]);
    wait_until_stuck(&gate);
    read_infos(&mut peer, ASKS, INFO);
    assert_eq!(peer.wait_for_close(), 0);
    sender.join().unwrap();
}

/// A `*ping` of exactly `len` bytes.
fn ping_of(len: usize) -> Vec<u8> {
    let overhead = packet(0x80, 1, Some(1), "*ping", b"").len() + b"\x81\xa1x\xc6....".len();
    let filler = u32::try_from(len - overhead).unwrap();
    let mut bytes = b"\x81\xa1x\xc6".to_vec();
    bytes.extend(filler.to_be_bytes());
    bytes.resize(bytes.len() + filler as usize, 7);
    let packet = packet(0x80, 1, Some(1), "*ping", &bytes);
    assert_eq!(packet.len(), len);
    packet
}

#[test]
fn packet_of_8_mib_is_the_largest() {
    const LARGEST: usize = 8 * 1024 * 1024;
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.send(&ping_of(LARGEST));
    assert_eq!(peer.receive().code(), 0);
    // The header of a larger one suffices for a refusal, so the rest need not be sent.
    peer.send(&ping_of(LARGEST + 1)[..12]);
    assert_eq!(peer.wait_for_close(), 0);
}

#[test]
fn thousand_connections_are_served_at_once() {
    const PEERS: i64 = 1000;
    allow_open_files(4 * PEERS as u64);
    let gate = gate();
    let mut peers: Vec<Peer> = (0..PEERS).map(|_| Peer::connect(&gate)).collect();
    for round in 0..3 {
        for (uid, peer) in peers.iter_mut().enumerate() {
            peer.send(&signed_quest(round, "addroommember", params! { "rid" => round, "uid" => uid as i64 }));
        }
        for peer in &mut peers {
            let answer = peer.receive();
            assert_eq!((answer.seq, answer.code()), (round, 0));
        }
    }
    assert_eq!(gate.stats().connections_open, PEERS as u64);
    let mut first = peers.swap_remove(0);
    drop(peers);
    let counts = first.result("getroomcount", params! { "rids" => [0, 1, 2].map(rmpv::Value::from).to_vec() });
    for room in ["0", "1", "2"] {
        assert_eq!(counts["cn"][room], PEERS.into());
    }
    wait_until(|| gate.stats().connections_open == 1);
    assert_eq!(gate.stats().connections_accepted, PEERS as u64);
}

#[cfg(unix)]
fn allow_open_files(wanted: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).unwrap();
    }
}

#[cfg(not(unix))]
fn allow_open_files(_wanted: u64) {}

#[test]
fn quests_of_a_peer_that_does_not_read_are_not_executed() {
    const ASKS: u32 = 3000;
    const INFO: usize = 60_000;
    let (gate, mut peer) = gate_with_info(INFO);
    let sender = ask_without_reading(&peer, ASKS, b"");
    let executed = wait_until_stuck(&gate);
    // The kernel's buffers also hold several megabytes of answers.
    assert!(executed < u64::from(ASKS) / 3, "{executed} answers of {INFO} bytes were made for a peer that reads none");
    read_infos(&mut peer, ASKS, INFO);
    sender.join().unwrap();
}

/// Stops a loop on another thread, even if the test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn flood_on_one_connection_does_not_starve_another() {
    let gate = gate();
    let mut flood = Peer::connect(&gate).stream;
    // Refused one-way quests are less work to send than to check, so the gate never finishes them. They have no answers
    // that would make it wait for a reader.
    let mut params = signed("getroominfo", params! { "rid" => 1 });
    params[1].1 = "not the signature".into();
    let refused = packet(0x80, 0, None, "getroominfo", &payload(params)).repeat(1000);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let end = EndOnDrop(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                flood.write_all(&refused).unwrap();
            }
        });
        wait_until(|| gate.stats().refused > 10_000);
        let mut peer = Peer::connect(&gate);
        for uid in 0..10 {
            peer.result("addroommember", params! { "rid" => 1, "uid" => uid });
        }
        drop(end);
    });
}

#[test]
fn half_closed_peer_still_gets_its_answers() {
    const ASKS: u32 = 500;
    let (gate, mut peer) = gate_with_info(20_000);
    let asks: Vec<u8> = (0..ASKS).flat_map(ask_for_info).collect();
    peer.send(&asks);
    peer.stream.shutdown(Shutdown::Write).unwrap();
    for seq in 0..ASKS {
        assert_eq!(peer.receive().seq, seq);
    }
    assert_eq!(peer.wait_for_close(), 0);
    wait_until(|| gate.stats().connections_open == 0);
}

#[test]
fn idle_connection_is_closed_if_configured() {
    let timeout = Duration::from_millis(200);
    let gate = Gate::builder().project(80_000_001, SECRET).idle_timeout(timeout).bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let mut peer = Peer::connect(&gate);
    assert_eq!(peer.wait_for_close(), 0);
    assert!(start.elapsed() >= timeout);
    wait_until(|| gate.stats().connections_open == 0);
}
