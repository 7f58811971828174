//! A batch job: makes the users of a CSV file members of their rooms, with a window of calls in flight from one thread.
//!
//! ```sh
//! cargo run --features gate --example batch_job -- --window 64 --timeout-ms 500 members.csv
//! ```
//!
//! The file has two columns, room and user, and may begin with the line `room,user`. Without a file the job generates
//! rows. Exit status: 0 if every row was done, 1 if some failed, 2 if the job could not start.

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod rows;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rtm_server_sdk::{Client, Error, Pending, Retry};

use failures::Failures;
use rows::Row;

/// Makes the users of a CSV file members of their rooms.
#[derive(Parser)]
struct Options {
    /// A CSV file with two columns, room and user. Without it the job generates rows
    file: Option<PathBuf>,
    /// How many rows to generate if there is no file
    #[arg(long, default_value_t = 1000)]
    rows: u32,
    /// How many calls to keep in flight
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// The timeout of each call, in milliseconds
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// How long to retry failed calls, in seconds
    #[arg(long, default_value_t = 60)]
    retry_for: u64,
}

impl Options {
    fn retry_for(&self) -> Duration {
        Duration::from_secs(self.retry_for)
    }
}

/// A call in flight, and its row.
struct InFlight {
    row: Row,
    pending: Pending<()>,
}

fn main() -> ExitCode {
    env_logger::init();
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("batch_job: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether every row was done.
fn run(options: &Options) -> Result<bool, Box<dyn StdError>> {
    let mut failures = Failures::default();
    let rows = match &options.file {
        Some(path) => rows::read(path, &mut failures)?,
        None => rows::make_up(options.rows),
    };
    let server = common::Server::find()?;
    // While the server is away, calls wait for it until their timeout instead of failing at once.
    let client = server.client().max_in_flight(options.window as usize).wait_for_ready(true).build()?;
    eprintln!("{} rows, {} calls in flight, {}", rows.len(), options.window, server.describe());

    let started = Instant::now();
    let all = rows.len();
    let done = add_all(&client, rows, options, &mut failures);
    println!("done {done} of {all} in {:.2} s", started.elapsed().as_secs_f64());
    failures.print();
    Ok(failures.is_empty())
}

/// Round by round: rows that are worth another try go into the next round, until the time for retries is over.
fn add_all(client: &Client, mut rows: Vec<Row>, options: &Options, failures: &mut Failures) -> usize {
    let bar = progress_bar(rows.len());
    let mut first_failure = None;
    let mut done = 0;
    while !rows.is_empty() {
        let mut next_round = Vec::new();
        let mut pause = Duration::ZERO;
        add_once(client, rows, options, |row, outcome| {
            let error = match outcome {
                Ok(()) => {
                    done += 1;
                    return bar.inc(1);
                }
                Err(error) => error,
            };
            let is_late = first_failure.get_or_insert_with(Instant::now).elapsed() > options.retry_for();
            // Adding a member again does no harm, so a call that may have been executed can be repeated.
            match error.retry() {
                Retry::Now if !is_late => next_round.push(row),
                Retry::After(wait) if !is_late => {
                    pause = pause.max(wait);
                    next_round.push(row);
                }
                _ => {
                    bar.inc(1);
                    failures.note_call(row, &error);
                }
            }
        });
        rows = next_round;
        thread::sleep(pause);
    }
    bar.finish_and_clear();
    done
}

/// One round: as many calls in flight as the window allows, waiting for the oldest first.
fn add_once(client: &Client, rows: Vec<Row>, options: &Options, mut note: impl FnMut(Row, Result<(), Error>)) {
    let window = options.window as usize;
    let timeout = Duration::from_millis(options.timeout_ms);
    let mut in_flight = VecDeque::with_capacity(window);
    for row in rows {
        if in_flight.len() == window {
            wait_for_oldest(&mut in_flight, &mut note);
        }
        let pending = client.add_room_member(row.room, row.user).timeout(timeout).submit();
        in_flight.push_back(InFlight { row, pending });
    }
    while !in_flight.is_empty() {
        wait_for_oldest(&mut in_flight, &mut note);
    }
}

fn wait_for_oldest(in_flight: &mut VecDeque<InFlight>, note: &mut impl FnMut(Row, Result<(), Error>)) {
    if let Some(InFlight { row, pending }) = in_flight.pop_front() {
        note(row, pending.wait());
    }
}

fn progress_bar(rows: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left");
    ProgressBar::new(rows as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
