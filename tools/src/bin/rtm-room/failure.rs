//! [`Failure`]: why a command ended without its result. One sentence for the user, one exit status for the script.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use rtm_server_sdk::error::Stage;
use rtm_server_sdk::{Error, ErrorCode};

use crate::output::printable;

pub(crate) const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const BAD_USAGE: u8 = 2;
pub(crate) const NO_CONNECTION: u8 = 3;
/// What shells report of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user gave cannot work: an option, a file.
    Usage(String),
    /// The call, or the connection for it, failed.
    Call(Error),
    /// The result could not be written.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    pub(crate) fn file(path: &Path, error: &io::Error) -> Failure {
        Failure::Usage(format!("{}: {error}", path.display()))
    }

    /// Says on stderr what was wrong, and returns the exit status.
    pub(crate) fn report(&self) -> u8 {
        if self.is_closed_pipe() {
            return DONE;
        }
        complain(self);
        match self {
            Failure::Usage(_) => BAD_USAGE,
            Failure::Call(error) => status_of(error),
            Failure::Output(_) => FAILED,
        }
    }

    /// Whoever reads the output has seen enough, as `head` has: no reason to complain.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Call(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) => f.write_str(message),
            Failure::Call(error) => f.write_str(&sentence(error)),
            Failure::Output(error) => write!(f, "the result could not be written: {error}"),
        }
    }
}

/// Writes a line to stderr. Where that is closed there is nobody left to tell.
pub(crate) fn complain(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "rtm-room: {message}");
}

pub(crate) fn status_of(error: &Error) -> u8 {
    match error {
        Error::InvalidArgument(_) => BAD_USAGE,
        error if is_without_connection(error) => NO_CONNECTION,
        _ => FAILED,
    }
}

/// Whether the call failed for want of a connection.
pub(crate) fn is_without_connection(error: &Error) -> bool {
    match error {
        Error::Connect(_) | Error::NotConnected(_) => true,
        Error::Timeout(timeout) => {
            matches!(timeout.stage(), Stage::Resolving | Stage::Connecting | Stage::KeyExchange)
        }
        _ => false,
    }
}

/// The error, and what to do about it. The server's own text is made safe to print.
pub(crate) fn sentence(error: &Error) -> String {
    let what = printable(&format!("{error:#}"));
    match advice(error) {
        Some(advice) => format!("{what}; {advice}"),
        None => what,
    }
}

fn advice(error: &Error) -> Option<&'static str> {
    if is_without_connection(error) {
        return Some("check --endpoint, and that the server is up and reachable from here");
    }
    match error {
        Error::Answer(answer) => advice_on_code(answer.code()),
        Error::Timeout(_) | Error::ConnectionClosed(_) if error.may_have_executed() => {
            Some("the server may have done it all the same, so look before you try again")
        }
        Error::Timeout(_) => Some("raise --timeout, or try again later"),
        _ => None,
    }
}

fn advice_on_code(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::RTM_EC_INVALID_PID_OR_SIGN => Some("check the project's id and its secret"),
        ErrorCode::RTM_EC_INVALID_SERVER_TIME => Some("set this machine's clock"),
        ErrorCode::RTM_EC_FREQUENCY_LIMITED => Some("wait a moment, or use a smaller --window for a bulk run"),
        ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING => {
            Some("try again in a moment")
        }
        _ => None,
    }
}
