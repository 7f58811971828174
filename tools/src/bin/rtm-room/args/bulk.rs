//! The arguments of `bulk`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{count, line, time, window};

const AFTER_HELP: &str = "\
The file is CSV in UTF-8, separated by commas. Each row is room,user. For `ban` a third column has the seconds; if it is empty, the ban has no end. For `say` it has \
the text. If the first row names the columns (room or rid, user or uid, seconds or btime, text or message), they may be \
in any order. Other columns are ignored. Many calls are in flight at once, so rows may take effect in another order \
than the file's; --window 1 keeps the order.

A row that the server cannot have carried out, for lack of a connection or because it was overloaded, is retried for \
as long as --retry-for says; with --retry-uncertain, so is one that may have been carried out. The file that --failed \
writes can be fed in again.

The run adapts to a server that limits calls: it slows down until the server accepts all calls, and sends refused rows \
again.

With --json, stderr is one object a line: `error` for each row that failed and for what ended the run, `note` for the \
rest.

Ctrl-C waits for the calls in flight and says with which --start-line to go on (exit status 130): each row is then \
done, failed, or at or after that line. A second one stops at once.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Bulk {
    /// What to do with each row
    pub(crate) operation: Operation,
    /// The CSV file, `-` for stdin
    pub(crate) file: PathBuf,
    /// How many calls may be in flight at once
    #[arg(long, value_name = "CALLS", default_value_t = 1000, allow_negative_numbers = true, value_parser = window)]
    pub(crate) window: u32,
    /// Write the rows that failed to this new CSV file, in the order of the input, with a code and a reason each
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) failed: Option<PathBuf>,
    /// Begin with the row at this line of the file
    #[arg(long, value_name = "LINE", default_value_t = 1, allow_negative_numbers = true, value_parser = line)]
    pub(crate) start_line: u64,
    /// How long to retry a row where that is safe; 0s for never
    #[arg(long, value_name = "TIME", default_value = "1m", allow_hyphen_values = true, value_parser = time)]
    pub(crate) retry_for: Duration,
    /// Also retry rows that may have been carried out: to add, remove, ban or unban a user twice does no harm, and a
    /// message has an id with which the server keeps it only once
    #[arg(long)]
    pub(crate) retry_uncertain: bool,
    /// Send at most this many calls a second
    #[arg(long, value_name = "CALLS", allow_negative_numbers = true, value_parser = count)]
    pub(crate) rate: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// Add each user to the room
    Add,
    /// Remove each user from the room
    Remove,
    /// Ban each user from speaking in the room
    Ban,
    /// End the ban of each user in the room
    Unban,
    /// Send a chat in the user's name to the room
    Say,
}
