//! `bulk`: one call for each row of a CSV file, many of them in flight, in constant memory.

mod input;
mod layout;
mod ledger;
mod pace;
mod progress;
mod report;
mod request;
mod rows;
mod runner;
mod stop;
mod tally;
mod verdict;

use std::path::Path;
use std::time::Instant;

use rtm_server_sdk::Client;
use serde_json::{Value, json};

use crate::args::{Bulk, Common};
use crate::failure::{BAD_USAGE, DONE, FAILED, Failure, INTERRUPTED, details_of, sentence, status_of};
use crate::output::Output;
use crate::session::client_builder;
use crate::texts::check_stdin_is_wanted_once;
use input::Input;
use ledger::Ledger;
use progress::Progress;
use report::Report;
use runner::{Ending, Runner};
use stop::Stop;

pub(crate) fn run(common: &Common, bulk: &Bulk, output: Output) -> Result<u8, Failure> {
    check_stdin_is_wanted_once(&[(common.secret_file.as_deref(), "--secret-file"), (Some(&bulk.file), "the rows")])?;
    // Rows wait for an absent server, unless retries are off.
    let waits = !bulk.retry_for.is_zero();
    let mut builder = client_builder(common)?.max_in_flight(bulk.window as usize).wait_for_ready(waits);
    if let Some(rate) = bulk.rate {
        builder = builder.max_rate(rate);
    }
    let client = builder.build()?;
    let input = Input::open(&bulk.file)?;
    let progress = Progress::new(input.len, common.verbose == 0, output);
    let stop = Stop::listen(bulk.start_line, progress.clone())?;
    // A wrong endpoint should be noticed before the first row, not after a minute of retries.
    client.connect()?;
    let report = bulk.failed.as_deref().map(Report::create).transpose()?;
    run_rows(&client, bulk, output, input, report, progress, &stop)
}

fn run_rows(
    client: &Client,
    bulk: &Bulk,
    output: Output,
    input: Input,
    report: Option<Report>,
    progress: Progress,
    stop: &Stop,
) -> Result<u8, Failure> {
    let started = Instant::now();
    let incoming = rows::read_ahead(input, bulk.operation, bulk.start_line)?;
    let ledger = Ledger::new(report, progress.clone());
    let mut runner = Runner::new(client, bulk, ledger, progress.clone(), stop);
    let ending = runner.run(&incoming);
    progress.finish();
    let line = runner.remaining_line();
    let repeats = runner.ledger.is_any_done_from(line);
    let go_on = GoOn { line, repeats, failed: bulk.failed.as_deref() };
    let status = conclude(&ending, &runner.ledger, &go_on, &progress);
    let next_line = (!matches!(ending, Ending::Complete)).then_some(go_on.line);
    let summary = runner.ledger.tally.summary(started.elapsed(), next_line, output.is_narrow());
    match output.print(&summary) {
        // The rows matter, not whether anyone still reads the summary.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(status),
    }
}

/// How to continue with a file that was not completed.
struct GoOn<'a> {
    line: u64,
    /// Rows after it are done.
    repeats: bool,
    failed: Option<&'a Path>,
}

impl std::fmt::Display for GoOn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.line;
        let not = if self.repeats { "not all" } else { "not" };
        write!(f, "the rows from line {line} on are {not} done: go on with --start-line {line}")?;
        if let Some(path) = self.failed {
            write!(f, " and another file for --failed than {}", path.display())?;
        }
        if self.repeats { write!(f, "; it repeats those that are done") } else { Ok(()) }
    }
}

/// Prints how the run ended, unless with the last row. Returns the exit status.
fn conclude(ending: &Ending, ledger: &Ledger, go_on: &GoOn<'_>, progress: &Progress) -> u8 {
    let tell = |why: &str, mut details: Value| {
        details["next_line"] = json!(go_on.line);
        progress.error(format_args!("{why}; {go_on}"), details);
    };
    if let (Some(error), false) = (ledger.report_error(), matches!(ending, Ending::ReportLost)) {
        progress.error(error, json!({}));
    }
    match ending {
        Ending::Complete if ledger.tally.failed() == 0 => DONE,
        Ending::Complete => FAILED,
        Ending::Interrupted => {
            tell("stopped", json!({}));
            INTERRUPTED
        }
        Ending::Hopeless(error) => {
            tell(&sentence(error), details_of(error));
            status_of(error)
        }
        Ending::ReportLost => {
            tell(&ledger.report_error().map(ToString::to_string).unwrap_or_default(), json!({}));
            FAILED
        }
        // The file must be repaired before the run can continue.
        Ending::Unreadable(why) if ledger.tally.rows() == 0 => {
            progress.error(why, json!({"next_line": go_on.line}));
            BAD_USAGE
        }
        Ending::Unreadable(why) => {
            tell(why, json!({}));
            BAD_USAGE
        }
    }
}
