//! A server with Nagle's algorithm holds back its last small answer until the previous one is acknowledged, which Linux
//! delays by 40 ms. The client prevents that.
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

/// For a while, a new connection acknowledges at once in any case.
const WARM_UP: usize = 30;
const ROUNDS: usize = 21;
const TRIES: usize = 10;
/// The least amount for which Linux delays an acknowledgement.
const HELD_BACK: Duration = Duration::from_millis(40);

#[test]
fn answers_of_a_server_with_nagles_algorithm_are_not_held_back() {
    guarded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        // Answers two calls at a time, with one write each.
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
        // A systematic delay affects every round; a busy machine only some.
        assert!((0..TRIES).any(|_| most_are_quick(ROUNDS)), "most answers were held back");
        drop(client);
        server.join().unwrap();
    });
}
