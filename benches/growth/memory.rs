//! The memory of calls in flight.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rtm_server_sdk::Client;

use super::usage::resident_bytes;
use super::{Outcome, ServerProcess, client};

/// As many as a client admits.
const CALLS: usize = 65_536;
const LONG: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints what so many calls in flight add: submitted ones, ones with callbacks, or submitted ones to a server that
/// never reads.
pub fn measure(way: &str) -> Outcome<()> {
    match way {
        "submit" => {
            let server = ServerProcess::start()?;
            measure_with(&server.client().connect()?, "submitted", true, submit)
        }
        "callback" => {
            let server = ServerProcess::start()?;
            measure_with(&server.client().connect()?, "with callbacks", true, |client, calls| {
                for _ in 0..calls {
                    client.is_ban_of_room(1, 1).timeout(LONG).callback(drop);
                }
            })
        }
        "unread" => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let client = client(&listener.local_addr()?.to_string()).connect()?;
            measure_with(&client, "submitted, to a server that never reads", false, submit)
        }
        _ => Err("which calls? submit, callback or unread".into()),
    }
}

fn submit(client: &Client, calls: usize) -> Vec<impl Sized + use<>> {
    (0..calls).map(|_| client.is_ban_of_room(1, 1).timeout(LONG).submit()).collect()
}

fn measure_with<K>(client: &Client, what: &str, all_leave: bool, make: impl Fn(&Client, usize) -> K) -> Outcome<()> {
    // What a first call initialises is not a cost of the others.
    let first = make(client, 1);
    wait_until_sent(client, if all_leave { 1 } else { 0 })?;
    let before = resident_bytes()?;
    let begin = Instant::now();
    let kept = make(client, CALLS - 1);
    if all_leave {
        wait_until_sent(client, CALLS as u64)?;
    }
    let took = begin.elapsed();
    let added = resident_bytes()?.saturating_sub(before);
    let in_flight = client.stats().in_flight;
    println!(
        "\n{in_flight} calls in flight, {what}: {:.1} MiB, {} bytes each (goal: ≤ 32 MiB); made in {took:.1?}",
        added as f64 / (1024.0 * 1024.0),
        added / in_flight.max(1),
    );
    if in_flight != CALLS as u64 {
        return Err(format!("{CALLS} calls were to be in flight").into());
    }
    drop((first, kept));
    Ok(())
}

/// Waits until this many calls have been written to the socket.
fn wait_until_sent(client: &Client, calls: u64) -> Outcome<()> {
    let patience = Instant::now() + PATIENCE;
    while client.stats().sent < calls {
        if Instant::now() > patience {
            return Err(format!("only {} of {calls} calls were sent", client.stats().sent).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
