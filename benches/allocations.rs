//! How often a call allocates, on which thread.
//!
//! `cargo bench --features metrics,serde --bench allocations`. Counts allocations, and moves of an allocation to a
//! larger place, but not deallocations. Goals: at most 3 per call on the calling thread, at most 1 on the I/O thread.

#[path = "common/server.rs"]
mod server;
#[path = "common/threads.rs"]
mod threads;

use std::error::Error;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::Client;
use tracking_allocator::{AllocationGroupId, AllocationRegistry, AllocationTracker, Allocator};

/// How many calls are in flight, if more than one.
const WINDOW: usize = 100;

#[global_allocator]
static ALLOCATOR: Allocator<std::alloc::System> = Allocator::system();

/// The kinds of threads.
static THREADS: [Counted; 3] = [const { Counted::new() }; 3];
static OTHERS: Counted = Counted::new();
const NAMES: [&str; 3] = ["calling thread", "rtm-io", "rtm-callback"];

/// A thread's allocations so far.
struct Counted {
    thread: AtomicU32,
    allocations: AtomicU64,
    bytes: AtomicU64,
}

impl Counted {
    const fn new() -> Counted {
        Counted { thread: AtomicU32::new(0), allocations: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    fn read(&self) -> [u64; 2] {
        [self.allocations.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst)]
    }
}

struct ByThread;

impl AllocationTracker for ByThread {
    fn allocated(&self, _: usize, size: usize, _: usize, _: AllocationGroupId) {
        // Asking the system for the current thread allocates nothing.
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let of_thread = THREADS.iter().find(|counted| counted.thread.load(Ordering::Relaxed) == thread);
        let counted = of_thread.unwrap_or(&OTHERS);
        counted.allocations.fetch_add(1, Ordering::SeqCst);
        counted.bytes.fetch_add(size as u64, Ordering::SeqCst);
    }

    fn deallocated(&self, _: usize, _: usize, _: usize, _: AllocationGroupId, _: AllocationGroupId) {}
}

/// The types of the call by name.
#[cfg(feature = "serde")]
mod by_name {
    #[derive(serde::Serialize)]
    pub struct Room {
        pub rid: i64,
    }

    #[derive(serde::Deserialize)]
    #[allow(dead_code, reason = "it is read to be dropped")]
    pub struct Infos {
        oinfo: Option<String>,
        pinfo: Option<String>,
    }
}

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    // `cargo test` also starts benches, without arguments, only to see that they run.
    let calls = if std::env::args().len() > 1 { 50_000 } else { 500 };
    AllocationRegistry::set_global_tracker(ByThread)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = listener.local_addr()?.to_string();
    thread::spawn(move || server::serve(&listener));
    let client = connect(endpoint.as_str())?;
    name_threads()?;
    println!(
        "Allocations a call, and their bytes, of {calls} calls each. Goals: calling thread ≤ 3, I/O thread ≤ 1.\n"
    );
    println!("A room info has two strings, which are the caller's: two of the allocations.\n");
    println!("| way | {} | other threads |\n| --- | --- | --- | --- | --- |", NAMES.join(" | "));
    count("get_room_info, call", calls, |count| {
        (0..count).try_for_each(|_| client.get_room_info(42).call().map(drop)).map_err(Into::into)
    })?;
    #[cfg(feature = "serde")]
    count("getroominfo by name, call", calls, |count| {
        let infos = || client.quest::<by_name::Infos>("getroominfo", &by_name::Room { rid: 42 });
        (0..count).try_for_each(|_| infos().call().map(drop)).map_err(Into::into)
    })?;
    count("send_room_chat, call", calls, |count| {
        (0..count)
            .try_for_each(|_| client.send_room_chat(42, 1001, "Good morning!").call().map(drop))
            .map_err(Into::into)
    })?;
    count("get_room_info, submit, 1 at a time", calls, |count| {
        (0..count).try_for_each(|_| client.get_room_info(42).submit().wait().map(drop)).map_err(Into::into)
    })?;
    count("get_room_info, submit, 100 at a time", calls, |count| {
        let mut pendings = Vec::with_capacity(WINDOW);
        for _ in 0..count / WINDOW {
            pendings.extend((0..WINDOW).map(|_| client.get_room_info(42).submit()));
            pendings.drain(..).try_for_each(|pending| pending.wait().map(drop))?;
        }
        Ok(())
    })?;
    count("get_room_info, callback, 1 at a time", calls, |count| call_back(&client, count, 1))?;
    count("get_room_info, callback, 100 at a time", calls, |count| call_back(&client, count, WINDOW))?;
    count("add_room_member, call", calls, |count| {
        (0..count).try_for_each(|_| client.add_room_member(42, 1001).call()).map_err(Into::into)
    })?;
    count("add_room_member, submit, 1 at a time", calls, |count| {
        (0..count).try_for_each(|_| client.add_room_member(42, 1001).submit().wait()).map_err(Into::into)
    })?;
    drop(client);
    #[cfg(feature = "metrics")]
    count_with_recorder(endpoint, calls)?;
    Ok(())
}

/// All rows before these belong to a client without a recorder.
#[cfg(feature = "metrics")]
fn count_with_recorder(endpoint: String, calls: usize) -> Outcome {
    let _metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let client = connect(endpoint)?;
    name_threads()?;
    count("get_room_info, call, with a recorder of metrics", calls, |count| {
        (0..count).try_for_each(|_| client.get_room_info(42).call().map(drop)).map_err(Into::into)
    })
}

fn connect(endpoint: impl Into<String>) -> Result<Client, rtm_server_sdk::Error> {
    Client::builder(80_000_001, "a secret for benches", endpoint).connect()
}

/// Callbacks that report to the caller over a channel with space for all of them, which allocates nothing.
fn call_back(client: &Client, count: usize, window: usize) -> Outcome {
    let (done, is_done) = mpsc::sync_channel(window);
    for _ in 0..count / window {
        for _ in 0..window {
            let done = done.clone();
            client.get_room_info(42).callback(move |info| {
                let _ = done.send(info.map(drop));
            });
        }
        for _ in 0..window {
            is_done.recv()??;
        }
    }
    Ok(())
}

/// Makes some calls that are not counted, then those that are.
fn count(name: &str, calls: usize, make: impl Fn(usize) -> Outcome) -> Outcome {
    make(calls / 10)?;
    let before = figures();
    AllocationRegistry::enable_tracking();
    let made = make(calls);
    AllocationRegistry::disable_tracking();
    made?;
    let cells = figures().into_iter().zip(before).map(|(after, before)| {
        let a_call = |at: usize| (after[at] - before[at]) as f64 / calls as f64;
        format!("{:.3} ({:.0} B)", a_call(0), a_call(1))
    });
    println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    Ok(())
}

fn figures() -> Vec<[u64; 2]> {
    THREADS.iter().chain([&OTHERS]).map(Counted::read).collect()
}

/// Determines the kinds of the threads. A thread sets its name a moment after it starts.
fn name_threads() -> Outcome {
    let caller = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    THREADS[0].thread.store(caller, Ordering::SeqCst);
    let patience = Instant::now() + Duration::from_secs(10);
    for (counted, name) in THREADS.iter().zip(NAMES).skip(1) {
        let id = loop {
            match threads::threads_named(name)?.first() {
                Some(id) => break *id,
                None if Instant::now() > patience => return Err(format!("there is no thread {name}").into()),
                None => thread::yield_now(),
            }
        };
        counted.thread.store(id, Ordering::SeqCst);
    }
    Ok(())
}
