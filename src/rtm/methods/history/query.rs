//! A query of a room's history, and how it continues from page to page.

use crate::error::ArgumentError;
use crate::fpnn::MapWriter;
use crate::rtm::methods::check_type;
use crate::rtm::{MessageType, RoomId, UserId};

/// The most messages of one page, and the default.
pub(crate) const MOST_PER_PAGE: u16 = 20;

/// A query of a room's history: direction, page size, time range and types.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{History, MessageType};
///
/// // The ten newest chats of one day.
/// let (begin, end) = (1_700_000_000_000, 1_700_086_400_000);
/// let query = History::latest().count(10).between(begin, end).types(&[MessageType::CHAT]);
/// assert_ne!(query, History::oldest());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct History {
    pub(super) newest_first: bool,
    pub(super) count: u16,
    pub(super) times: Option<(i64, i64)>,
    /// The cursor after the previous page, unless this is the first one.
    pub(super) last_id: Option<i64>,
    pub(super) types: Option<Vec<MessageType>>,
    pub(super) uid: UserId,
}

impl History {
    /// Starts with the newest message and goes back in time.
    #[must_use]
    pub fn latest() -> History {
        History { newest_first: true, ..History::oldest() }
    }

    /// Starts with the oldest stored message and goes forward in time.
    #[must_use]
    pub fn oldest() -> History {
        History { newest_first: false, count: MOST_PER_PAGE, times: None, last_id: None, types: None, uid: 0 }
    }

    /// Sets how many messages a page has: 1..=20, default 20. A call with another number fails with `InvalidArgument`.
    #[must_use]
    pub fn count(mut self, messages: u16) -> History {
        self.count = messages;
        self
    }

    /// Asks only for messages that the server accepted from `begin_ms` to `end_ms`, both included, in milliseconds since the
    /// epoch. Zero leaves that side open. Default: all stored messages.
    #[must_use]
    pub fn between(mut self, begin_ms: i64, end_ms: i64) -> History {
        self.times = Some((begin_ms, end_ms));
        self
    }

    /// Asks only for messages of these types, each 1..=127. Default, and for an empty list: all.
    #[must_use]
    pub fn types(mut self, types: &[MessageType]) -> History {
        self.types = Some(types.to_vec());
        self
    }

    /// Asks on behalf of a user. The vendor does not document what this changes. Default: 0, no user.
    #[must_use]
    pub fn as_user(mut self, uid: UserId) -> History {
        self.uid = uid;
        self
    }

    pub(in crate::rtm::methods) fn check_types(&self) -> Result<(), ArgumentError> {
        self.types.iter().flatten().try_for_each(|&mtype| check_type(mtype))
    }

    pub(super) fn check(&self) -> Result<(), ArgumentError> {
        if !(1..=MOST_PER_PAGE).contains(&self.count) {
            let message = format!("a page of the history can have 1 to {MOST_PER_PAGE} messages, not {}", self.count);
            return Err(ArgumentError::new(message));
        }
        self.check_types()
    }

    /// Writes the parameters that restrict the query, if they are set.
    pub(in crate::rtm::methods) fn types_and_times<'a>(&self, params: MapWriter<'a>) -> MapWriter<'a> {
        let (begin, end) = (self.times.map(|times| times.0), self.times.map(|times| times.1));
        let params = params.optional_int("begin", begin).optional_int("end", end);
        match &self.types {
            Some(types) => params.ints("mtypes", types.iter().map(|mtype| mtype.value().into())),
            None => params,
        }
    }

    pub(super) fn write<'a>(&self, params: MapWriter<'a>, rid: RoomId) -> MapWriter<'a> {
        let params = params.int("uid", self.uid).int("rid", rid);
        let params = params.bool("desc", self.newest_first).int("num", self.count.into());
        self.types_and_times(params).optional_int("lastid", self.last_id)
    }

    /// Returns the query for the page after one with this end. Returns `None` if the cursor has not moved in the
    /// direction of the query, because the same rows would come again forever.
    pub(super) fn behind(&self, cursor: &Cursor, last_id: i64) -> Option<History> {
        let has_moved = |from| if self.newest_first { last_id < from } else { last_id > from };
        let (begin, end) = self.times.unwrap_or_default();
        let times = Some((cursor.begin.unwrap_or(begin), cursor.end.unwrap_or(end)));
        self.last_id.is_none_or(has_moved).then(|| History { times, last_id: Some(last_id), ..self.clone() })
    }
}

/// Where a page ends, according to the answer.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub begin: Option<i64>,
    pub end: Option<i64>,
    pub last_id: Option<i64>,
}
