//! The library's ways to make the same call: blocking on several threads, submitted, with callbacks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Error, Pending, RoomInfo};

use super::measure::{Latencies, SAMPLED_EVERY, Sample, Stopwatch};
use super::{Outcome, ROOM};

/// `threads` threads that share one client and block for every answer.
pub fn blocking(client: &Client, threads: usize, time: Duration) -> Outcome<Sample> {
    if threads == 1 {
        let watch = Stopwatch::start(time);
        return Ok(watch.stop(call_until_over(client, &watch)?));
    }
    let (ready, go) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let watch = OnceLock::new();
    let in_thread = || {
        // A thread's first call allocates what the thread keeps.
        let first = client.get_room_info(ROOM).call();
        ready.wait();
        go.wait();
        first?;
        call_until_over(client, watch.get().ok_or("the phase has no watch")?)
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads).map(|_| scope.spawn(in_thread)).collect();
        ready.wait();
        let begun = watch.get_or_init(|| Stopwatch::start(time));
        go.wait();
        let mut latencies = Latencies::default();
        for caller in callers {
            match caller.join() {
                Ok(of_thread) => latencies.join(of_thread?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(begun.stop(latencies))
    })
}

fn call_until_over(client: &Client, watch: &Stopwatch) -> Outcome<Latencies> {
    let mut latencies = Latencies::default();
    while !watch.is_over() {
        let begin = Instant::now();
        client.get_room_info(ROOM).call()?;
        latencies.add(begin.elapsed());
    }
    Ok(latencies)
}

/// One thread that keeps `window` submitted calls in flight: it waits for the oldest, then submits another.
pub fn submitted(client: &Client, window: usize, time: Duration) -> Outcome<Sample> {
    let mut in_flight: VecDeque<(Pending<RoomInfo>, Option<Instant>)> = VecDeque::with_capacity(window);
    let mut latencies = Latencies::default();
    let mut wait_for_oldest = |oldest: Option<(Pending<RoomInfo>, Option<Instant>)>| -> Result<(), Error> {
        if let Some((pending, begin)) = oldest {
            pending.wait()?;
            latencies.count(begin.is_some(), || begin.map(|begin| begin.elapsed()).unwrap_or_default());
        }
        Ok(())
    };
    let watch = Stopwatch::start(time);
    for call in 0_u32.. {
        if watch.is_over() {
            break;
        }
        if in_flight.len() == window {
            wait_for_oldest(in_flight.pop_front())?;
        }
        in_flight.push_back((client.get_room_info(ROOM).submit(), is_timed(call, window).then(Instant::now)));
    }
    while !in_flight.is_empty() {
        wait_for_oldest(in_flight.pop_front())?;
    }
    Ok(watch.stop(latencies))
}

/// One thread that hands in callbacks, up to `window` at a time. Like the floor's writer, it goes on when half of them
/// have run.
pub fn with_callbacks(client: &Client, window: usize, time: Duration) -> Outcome<Sample> {
    let flight = Arc::new(Callbacks {
        low_water: window / 2,
        in_flight: AtomicUsize::new(0),
        caller: thread::current(),
        results: Mutex::new((Latencies::default(), None)),
    });
    let watch = Stopwatch::start(time);
    let mut call = 0_u32;
    while !watch.is_over() {
        flight.wait_until_left(flight.low_water);
        for _ in flight.in_flight.load(Ordering::SeqCst)..window {
            flight.in_flight.fetch_add(1, Ordering::SeqCst);
            let (begin, flight) = (is_timed(call, window).then(Instant::now), Arc::clone(&flight));
            client.get_room_info(ROOM).callback(move |info| flight.answered(info, begin));
            call = call.wrapping_add(1);
        }
    }
    flight.wait_until_left(0);
    let mut results = flight.results.lock().unwrap_or_else(PoisonError::into_inner);
    match results.1.take() {
        Some(error) => Err(error.into()),
        None => Ok(watch.stop(std::mem::take(&mut results.0))),
    }
}

/// The state shared by the caller and its callbacks.
struct Callbacks {
    low_water: usize,
    in_flight: AtomicUsize,
    caller: Thread,
    /// The figures, and the first failure.
    results: Mutex<(Latencies, Option<Error>)>,
}

impl Callbacks {
    fn wait_until_left(&self, calls: usize) {
        while self.in_flight.load(Ordering::SeqCst) > calls {
            thread::park();
        }
    }

    fn answered(&self, info: Result<RoomInfo, Error>, begin: Option<Instant>) {
        {
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            results.0.count(begin.is_some(), || begin.map(|begin| begin.elapsed()).unwrap_or_default());
            if let Err(error) = info {
                results.1.get_or_insert(error);
            }
        }
        let left = self.in_flight.fetch_sub(1, Ordering::SeqCst) - 1;
        if left == self.low_water || left == 0 {
            self.caller.unpark();
        }
    }
}

fn is_timed(call: u32, window: usize) -> bool {
    window == 1 || call % SAMPLED_EVERY == 0
}
