//! [`Retry`]: whether, and when, making the same call again can help.

use std::time::Duration;

use super::{AnswerError, CloseReason, ConnectCause, Error, ProtocolError};
use crate::code::ErrorCode;

/// For limits that are counted by the second, and servers that restart.
const A_SECOND: Duration = Duration::from_secs(1);
/// For a busy server, which works through its queue in a fraction of a second.
const UNTIL_THE_SERVER_CATCHES_UP: Duration = Duration::from_millis(100);
/// Calls in flight end all the time; a caller that retries in a tight loop only slows them down.
const UNTIL_SOME_CALLS_END: Duration = Duration::from_millis(10);

/// Whether making the same call again can help, and when: the outcome of [`Error::retry`].
///
/// It does not say whether the first try was executed: see [`Error::may_have_executed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// The same call fails again, however often it is made.
    Never,
    /// The same call may succeed at once.
    Now,
    /// The same call may succeed, but not before this time has passed.
    After(Duration),
}

impl Error {
    /// Returns whether making the same call again can help, and when.
    ///
    /// | `retry()` | of |
    /// | --- | --- |
    /// | [`Now`](Retry::Now) | a timeout, a lost connection, a signature that the server has seen before (200006) |
    /// | [`After`](Retry::After) | a failed attempt to connect, [`NotConnected`](Error::NotConnected) (what is left of the policy's wait), [`QueueFull`](Error::QueueFull), a server that limits calls (200010, 200011), is busy (20011), stops (20014) or only says that it failed (20001, 200999) |
    /// | [`Never`](Retry::Never) | everything else: a wrong secret or project, an argument, a permission, a closed client |
    ///
    /// A wrong clock (200008) is `Never`, unless the client has corrected for it: then it is `Now`. An unreadable
    /// answer is `Never`, because the server would send the same again. So is a code that this version does not know. A
    /// caller that retries still needs a limit of its own: `Now` and `After` do not promise success.
    ///
    /// It does not say whether the first try was executed: for a call that must not happen twice, also check
    /// [`may_have_executed`](Error::may_have_executed). `docs/recipes.md` has a loop that does both.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Error, ErrorCode, Retry};
    /// use std::time::Duration;
    ///
    /// assert_eq!(Error::from_answer(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, "").retry(), Retry::Never);
    /// assert_eq!(Error::from_answer(ErrorCode::RTM_EC_SAME_SIGN, "").retry(), Retry::Now);
    ///
    /// let wait = Duration::from_millis(250);
    /// assert_eq!(Error::not_connected(Some(wait)).retry(), Retry::After(wait));
    /// ```
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Error::Answer(answer) => answer.retry(),
            Error::Timeout(_) => Retry::Now,
            Error::ConnectionClosed(closed) => closed.reason().retry(),
            Error::Connect(error) => error.cause().retry(),
            // Without auto-connect the same call changes nothing: somebody has to connect first.
            Error::NotConnected(error) => error.retry_after().map_or(Retry::Never, Retry::After),
            Error::QueueFull => Retry::After(UNTIL_SOME_CALLS_END),
            Error::Decode(_) | Error::InvalidArgument(_) | Error::Closed(_) | Error::System(_) => Retry::Never,
        }
    }
}

impl AnswerError {
    fn retry(&self) -> Retry {
        match self.code() {
            ErrorCode::FPNN_EC_CORE_CONNECTION_CLOSED
            | ErrorCode::FPNN_EC_CORE_TIMEOUT
            | ErrorCode::FPNN_EC_CORE_SEND_ERROR
            | ErrorCode::FPNN_EC_CORE_RECV_ERROR
            | ErrorCode::RTM_EC_SAME_SIGN => Retry::Now,
            ErrorCode::RTM_EC_INVALID_SERVER_TIME if self.is_clock_corrected() => Retry::Now,
            ErrorCode::FPNN_EC_CORE_WORK_QUEUE_FULL => Retry::After(UNTIL_THE_SERVER_CATCHES_UP),
            ErrorCode::FPNN_EC_CORE_UNKNOWN_ERROR
            | ErrorCode::FPNN_EC_CORE_INVALID_CONNECTION
            | ErrorCode::FPNN_EC_CORE_SERVER_STOPPING
            | ErrorCode::RTM_EC_FREQUENCY_LIMITED
            | ErrorCode::RTM_EC_REFRESH_SCREEN_LIMITED
            | ErrorCode::RTM_EC_UNKNOWN_ERROR => Retry::After(A_SECOND),
            _ => Retry::Never,
        }
    }
}

impl CloseReason {
    fn retry(&self) -> Retry {
        match self {
            // The same call gets the same answer, which is over the client's limit.
            CloseReason::Protocol(ProtocolError::PayloadTooLarge { .. }) | CloseReason::Client => Retry::Never,
            CloseReason::Peer | CloseReason::Io(_) | CloseReason::Protocol(_) | CloseReason::KeepAlive(_) => Retry::Now,
        }
    }
}

impl ConnectCause {
    fn retry(&self) -> Retry {
        match self {
            ConnectCause::KeyRefused(answer) => answer.retry(),
            ConnectCause::KeyUnreadable => Retry::Never,
            ConnectCause::Resolve(_)
            | ConnectCause::NoAddress
            | ConnectCause::Dial { .. }
            | ConnectCause::TimedOut { .. }
            | ConnectCause::KeyExchange(_)
            | ConnectCause::Listening(_)
            | ConnectCause::KeyGeneration(_) => Retry::After(A_SECOND),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::{DecodeError, Stage};
    use super::*;

    /// The codes that do not stand here are `Never`.
    const WORTH_ANOTHER_TRY: [(i32, Retry); 12] = [
        (20_001, Retry::After(A_SECOND)),
        (20_002, Retry::Now),
        (20_003, Retry::Now),
        (20_007, Retry::Now),
        (20_008, Retry::Now),
        (20_011, Retry::After(UNTIL_THE_SERVER_CATCHES_UP)),
        (20_012, Retry::After(A_SECOND)),
        (20_014, Retry::After(A_SECOND)),
        (200_006, Retry::Now),
        (200_010, Retry::After(A_SECOND)),
        (200_011, Retry::After(A_SECOND)),
        (200_999, Retry::After(A_SECOND)),
    ];

    #[test]
    fn each_of_the_76_codes_says_whether_another_try_can_help() {
        assert_eq!(ErrorCode::ALL.len(), 76);
        for &code in ErrorCode::ALL {
            let listed = WORTH_ANOTHER_TRY.iter().find(|(listed, _)| code == *listed);
            let expected = listed.map_or(Retry::Never, |(_, retry)| *retry);
            assert_eq!(Error::from_answer(code, "").retry(), expected, "{code}");
        }
        assert_eq!(Error::from_answer(424_242.into(), "").retry(), Retry::Never);
    }

    #[test]
    fn clock_that_is_off_is_worth_another_try_once_it_is_corrected_for() {
        let refusal = AnswerError::new(ErrorCode::RTM_EC_INVALID_SERVER_TIME, None, None);
        assert_eq!(Error::Answer(refusal.clone()).retry(), Retry::Never);
        assert_eq!(Error::Answer(refusal.with_corrected_clock()).retry(), Retry::Now);
        // No other code is touched.
        let wrong_secret = AnswerError::new(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, None, None);
        assert_eq!(Error::Answer(wrong_secret.with_corrected_clock()).retry(), Retry::Never);
    }

    #[test]
    fn every_variant_says_whether_another_try_can_help() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let too_large = ProtocolError::PayloadTooLarge { size: 2, limit: 1 };
        let wrong_key = AnswerError::new(ErrorCode::FPNN_EC_CORE_FORBIDDEN, None, None);
        let wait = Duration::from_millis(7);
        let timed_out = |stage| Error::timed_out(stage, wait);
        let table = [
            (timed_out(Stage::WaitingForAnswer), Retry::Now),
            (timed_out(Stage::WaitingForTurn), Retry::Now),
            (Error::connection_closed(CloseReason::Peer, true), Retry::Now),
            (Error::connection_closed(CloseReason::Io(refused()), false), Retry::Now),
            (Error::connection_closed(CloseReason::KeepAlive(wait), true), Retry::Now),
            (Error::connection_closed(CloseReason::Protocol(ProtocolError::QuestFlood), true), Retry::Now),
            (Error::connection_closed(CloseReason::Protocol(too_large), true), Retry::Never),
            (Error::connection_closed(CloseReason::Client, true), Retry::Never),
            (Error::connect_failed("h:1", ConnectCause::Resolve(refused())), Retry::After(A_SECOND)),
            (Error::connect_failed("h:1", ConnectCause::KeyExchange(CloseReason::Peer)), Retry::After(A_SECOND)),
            (Error::connect_failed("h:1", ConnectCause::KeyUnreadable), Retry::Never),
            (Error::connect_failed("h:1", ConnectCause::KeyRefused(wrong_key)), Retry::Never),
            (Error::not_connected(Some(wait)), Retry::After(wait)),
            (Error::not_connected(None), Retry::Never),
            (Error::queue_full(), Retry::After(UNTIL_SOME_CALLS_END)),
            (Error::decode_failed("getroominfo", DecodeError::Truncated), Retry::Never),
            (Error::invalid_argument("no"), Retry::Never),
            (Error::closed(true), Retry::Never),
            (Error::system_failed("a thing", io::ErrorKind::Other.into()), Retry::Never),
        ];
        for (error, expected) in table {
            assert_eq!(error.retry(), expected, "{error:?}");
        }
    }
}
