//! A server that leaves Nagle's algorithm on keeps its last small answer until the one before is acknowledged, which Linux
//! puts off by 40 ms. The client does not let it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::fixtures;
use common::process::spawn;
use common::watchdog::guarded;
use common::wire::{self, Splitter};

/// A new connection acknowledges at once for a while, whatever anybody asks for.
const WARM_UP: usize = 30;
const ROUNDS: usize = 21;
const TRIES: usize = 10;
/// The least for which Linux puts off an acknowledgement.
const HELD_BACK: Duration = Duration::from_millis(40);

#[test]
fn answers_of_a_server_with_nagles_algorithm_are_not_held_back() {
    guarded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        // Answers two calls at a time, by a write each.
        let server = spawn("nagle", move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut splitter, mut buffer, mut quests) = (Splitter::default(), [0; 4096], Vec::new());
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(received) => splitter.push(&buffer[..received]),
                }
                quests.extend(std::iter::from_fn(|| splitter.next()));
                if quests.len() == 2 {
                    for quest in quests.drain(..) {
                        stream.write_all(&wire::answer(quest.seq(), &wire::map([]))).unwrap();
                    }
                }
            }
        });
        let client = fixtures::client(endpoint);
        let is_quick = || {
            let begin = Instant::now();
            let calls = [1, 2].map(|uid| client.add_room_member(1, uid).submit());
            calls.into_iter().for_each(|call| call.wait().unwrap());
            begin.elapsed() < HELD_BACK
        };
        let most_are_quick = |rounds: usize| (0..rounds).filter(|_| is_quick()).count() > rounds / 2;
        most_are_quick(WARM_UP);
        // What holds answers back does so in every round, and a loaded machine in some.
        assert!((0..TRIES).any(|_| most_are_quick(ROUNDS)), "most answers were held back");
        drop(client);
        server.join().unwrap();
    });
}
