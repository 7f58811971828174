//! A batch job: makes the users of a CSV file members of their rooms, with a window of calls in flight from one thread.
//!
//! ```sh
//! cargo run --features gate --example batch_job -- --window 64 --timeout-ms 500 members.csv
//! ```
//!
//! The file has two columns, room and user, and may begin with the line `room,user`. Without a file the job makes rows
//! up. Exit status: 0 if every row was done, 1 if some failed, 2 if the job could not begin.

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
use rtm_server_sdk::{Client, Error, ErrorCode, Pending};

use failures::Failures;
use rows::Row;

/// How long the job pauses before each round of retries, times the number of the round.
const PAUSE: Duration = Duration::from_millis(200);

/// Makes the users of a CSV file members of their rooms.
#[derive(Parser)]
struct Options {
    /// A CSV file with two columns, room and user. Without it the job makes rows up
    file: Option<PathBuf>,
    /// How many rows to make up when there is no file
    #[arg(long, default_value_t = 1000)]
    rows: u32,
    /// How many calls to keep in flight
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// The time of each call, in milliseconds
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// How many rounds of retries to make for calls that the server cannot have acted on
    #[arg(long, default_value_t = 2)]
    retries: u32,
}

/// A call that is under way, and the row that it is for.
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

/// Says whether every row was done.
fn run(options: &Options) -> Result<bool, Box<dyn StdError>> {
    let mut failures = Failures::default();
    let rows = match &options.file {
        Some(path) => rows::read(path, &mut failures)?,
        None => rows::make_up(options.rows),
    };
    let server = common::Server::find()?;
    let client = server.client().max_in_flight(options.window as usize).build()?;
    eprintln!("{} rows, {} calls in flight, {}", rows.len(), options.window, server.describe());

    let started = Instant::now();
    let all = rows.len();
    let done = add_all(&client, rows, options, &mut failures);
    println!("done {done} of {all} in {:.2} s", started.elapsed().as_secs_f64());
    failures.print();
    Ok(failures.is_empty())
}

/// Round by round: what failed in a way that is safe to repeat, and worth it, goes into the next round.
fn add_all(client: &Client, mut rows: Vec<Row>, options: &Options, failures: &mut Failures) -> usize {
    let bar = progress_bar(rows.len());
    let mut done = 0;
    for round in 0..=options.retries {
        let mut next_round = Vec::new();
        if round > 0 {
            thread::sleep(PAUSE * round);
        }
        let is_last = round == options.retries;
        add_once(client, rows, options, |row, outcome| match outcome {
            Ok(()) => {
                done += 1;
                bar.inc(1);
            }
            Err(error) if !is_last && is_worth_a_retry(&error) => next_round.push(row),
            Err(error) => {
                bar.inc(1);
                failures.note_call(row, &error);
            }
        });
        rows = next_round;
        if rows.is_empty() {
            break;
        }
    }
    bar.finish_and_clear();
    done
}

/// One round: as many calls in flight as the window has room for, and the oldest waited for first.
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

/// Whether to make a failed call again: only if the server cannot have acted on it, and if another time may be better.
fn is_worth_a_retry(error: &Error) -> bool {
    let is_passing = match error {
        Error::Answer(answer) => matches!(
            answer.code(),
            ErrorCode::RTM_EC_FREQUENCY_LIMITED
                | ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL
                | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING
        ),
        Error::InvalidArgument(_) | Error::Closed(_) => false,
        _ => true,
    };
    is_passing && !error.may_have_executed()
}

fn progress_bar(rows: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left");
    ProgressBar::new(rows as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
