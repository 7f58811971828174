//! Where callbacks run: on the client's threads, or in executors that mistreat their jobs.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rtm_server_sdk::ClientBuilder;

use crate::common::process::spawn;

type Job = Box<dyn FnOnce() + Send>;

/// Threads of an executor. They end with the client that hands them jobs.
pub type Workers = Vec<JoinHandle<()>>;

/// Sets up one of the ways to run callbacks.
pub fn install(builder: ClientBuilder, random: &mut fastrand::Rng) -> (ClientBuilder, Workers) {
    match random.u8(..4) {
        0 => (builder.callback_threads(1), Workers::new()),
        1 => (builder.callback_threads(3), Workers::new()),
        // A dropped job runs when it is dropped.
        2 => (builder.callback_executor(drop), Workers::new()),
        _ => delaying_and_reordering(builder, random.u64(..)),
    }
}

fn delaying_and_reordering(builder: ClientBuilder, seed: u64) -> (ClientBuilder, Workers) {
    let (sender, jobs): (Sender<Job>, _) = unbounded();
    let workers = (0..2).map(|number| {
        let jobs = jobs.clone();
        spawn("executor", move || run_in_disorder(&jobs, seed + number))
    });
    let workers = workers.collect();
    (builder.callback_executor(move |job| _ = sender.send(job)), workers)
}

/// Runs jobs late, in any order, or not at all, so that they run when dropped.
fn run_in_disorder(jobs: &Receiver<Job>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    while let Ok(first) = jobs.recv() {
        let mut batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(20)).collect();
        random.shuffle(&mut batch);
        std::thread::sleep(Duration::from_micros(random.u64(..2000)));
        for job in batch {
            if random.u8(..8) == 0 { drop(job) } else { job() }
        }
    }
}
