//! The library: listeners that block, listeners with handlers, and calls next to them.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Listen, Listener, Push};

use super::measure::{Sample, Stopwatch, Times, Ways, median};
use super::{Outcome, ROOM};

/// How pushes are taken.
#[derive(Clone, Copy)]
pub struct Way {
    pub listeners: usize,
    pub is_blocking: bool,
}

/// What one listener has seen: its start, and how long the pushes took.
type Seen = (Option<Stopwatch>, Ways);

/// Receives `pushes` pushes with every listener. The sample begins with the first push and ends when the last listener has
/// its last one.
pub fn receive(endpoint: &str, way: Way, pushes: u32, times: Times) -> Outcome<Sample> {
    let client = Client::builder(80000001, "secret", endpoint).connect()?;
    let (done, all_done) = channel::<Seen>();
    let mut guards = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..way.listeners {
        // Large enough to lose nothing, however the threads are scheduled.
        let listening = client.listen(Listen::new().room(ROOM)).queue(pushes as usize + 1);
        let mut tally = Tally { left: pushes, seen: Some((None, Ways::new(times, pushes))), done: done.clone() };
        if way.is_blocking {
            let listener: Listener = listening.start()?;
            threads.push(std::thread::spawn(move || listener.iter().for_each(|push| tally.count(&push))));
        } else {
            guards.push(listening.callback(move |push| tally.count(&push))?);
        }
    }
    drop(done);
    let (mut watches, mut ways) = (Vec::new(), None);
    for _ in 0..way.listeners {
        let (watch, of_listener) = all_done.recv()?;
        watches.extend(watch);
        ways = Some(of_listener);
    }
    let first = watches.into_iter().min_by_key(Stopwatch::begun).ok_or("no push came")?;
    let sample = first.stop(pushes, ways.ok_or("nobody listened")?);
    client.close();
    threads.into_iter().for_each(|thread| _ = thread.join());
    drop(guards);
    Ok(sample)
}

struct Tally {
    left: u32,
    seen: Option<Seen>,
    done: Sender<Seen>,
}

impl Tally {
    fn count(&mut self, push: &Push) {
        let (Push::Message(message), Some((watch, ways))) = (push, &mut self.seen) else { return };
        watch.get_or_insert_with(Stopwatch::start);
        ways.record(message.mtime.unwrap_or_default());
        self.left -= 1;
        if self.left == 0 {
            let _ = self.seen.take().map(|seen| self.done.send(seen));
        }
    }
}

/// The p50 of a blocking call, in microseconds, for `time`; beside pushes that a handler takes, if wanted.
pub fn call_p50(endpoint: &str, beside_pushes: bool, time: Duration) -> Outcome<f64> {
    let client = Client::builder(80000001, "secret", endpoint).connect()?;
    let guard = match beside_pushes {
        true => Some(client.listen(Listen::new().room(ROOM)).callback(|_| {})?),
        false => None,
    };
    // The server waits a moment before it pushes.
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let mut calls = Vec::new();
    while begun.elapsed() < time {
        let call = Instant::now();
        client.get_room_info(ROOM).call()?;
        calls.push(call.elapsed().as_secs_f64() * 1e6);
    }
    let pushes = client.stats().pushes_received;
    drop(guard);
    if beside_pushes && (pushes as f64) < 0.5 * f64::from(super::BESIDE_CALLS) * time.as_secs_f64() {
        return Err(format!("only {pushes} pushes came beside the calls").into());
    }
    Ok(median(&mut calls))
}
