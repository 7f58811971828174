//! Determines whether the machine's clock is wrong. If an answer carries the code 200008, a `*ping` asks the server for
//! its time, while the answer is held. This file neither reads the clock nor sends pings.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::action::RawAnswer;
use crate::code::ErrorCode;
use crate::error::{AnswerError, DecodeError};
use crate::fpnn::{Answer, PayloadReader, read_answer};

/// How long to wait for the server's time, however much time the held calls have left. A server may not answer pings.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A refusal is a code and a short text, so larger answers are not held.
const LARGEST_REFUSAL: usize = 4096;
/// The times that a server may plausibly report, in milliseconds since the epoch: from the year 2020 to the last second
/// that fits a time stamp.
const PLAUSIBLE_MS: RangeInclusive<i64> = 1_577_836_800_000..=(u32::MAX as i64) * 1000;

/// A call that the server refused because of its time stamp.
#[derive(Debug)]
pub(super) struct RefusedCall<T> {
    pub token: T,
    pub error: AnswerError,
    /// When the call must have an outcome.
    pub deadline: Instant,
}

/// The refusals held while the server is asked for its time.
#[derive(Debug)]
pub(super) struct Refused<T> {
    pub calls: Vec<RefusedCall<T>>,
    /// The refusal of the `setlisten` in flight.
    pub listen: Option<AnswerError>,
}

impl<T> Default for Refused<T> {
    fn default() -> Refused<T> {
        Refused { calls: Vec::new(), listen: None }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ClockCheck<T> {
    is_enabled: bool,
    /// The ping that asks for the time, and when it was sent.
    ping: Option<(u32, Instant)>,
    refused: Refused<T>,
    /// When the clock that signs calls was last corrected.
    corrected_at: Option<Instant>,
}

impl<T> ClockCheck<T> {
    pub(super) fn new(is_enabled: bool) -> ClockCheck<T> {
        ClockCheck { is_enabled, ping: None, refused: Refused::default(), corrected_at: None }
    }

    /// Returns the error in an answer if it refuses the time stamp and correction is enabled.
    pub(super) fn refusal_in(&self, answer: &RawAnswer) -> Option<AnswerError> {
        if !self.is_enabled || answer.payload.len() > LARGEST_REFUSAL {
            return None;
        }
        let error = read_answer(answer.status, answer.flag, &answer.payload, |_| Ok(())).ok()?.err()?;
        self.is_refusal(&error).then_some(error)
    }

    /// Whether the error refuses the time stamp and correction is enabled.
    pub(super) fn is_refusal(&self, error: &AnswerError) -> bool {
        self.is_enabled && error.code() == ErrorCode::RTM_EC_INVALID_SERVER_TIME
    }

    /// Whether the clock was corrected after a quest was signed. `None` is earlier than every other time.
    pub(super) fn was_corrected_since(&self, signed_at: Option<Instant>) -> bool {
        self.corrected_at > signed_at
    }

    /// Holds the outcome of a call until the server reports its time.
    pub(super) fn hold_call(&mut self, call: RefusedCall<T>) {
        self.refused.calls.push(call);
    }

    /// Holds the refusal of the `setlisten` in flight.
    pub(super) fn hold_listen(&mut self, error: AnswerError) {
        self.refused.listen = Some(error);
    }

    /// Forgets the refused `setlisten`, whose connection is gone.
    pub(super) fn forget_listen(&mut self) {
        self.refused.listen = None;
    }

    /// Whether a ping that asks for the time is in flight.
    pub(super) fn is_asking(&self) -> bool {
        self.ping.is_some()
    }

    /// Records that ping `seq` asks the server for its time.
    pub(super) fn record_ping(&mut self, now: Instant, seq: u32) {
        self.ping = Some((seq, now));
    }

    /// Returns the round-trip time of ping `seq`, if that is the one that asks for the time.
    pub(super) fn round_trip(&self, now: Instant, seq: u32) -> Option<Duration> {
        let (asked, at) = self.ping?;
        (asked == seq).then(|| now.saturating_duration_since(at))
    }

    /// Records that calls are signed with a corrected clock from now on.
    pub(super) fn record_corrected(&mut self, now: Instant) {
        self.corrected_at = Some(now);
    }

    /// Ends the question, whether or not it was answered. Returns everything that was held.
    pub(super) fn finish(&mut self) -> Refused<T> {
        self.ping = None;
        std::mem::take(&mut self.refused)
    }

    /// Returns what cannot be held any longer.
    pub(super) fn take_late(&mut self, now: Instant) -> Refused<T> {
        if self.due_at().is_none_or(|due| now < due) {
            return Refused::default();
        }
        if self.ping.is_some_and(|(_, asked)| asked + LONGEST_WAIT <= now) {
            return self.finish();
        }
        let calls = std::mem::take(&mut self.refused.calls);
        let (late, held) = calls.into_iter().partition(|call| call.deadline <= now);
        self.refused.calls = held;
        Refused { calls: late, listen: None }
    }

    /// When [`take_late`](ClockCheck::take_late) next has something to return.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let (_, asked) = self.ping?;
        let deadlines = self.refused.calls.iter().map(|call| call.deadline);
        deadlines.chain([asked + LONGEST_WAIT]).min()
    }
}

/// The server's time in the answer to a ping, in milliseconds since the epoch.
pub(super) fn server_time(answer: &Answer<'_>) -> Option<i64> {
    let time = read_answer(answer.status, answer.flag, answer.payload, read_time).ok()?.ok()??;
    PLAUSIBLE_MS.contains(&time).then_some(time)
}

fn read_time(reader: &mut PayloadReader<'_>) -> Result<Option<i64>, DecodeError> {
    let mut time = None;
    while let Some(key) = reader.next_key()? {
        match key {
            b"ts" => time = reader.optional_int("ts")?,
            _ => reader.skip()?,
        }
    }
    Ok(time)
}
