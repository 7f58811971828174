//! The meaning of a failed try, for its row and for all further rows.

use std::time::{Duration, Instant};

use rtm_server_sdk::{Error, ErrorCode, Retry};

use crate::args::Bulk;
use crate::failure::is_without_connection;

/// How many consecutive rows must be refused with the same code to conclude that all further ones would be.
const SHORTEST_STREAK: u64 = 100;

/// What to do with a row whose call failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Retry it after this time.
    Again(Duration),
    /// Retry it when the server accepts more calls.
    AgainWhenSlower,
    /// It failed permanently.
    Failed,
}

/// Consecutive rows refused with the same code.
struct Streak {
    code: ErrorCode,
    rows: u64,
    first_line: u64,
}

pub(super) struct Judge {
    retry_for: Duration,
    retries_uncertain: bool,
    longest_streak: u64,
    streak: Option<Streak>,
    last_success: Instant,
}

impl Judge {
    pub(super) fn new(bulk: &Bulk, now: Instant) -> Judge {
        Judge {
            retry_for: bulk.retry_for,
            retries_uncertain: bulk.retry_uncertain,
            longest_streak: SHORTEST_STREAK.max(bulk.window.into()),
            streak: None,
            last_success: now,
        }
    }

    pub(super) fn row_succeeded(&mut self, now: Instant) {
        self.streak = None;
        self.last_success = now;
    }

    /// Judges the row. `first_failure` is when it failed for the first time.
    pub(super) fn judge(&self, error: &Error, first_failure: Instant, now: Instant) -> Verdict {
        if error.code() == ErrorCode::RTM_EC_FREQUENCY_LIMITED {
            // In a slow run, rows may wait for long. It continues as long as any rows are done.
            let since = first_failure.max(self.last_success);
            let is_in_time = now.saturating_duration_since(since) < self.retry_for;
            return if is_in_time { Verdict::AgainWhenSlower } else { Verdict::Failed };
        }
        if error.may_have_executed() && !self.retries_uncertain {
            return Verdict::Failed;
        }
        let pause = match error.retry() {
            Retry::Now => Duration::ZERO,
            Retry::After(pause) => pause,
            _ => return Verdict::Failed,
        };
        let waited = now.saturating_duration_since(first_failure);
        if waited + pause < self.retry_for { Verdict::Again(pause) } else { Verdict::Failed }
    }

    /// If a row that failed permanently shows that all further ones would fail, returns the first line of the streak.
    pub(super) fn stands_for_the_rest(&mut self, error: &Error, line: u64) -> Option<u64> {
        let Error::Answer(answer) = error else { return is_without_connection(error).then_some(line) };
        let streak = match &mut self.streak {
            Some(streak) if streak.code == answer.code() => streak,
            other => other.insert(Streak { code: answer.code(), rows: 0, first_line: line }),
        };
        streak.rows += 1;
        streak.first_line = streak.first_line.min(line);
        let is_enough = is_about_the_project(answer.code()) || streak.rows >= self.longest_streak;
        is_enough.then_some(streak.first_line)
    }
}

/// Whether a refusal has nothing to do with the row.
fn is_about_the_project(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RTM_EC_INVALID_PID_OR_SIGN
            | ErrorCode::RTM_EC_INVALID_SERVER_TIME
            | ErrorCode::RTM_EC_FORBIDDEN_METHOD
            | ErrorCode::RTM_EC_UNAUTHORIZED
            | ErrorCode::RTM_EC_FREQUENCY_LIMITED
            | ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn judge(args: &[&str]) -> Judge {
        let cli = Cli::try_parse_from([&["rtm-room", "bulk", "add", "-"], args].concat()).unwrap();
        let Command::Bulk(bulk) = cli.command else { panic!("not a bulk run") };
        Judge::new(&bulk, Instant::now())
    }

    fn refused(code: ErrorCode) -> Error {
        Error::from_answer(code, "")
    }

    #[test]
    fn only_what_may_not_have_been_done_is_tried_again_unless_asked_for() {
        let now = Instant::now();
        let busy = refused(ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL);
        let unsure = refused(ErrorCode::RTM_EC_UNKNOWN_ERROR);
        assert!(matches!(judge(&[]).judge(&busy, now, now), Verdict::Again(_)));
        assert_eq!(judge(&[]).judge(&unsure, now, now), Verdict::Failed);
        assert!(matches!(judge(&["--retry-uncertain"]).judge(&unsure, now, now), Verdict::Again(_)));
        let hopeless = refused(ErrorCode::RTM_EC_NOT_IN_ROOM);
        assert_eq!(judge(&["--retry-uncertain"]).judge(&hopeless, now, now), Verdict::Failed);
    }

    #[test]
    fn row_is_given_up_after_its_time() {
        let first_failure = Instant::now();
        let busy = refused(ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL);
        let later = first_failure + Duration::from_secs(60);
        assert_eq!(judge(&[]).judge(&busy, first_failure, later), Verdict::Failed);
    }

    #[test]
    fn row_over_the_rate_is_tried_again_for_as_long_as_others_are_done() {
        let first_failure = Instant::now();
        let limited = refused(ErrorCode::RTM_EC_FREQUENCY_LIMITED);
        let later = first_failure + Duration::from_secs(600);
        let mut judge = judge(&[]);
        assert_eq!(judge.judge(&limited, first_failure, later), Verdict::Failed);
        judge.row_succeeded(later);
        assert_eq!(judge.judge(&limited, first_failure, later), Verdict::AgainWhenSlower);
    }

    #[test]
    fn refusals_stand_for_the_rest_after_a_window_or_if_they_are_about_the_project() {
        let mut judge = judge(&["--window", "10"]);
        let secret = refused(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN);
        assert_eq!(judge.stands_for_the_rest(&secret, 7), Some(7));
        let user = refused(ErrorCode::RTM_EC_INVALID_PID_OR_UID);
        for line in 1..SHORTEST_STREAK {
            assert_eq!(judge.stands_for_the_rest(&user, 1 + line), None);
        }
        judge.row_succeeded(Instant::now());
        for line in 1..SHORTEST_STREAK {
            assert_eq!(judge.stands_for_the_rest(&user, 500 + line), None);
        }
        assert_eq!(judge.stands_for_the_rest(&user, 900), Some(501));
    }
}
