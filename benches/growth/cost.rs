//! The cost of a call next to few and many others in flight.

use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Error, Pending, RoomInfo};

use super::cpu::cpu_time;
use super::{Outcome, ServerProcess};

/// The calls that stay in flight while others come and go.
const IN_FLIGHT: [usize; 3] = [10, 1_000, 60_000];
const LONG: Duration = Duration::from_secs(3600);
/// Submitted calls come in batches of this many.
const BATCH: usize = 100;

/// Prints what a call costs, in processor time of the client.
pub fn measure(is_smoke_test: bool) -> Outcome<()> {
    let (rounds, calls) = if is_smoke_test { (1, 200) } else { (11, 20_000) };
    let server = ServerProcess::start()?;
    let mut clients = Vec::new();
    for in_flight in IN_FLIGHT {
        let client = server.client().connect()?;
        let kept: Vec<_> = (0..in_flight).map(|_| client.is_ban_of_room(1, 1).timeout(LONG).submit()).collect();
        clients.push((in_flight, client, kept, Vec::new(), Vec::new()));
    }
    for round in 0..=rounds {
        for (_, client, _, one_by_one, batches) in &mut clients {
            let figures = (cost_of(calls, || call(client, calls))?, cost_of(calls, || submit(client, calls))?);
            // The first round warms up.
            if round > 0 {
                one_by_one.push(figures.0);
                batches.push(figures.1);
            }
        }
    }
    println!(
        "\nA call beside others in flight: {rounds} rounds of {calls} calls. Goal: within 20 % of the first line."
    );
    println!("Processor time of the client per 1,000 calls, and the clock's; median, and least of all rounds.\n");
    println!("| in flight | blocking: CPU | time | batches of {BATCH}: CPU | time |");
    println!("| --- | --- | --- | --- | --- |");
    for (in_flight, client, kept, one_by_one, batches) in clients {
        if client.stats().in_flight != kept.len() as u64 {
            return Err("calls that were to stay in flight have ended".into());
        }
        println!("| {in_flight} | {} | {} |", summary(one_by_one), summary(batches));
    }
    Ok(())
}

/// Processor time and wall-clock time.
type Cost = (Duration, Duration);

fn cost_of(calls: usize, work: impl FnOnce() -> Result<(), Error>) -> Result<Cost, Error> {
    let (cpu, begin) = (cpu_time(), Instant::now());
    work()?;
    let per_1000 = |time: Duration| time * 1000 / calls as u32;
    Ok((per_1000(cpu_time().saturating_sub(cpu)), per_1000(begin.elapsed())))
}

fn call(client: &Client, calls: usize) -> Result<(), Error> {
    (0..calls).try_for_each(|_| client.get_room_info(42).call().map(drop))
}

fn submit(client: &Client, calls: usize) -> Result<(), Error> {
    for _ in 0..calls / BATCH {
        let batch: Vec<Pending<RoomInfo>> = (0..BATCH).map(|_| client.get_room_info(42).submit()).collect();
        batch.into_iter().try_for_each(|pending| pending.wait().map(drop))?;
    }
    Ok(())
}

/// Noise only ever adds time, so the minimum is useful next to the median.
fn summary(costs: Vec<Cost>) -> String {
    let (cpu, wall): (Vec<_>, Vec<_>) = costs.into_iter().unzip();
    let cell = |mut times: Vec<Duration>| {
        times.sort_unstable();
        let millis = |at: usize| times[at].as_secs_f64() * 1e3;
        format!("{:.2} ms, {:.2} ms", millis(times.len() / 2), millis(0))
    };
    format!("{} | {}", cell(cpu), cell(wall))
}
