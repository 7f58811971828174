//! The failures: bad rows by line, failed calls by code.

use std::collections::BTreeMap;

use rtm_server_sdk::{Error, ErrorCode};

use crate::rows::Row;

/// A file in the wrong format would fill the screen.
const MOST_BAD_ROWS_TOLD: u64 = 20;

/// Everything that failed.
#[derive(Default)]
pub struct Failures {
    bad_rows: u64,
    calls: BTreeMap<ErrorCode, FailedCalls>,
}

struct FailedCalls {
    count: u64,
    unsure: u64,
    first_line: u64,
    first_error: String,
}

impl Failures {
    /// A row that cannot be read.
    pub fn note_row(&mut self, line: u64, reason: &str) {
        self.bad_rows += 1;
        if self.bad_rows <= MOST_BAD_ROWS_TOLD {
            eprintln!("line {line}: {reason}");
        }
    }

    /// A call that failed for good.
    pub fn note_call(&mut self, row: Row, error: &Error) {
        let calls = self.calls.entry(error.code()).or_insert_with(|| FailedCalls {
            count: 0,
            unsure: 0,
            first_line: row.line,
            first_error: format!("{error:#}"),
        });
        calls.count += 1;
        calls.unsure += u64::from(error.may_have_executed());
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.bad_rows == 0 && self.calls.is_empty()
    }

    /// The summary.
    pub fn print(&self) {
        if self.bad_rows > 0 {
            println!("bad rows: {}", self.bad_rows);
        }
        for (code, FailedCalls { count, unsure, first_line, first_error }) in &self.calls {
            println!("failed calls with code {code}: {count}, of which {unsure} may have been executed");
            println!("  the first, on line {first_line}: {first_error}");
        }
    }
}
