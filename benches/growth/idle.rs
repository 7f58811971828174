//! The cost of a client that does nothing.

use std::thread;
use std::time::Duration;

use super::cpu::cpu_time;
use super::threads::threads_named;
use super::usage::{resident_bytes, switches};
use super::{Outcome, ServerProcess};

/// The timeout of the calls before a rest. If their deadlines woke anything after the calls have ended, it would be
/// during that rest.
const QUEST_TIMEOUT: Duration = Duration::from_secs(1);
const CALLS_BEFORE: usize = 1_000;
/// Calls with a pause between them, so that one timer could not handle several of their deadlines at once.
const CALLS_APART: usize = 200;
const APART: Duration = Duration::from_millis(4);

/// Prints what an idle client uses: one that never made a call, and one that made some.
pub fn measure(is_smoke_test: bool) -> Outcome<()> {
    let rest = if is_smoke_test { Duration::from_millis(50) } else { Duration::from_secs(4) };
    let server = ServerProcess::start()?;
    // What the first client of a process initialises is not a cost of the second.
    drop(server.client().connect()?);
    let before = resident_bytes()?;
    let client = server.client().quest_timeout(QUEST_TIMEOUT).connect()?;
    let added = resident_bytes()?.saturating_sub(before);
    println!("\nAn idle client, over {rest:.1?}. Goals: no processor time, no switches, less than 1 MiB.\n");
    println!("connected, no call yet: {} KiB, what its stacks use included", added / 1024);
    watch("connected, no call yet", rest)?;
    for _ in 0..CALLS_BEFORE {
        client.get_room_info(42).call()?;
    }
    let added = resident_bytes()?.saturating_sub(before);
    println!("after {CALLS_BEFORE} calls: {} KiB, what its stacks use included", added / 1024);
    watch(&format!("after {CALLS_BEFORE} calls of {QUEST_TIMEOUT:?} at most"), rest)?;
    watch("after that rest", rest)?;
    for _ in 0..CALLS_APART {
        client.get_room_info(42).call()?;
        thread::sleep(APART);
    }
    watch(&format!("after {CALLS_APART} calls, one every {APART:?}"), rest)
}

fn watch(what: &str, rest: Duration) -> Outcome<()> {
    let threads = [threads_named("rtm-io")?, threads_named("rtm-callback")?].concat();
    let (cpu, switched) = (cpu_time(), switches(&threads)?);
    thread::sleep(rest);
    let used = cpu_time().saturating_sub(cpu);
    let switched = switches(&threads)? - switched;
    println!("{what}: {switched} switches of the client's threads, {used:.0?} of processor time, this look included");
    Ok(())
}
