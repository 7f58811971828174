//! [`Failure`]: why a command ended without its result, with a sentence for the user and an exit status for scripts.

use std::fmt;
use std::io;
use std::path::Path;

use rtm_server_sdk::error::Stage;
use rtm_server_sdk::{Error, ErrorCode, MessageId, Retry};
use serde_json::{Value, json};

use crate::output::{Output, without_controls};
use crate::stderr::tell_error;
use crate::stdin::name_of;

pub(crate) const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const BAD_USAGE: u8 = 2;
pub(crate) const NO_CONNECTION: u8 = 3;
/// The status that shells report for a program ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

#[derive(Debug)]
pub(crate) enum Failure {
    /// An option or a file of the user cannot work.
    Usage(String),
    /// A call that changes something, or the connection for it, failed.
    Call(Error),
    /// A call that only reads failed, so there is no doubt about its effect.
    Read(Error),
    /// A message was not sent, or may have been. Its id makes a repetition safe.
    Say { error: Error, mid: MessageId, line: Option<u64> },
    /// The server did only part of what was requested.
    Refused { message: String, json: Value },
    /// The result could not be written.
    Output(io::Error),
    /// The result would be lost.
    StdoutClosed,
    /// The failure has already been printed.
    Told,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    pub(crate) fn file(path: &Path, error: &io::Error) -> Failure {
        let name = name_of(path);
        match error.kind() {
            io::ErrorKind::InvalidData => Failure::Usage(format!("{name}: this is not text in UTF-8")),
            _ => Failure::Usage(format!("{name}: {error}")),
        }
    }

    /// Prints on stderr what was wrong. Returns the exit status.
    pub(crate) fn report(&self, output: Output) -> u8 {
        if self.is_closed_pipe() {
            return DONE;
        }
        if !matches!(self, Failure::Told) {
            tell_error(output, self, self.details());
        }
        match self {
            Failure::Usage(_) => BAD_USAGE,
            Failure::Call(error) | Failure::Read(error) | Failure::Say { error, .. } => status_of(error),
            Failure::Refused { .. } | Failure::Output(_) | Failure::StdoutClosed | Failure::Told => FAILED,
        }
    }

    /// The reader of the output has seen enough, as with `head`; that is not an error.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Further details for programs.
    fn details(&self) -> Value {
        match self {
            Failure::Call(error) | Failure::Read(error) => details_of(error),
            Failure::Say { error, mid, line } => {
                let mut details = details_of(error);
                details["mid"] = json!(mid);
                details["line"] = json!(line);
                details
            }
            Failure::Refused { json, .. } => json!({"result": json}),
            Failure::Usage(_) | Failure::Output(_) | Failure::StdoutClosed | Failure::Told => json!({}),
        }
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
            Failure::Usage(message) | Failure::Refused { message, .. } => f.write_str(message),
            Failure::Call(error) => f.write_str(&sentence(error)),
            Failure::Read(error) => f.write_str(&sentence_of_read(error)),
            Failure::Say { error, mid, line } => {
                if let Some(line) = line {
                    write!(f, "line {line}: ")?;
                }
                if is_in_doubt(error) {
                    let advice = format!("send it again with --mid {mid}, and it appears only once");
                    f.write_str(&with_advice(error, Some(&advice)))?;
                } else {
                    f.write_str(&sentence_of_read(error))?;
                }
                if line.is_some() { f.write_str("; the lines after it were not sent") } else { Ok(()) }
            }
            Failure::Output(error) => write!(f, "the result could not be written: {error}"),
            Failure::StdoutClosed => {
                f.write_str("stdout is closed, so nothing was done: if the result is not wanted, send it to /dev/null")
            }
            Failure::Told => Ok(()),
        }
    }
}

/// The details of an error for programs.
pub(crate) fn details_of(error: &Error) -> Value {
    let (retry, after) = match error.retry() {
        Retry::Now => ("now", None),
        Retry::After(time) => ("after", Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
        _ => ("never", None),
    };
    json!({
        "code": error.code().value(),
        "name": error.code().name(),
        "may_have_executed": error.may_have_executed(),
        "retry": retry,
        "retry_after_ms": after,
    })
}

pub(crate) fn status_of(error: &Error) -> u8 {
    match error {
        Error::InvalidArgument(_) => BAD_USAGE,
        error if is_without_connection(error) => NO_CONNECTION,
        _ => FAILED,
    }
}

/// Whether the call failed because there was no connection.
pub(crate) fn is_without_connection(error: &Error) -> bool {
    match error {
        Error::Connect(_) | Error::NotConnected(_) => true,
        Error::Timeout(timeout) => {
            matches!(timeout.stage(), Stage::Resolving | Stage::Connecting | Stage::KeyExchange)
        }
        _ => false,
    }
}

/// The error of a call that changes something, and what to do about it.
pub(crate) fn sentence(error: &Error) -> String {
    match error {
        error if is_in_doubt(error) => {
            with_advice(error, Some("the server may have done it all the same, so look before you try again"))
        }
        // Only Ctrl-C closes the client.
        Error::Closed(_) => "stopped while there was no connection to the server".into(),
        _ => sentence_of_read(error),
    }
}

/// Whether it is unknown if the server executed the call.
fn is_in_doubt(error: &Error) -> bool {
    let is_silent = match error {
        Error::Timeout(_) | Error::ConnectionClosed(_) | Error::Closed(_) | Error::Decode(_) => true,
        // Other codes give a reason for not executing it.
        Error::Answer(answer) => {
            matches!(answer.code(), ErrorCode::FPNN_EC_CORE_UNKNOWN_ERROR | ErrorCode::RTM_EC_UNKNOWN_ERROR)
        }
        _ => false,
    };
    is_silent && error.may_have_executed()
}

/// The error of a call that changes nothing, and what to do about it.
fn sentence_of_read(error: &Error) -> String {
    with_advice(error, advice(error))
}

/// The library has escaped the server's text. What is left are texts of the system, and names.
pub(crate) fn with_advice(error: &Error, advice: Option<&str>) -> String {
    let what = without_controls(&format!("{error:#}"));
    match advice {
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
        Error::Timeout(_) => Some("raise --timeout, or try again later"),
        Error::ConnectionClosed(_) => Some("try again"),
        _ => None,
    }
}

fn advice_on_code(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::RTM_EC_INVALID_PID_OR_SIGN => Some("check the project's id and its secret"),
        ErrorCode::RTM_EC_INVALID_PID_OR_UID => Some("check the project's id and the user's"),
        ErrorCode::RTM_EC_NOT_IN_ROOM => Some("add the user to the room first"),
        ErrorCode::RTM_EC_INVALID_SERVER_TIME => Some("set this machine's clock"),
        ErrorCode::RTM_EC_FREQUENCY_LIMITED => Some("wait a moment, and make fewer calls a second"),
        ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING => {
            Some("try again in a moment")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_of_what_the_user_can_do() {
        let timeout = Error::timed_out(Stage::WaitingForAnswer, std::time::Duration::from_secs(3));
        assert!(sentence(&timeout).ends_with("look before you try again"));
        assert!(sentence_of_read(&timeout).ends_with("; raise --timeout, or try again later"));
        let unknown = Error::from_answer(ErrorCode::FPNN_EC_CORE_UNKNOWN_ERROR, "");
        assert!(sentence(&unknown).ends_with("look before you try again"));
        assert!(!sentence_of_read(&unknown).contains("look before you try again"));
        let refused = Error::from_answer(ErrorCode::RTM_EC_NOT_IN_ROOM, "");
        assert!(sentence(&refused).ends_with("; add the user to the room first"));
        assert_eq!(sentence(&Error::closed(false)), "stopped while there was no connection to the server");
    }
}
