//! Counts the outcomes of the rows.

use std::collections::BTreeMap;
use std::time::Duration;

use rtm_server_sdk::ErrorCode;
use serde_json::json;

use crate::output::Reply;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) done: u64,
    failed_by_code: BTreeMap<ErrorCode, u64>,
    pub(super) tried_again: u64,
    /// Calls that the server refused because of their rate, and that were repeated.
    pub(super) over_the_rate: u64,
}

impl Tally {
    pub(super) fn fail(&mut self, code: ErrorCode) {
        *self.failed_by_code.entry(code).or_default() += 1;
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed_by_code.values().sum()
    }

    pub(super) fn rows(&self) -> u64 {
        self.done + self.failed()
    }

    /// `next_line` is the line to continue with if the file was not completed. On a narrow terminal, codes are shown
    /// without their names.
    pub(super) fn summary(&self, took: Duration, next_line: Option<u64>, is_narrow: bool) -> Reply {
        let (done, failed, tried_again) = (self.done, self.failed(), self.tried_again);
        let seconds = took.as_secs_f64();
        let rate = (self.rows() as f64 / seconds.max(1e-3)).round() as u64;
        let codes = || self.failed_by_code.iter();
        let by_code: serde_json::Map<_, _> =
            codes().map(|(code, rows)| (code.value().to_string(), json!(rows))).collect();
        let json = json!({
            "done": done, "failed": failed, "failed_by_code": by_code, "tried_again": tried_again,
            "over_the_rate": self.over_the_rate,
            "seconds": (seconds * 1e3).round() / 1e3, "rows_per_second": rate, "next_line": next_line,
        });
        let mut pairs = vec![("done".to_owned(), done.to_string()), ("failed".to_owned(), failed.to_string())];
        pairs.extend(codes().map(|(code, rows)| {
            let code = if is_narrow { code.value().to_string() } else { code.to_string() };
            (format!("failed with {code}"), rows.to_string())
        }));
        pairs.push(("tried again".to_owned(), tried_again.to_string()));
        if self.over_the_rate > 0 {
            pairs.push(("over the rate".to_owned(), self.over_the_rate.to_string()));
        }
        pairs.push(("seconds".to_owned(), format!("{seconds:.3}")));
        pairs.push(("rows per second".to_owned(), rate.to_string()));
        pairs.extend(next_line.map(|line| ("next line".to_owned(), line.to_string())));
        Reply::pairs(json, pairs)
    }
}
