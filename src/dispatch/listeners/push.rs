//! [`Push`], which a listener receives, and [`Gap`], which marks where pushes may be missing.

use std::fmt;

use crate::error::Error;
use crate::rtm::{Event, Message};

/// What a listener receives.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::Push;
///
/// fn show(push: &Push) -> String {
///     match push {
///         Push::Message(message) => format!("{} says {:?}", message.from, message.body.as_str()),
///         Push::Event(event) => format!("{} of user {}", event.name, event.uid),
///         Push::Gap(gap) => format!("messages may be missing: {gap}"),
///         _ => String::new(),
///     }
/// }
/// # let message = rtm_server_sdk::Message {
/// #     target: rtm_server_sdk::Target::Room(42), from: 1001, mid: 1, mtype: rtm_server_sdk::MessageType::CHAT,
/// #     body: "hello".into(), attrs: String::new(), mtime: None,
/// # };
/// assert_eq!(show(&Push::Message(message)), r#"1001 says Some("hello")"#);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Push {
    /// A message in a room or a group, or from user to user.
    Message(Message),
    /// An event: something that a user did.
    Event(Event),
    /// Pushes may be missing at this point.
    Gap(Gap),
}

/// Why pushes may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The connection was lost and re-established. The server pushed nothing in between.
    Reconnected,
    /// The listener's queue was full. [`Gap::missed`] says how many pushes were dropped.
    Overflow,
    /// The server no longer lets this client listen. The client asks again on the next connection.
    Refused,
}

/// A point in the stream of pushes where some may be missing.
#[derive(Debug, Clone)]
pub struct Gap {
    reason: GapReason,
    missed: Option<u64>,
    since: Option<i64>,
    error: Option<Error>,
}

impl Gap {
    pub(super) fn new(reason: GapReason, missed: Option<u64>, since: Option<i64>, error: Option<Error>) -> Gap {
        Gap { reason, missed, since, error }
    }

    /// Why pushes may be missing.
    #[must_use]
    pub fn reason(&self) -> GapReason {
        self.reason
    }

    /// How many pushes are missing. Known only with [`GapReason::Overflow`].
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        self.missed
    }

    /// The `mtime` of the last message before the gap, in milliseconds since the epoch: the time from which to read the
    /// history. For a room that could not be caught up, that of the room's last message. `None` if there was no message
    /// before.
    #[must_use]
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    /// The server's refusal, or why the history could not be read. `None` after a mere reconnect.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason, self.missed) {
            (GapReason::Reconnected, _) => f.write_str("the connection was lost and re-established")?,
            (GapReason::Overflow, Some(missed)) => write!(f, "the queue was full, and {missed} pushes were dropped")?,
            (GapReason::Overflow, None) => f.write_str("the queue was full")?,
            (GapReason::Refused, _) => f.write_str("the server no longer lets this client listen")?,
        }
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}
