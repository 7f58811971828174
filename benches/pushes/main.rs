//! Pushes to listeners, compared with floors that read and answer the same pushes over a plain socket. One makes as
//! many messages of each push as there are listeners; the other looks only at the boundaries of the frames.
//!
//! `cargo bench --bench pushes`. The server runs in a separate process, so that its processor time is not counted. In
//! one variant it encodes each push, which then limits the floors; in the other it copies one. As in `against_floor`,
//! what is compared runs next to each other, round by round. `cargo bench --bench pushes -- eight` measures only the
//! listeners of that name, with pushes at full speed.

#[path = "../common/cpu.rs"]
mod cpu;
mod floor;
mod library;
mod measure;
mod server;

use std::time::Duration;

use floor::Floor;
use measure::{Phases, Times, median};
use server::{Encoding, Order, ServerProcess};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The room of the pushes.
const ROOM: i64 = 42;
/// The rate of pushes while calls are timed.
const BESIDE_CALLS: u32 = 50_000;
/// The rate of pushes while their delivery is timed.
const PACED: u32 = 10_000;

/// The amount to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    /// The number of pushes in a phase.
    pushes: u32,
    /// The length of a phase of calls.
    calls_for: Duration,
}

impl Effort {
    /// `cargo test` also starts benches, without arguments, only to see that they run.
    fn of_this_run() -> Effort {
        if std::env::args().len() == 1 {
            return Effort { rounds: 1, pushes: 2_000, calls_for: Duration::from_millis(20) };
        }
        Effort { rounds: 7, pushes: 500_000, calls_for: Duration::from_millis(300) }
    }
}

/// Ways to receive pushes.
const WAYS: [(&str, library::Way); 4] = [
    ("one listener, blocking", library::Way { listeners: 1, is_blocking: true }),
    ("one listener, callback", library::Way { listeners: 1, is_blocking: false }),
    ("eight listeners, blocking", library::Way { listeners: 8, is_blocking: true }),
    ("eight listeners, callback", library::Way { listeners: 8, is_blocking: false }),
];

fn main() -> Outcome<()> {
    if let Some(order) = Order::of_this_process() {
        return server::serve(order);
    }
    let effort = Effort::of_this_run();
    if let Some(name) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        return throughput(effort, &name);
    }
    throughput(effort, "")?;
    way_to_the_handler(effort)?;
    calls_beside_pushes(effort)
}

/// Returns the ways whose name contains `part`.
fn throughput(effort: Effort, part: &str) -> Outcome<()> {
    for encoding in [Encoding::OfEach, Encoding::Copied] {
        throughput_of(effort, part, encoding)?;
    }
    println!("resident memory at the end: {} MiB\n", measure::resident_mib());
    Ok(())
}

fn throughput_of(effort: Effort, part: &str, encoding: Encoding) -> Outcome<()> {
    let server = ServerProcess::start(Order { pushes: effort.pushes, per_second: 0, encoding })?;
    let what = if encoding == Encoding::OfEach { "encodes each" } else { "copies one" };
    println!(
        "from a server that {what}, as fast as they come ({} a phase, median of {})\n",
        effort.pushes, effort.rounds
    );
    let names = ["", "pushes/s", "CPU of 1,000", "making floor", "CPU", "of it", "bare floor", "CPU", "of it"];
    let [name, rate, cpu, makes, makes_cpu, of_makes, bare, bare_cpu, of_bare] = names;
    println!("{name:<26}{rate:>10}{cpu:>14}{makes:>14}{makes_cpu:>9}{of_makes:>7}{bare:>12}{bare_cpu:>8}{of_bare:>7}");
    for (name, way) in WAYS.into_iter().filter(|(name, _)| name.contains(part)) {
        let (mut library, mut making, mut bare) = (Phases::default(), Phases::default(), Phases::default());
        for round in 0..effort.rounds {
            let floor = |floor| floor::receive(server.endpoint(), floor, effort.pushes, Times::OfAll);
            for turn in 0..3 {
                match (round + turn) % 3 {
                    0 => library.add(library::receive(server.endpoint(), way, effort.pushes, Times::OfAll)?),
                    1 => making.add(floor(Floor::Makes { messages: way.listeners })?),
                    _ => bare.add(floor(Floor::Bare)?),
                }
            }
        }
        let (rate, cpu) = (library.rate(), library.cpu());
        let (makes, makes_cpu, of_makes) = (making.rate(), making.cpu(), library.ratio_to(&making));
        let (bare_rate, bare_cpu, of_bare) = (bare.rate(), bare.cpu(), library.ratio_to(&bare));
        print!("{name:<26}{rate:>10.0}{cpu:>11.0} µs{makes:>14.0}{makes_cpu:>6.0} µs{of_makes:>7.2}");
        println!("{bare_rate:>12.0}{bare_cpu:>5.0} µs{of_bare:>7.2}");
    }
    println!();
    Ok(())
}

fn way_to_the_handler(effort: Effort) -> Outcome<()> {
    let pushes = effort.pushes.min(PACED * 2);
    let server = ServerProcess::start(Order { pushes, per_second: PACED, encoding: Encoding::OfEach })?;
    println!("from the server's write to the handler, at {PACED} pushes a second (p50, p99)\n");
    for (name, way) in WAYS {
        let library = library::receive(server.endpoint(), way, pushes, Times::OfEachPush)?;
        let floor = floor::receive(server.endpoint(), Floor::Bare, pushes, Times::OfEachPush)?;
        println!("{name:<28}{:>24}   floor {:>24}", library.ways(), floor.ways());
    }
    println!();
    Ok(())
}

fn calls_beside_pushes(effort: Effort) -> Outcome<()> {
    let server =
        ServerProcess::start(Order { pushes: u32::MAX, per_second: BESIDE_CALLS, encoding: Encoding::OfEach })?;
    let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // A call takes one of two times, depending on the core where it finds its server, so this needs many rounds.
    for _ in 0..3 * effort.rounds {
        let quiet = library::call_p50(server.endpoint(), false, effort.calls_for)?;
        let busy = library::call_p50(server.endpoint(), true, effort.calls_for)?;
        alone.push(quiet);
        beside.push(busy);
        ratios.push(busy / quiet);
    }
    println!("p50 of a blocking call, alone and beside {BESIDE_CALLS} pushes a second\n");
    println!("{:.1} µs, {:.1} µs: {:.2} times", median(&mut alone), median(&mut beside), median(&mut ratios));
    Ok(())
}
