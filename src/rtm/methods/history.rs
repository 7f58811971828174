//! The history of a room: queries, and the pages that answer them.

mod page;

pub use page::{RawPage, RawQuery};

use super::check_type;
use crate::error::{ArgumentError, DecodeError, Error};
use crate::fpnn::{MapWriter, MethodName};
use crate::rtm::{Message, MessageType, Request, RoomId, UserId};
use page::read_page;

const GET_ROOM_MESSAGE: MethodName<'static> = MethodName::literal("getroommsg");

/// The most messages of one page, and the default.
pub(crate) const MOST_PER_PAGE: u16 = 20;
/// What `get_room_chat` asks for: chats, commands and files.
const CHAT_TYPES: [MessageType; 6] = [
    MessageType::CHAT,
    MessageType::CMD,
    MessageType::IMAGE,
    MessageType::AUDIO,
    MessageType::VIDEO,
    MessageType::FILE,
];

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
    newest_first: bool,
    count: u16,
    times: Option<(i64, i64)>,
    /// The cursor of the page before, if this is not the first.
    last_id: Option<i64>,
    types: Option<Vec<MessageType>>,
    uid: UserId,
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

    pub(super) fn check_types(&self) -> Result<(), ArgumentError> {
        self.types.iter().flatten().try_for_each(|&mtype| check_type(mtype))
    }

    fn check(&self) -> Result<(), ArgumentError> {
        if !(1..=MOST_PER_PAGE).contains(&self.count) {
            let message = format!("a page of the history can have 1 to {MOST_PER_PAGE} messages, not {}", self.count);
            return Err(ArgumentError::new(message));
        }
        self.check_types()
    }

    /// Writes the parameters that narrow the query, where they were given.
    pub(super) fn types_and_times<'a>(&self, params: MapWriter<'a>) -> MapWriter<'a> {
        let (begin, end) = (self.times.map(|times| times.0), self.times.map(|times| times.1));
        let params = params.optional_int("begin", begin).optional_int("end", end);
        match &self.types {
            Some(types) => params.ints("mtypes", types.iter().map(|mtype| mtype.value().into())),
            None => params,
        }
    }

    fn write<'a>(&self, params: MapWriter<'a>, rid: RoomId) -> MapWriter<'a> {
        let params = params.int("uid", self.uid).int("rid", rid);
        let params = params.bool("desc", self.newest_first).int("num", self.count.into());
        self.types_and_times(params).optional_int("lastid", self.last_id)
    }

    /// The page that a server answers with that has these messages, oldest first, and gives at most `most` at once.
    #[cfg(feature = "unstable-internals")]
    pub(crate) fn page_of(&self, stored: &[StoredMessage], most: usize) -> HistoryPage {
        let (begin, end) = self.times.unwrap_or_default();
        let is_in_time = |mtime: i64| begin <= mtime && (end == 0 || mtime <= end);
        let is_behind = |id: i64| self.last_id.is_none_or(|last| if self.newest_first { id < last } else { id > last });
        let mut rows: Vec<(i64, &StoredMessage)> = (1..).zip(stored).collect();
        if self.newest_first {
            rows.reverse();
        }
        rows.retain(|(id, row)| is_in_time(row.message.mtime.unwrap_or_default()) && is_behind(*id));
        let most = most.min(self.count.into());
        rows.truncate(most);
        let is_full = rows.len() == most;
        let next = rows.last().filter(|_| is_full).map(|(id, _)| History { last_id: Some(*id), ..self.clone() });
        let shown = rows.into_iter().filter(|(_, row)| !row.is_deleted);
        HistoryPage { messages: shown.map(|(_, row)| row.message.clone()).collect(), next }
    }
}

/// A message as a server keeps it.
#[cfg(feature = "unstable-internals")]
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub message: Message,
    /// Its place in the history stays.
    pub is_deleted: bool,
}

/// A page of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages, in the direction of the query. Deleted ones are left out, so a page may have fewer messages than
    /// requested, or none, without being the last.
    pub messages: Vec<Message>,
    /// The query for the next page; `None` at the end of the history.
    pub next: Option<History>,
}

/// Reads a page of a room's history.
#[must_use]
pub fn get_room_message(rid: RoomId, query: &History) -> Request<HistoryPage> {
    let asked = RawQuery::from(query.clone());
    Request::with_context(
        GET_ROOM_MESSAGE,
        query.check(),
        |(), params| query.write(params, rid),
        move |reader| read_page(reader, rid, &asked)?.into_whole(),
    )
}

/// Reads a page of the chats, commands and files of a room.
#[must_use]
pub fn get_room_chat(rid: RoomId, query: &History) -> Request<HistoryPage> {
    get_room_message(rid, &query.clone().types(&CHAT_TYPES))
}

/// Reads a page of a room's history, row by row, and where it goes on even if some cannot be read.
#[must_use]
pub fn get_raw_page(rid: RoomId, query: RawQuery) -> Request<RawPage> {
    let (checked, asked) = (query.check(), query.clone());
    Request::with_context(
        GET_ROOM_MESSAGE,
        checked,
        |(), params| query.widened().write(params, rid),
        move |reader| read_page(reader, rid, &asked),
    )
}

/// What an unreadable row comes to.
#[must_use]
pub fn unreadable_row(error: DecodeError) -> Error {
    Error::Decode(error.in_answer_to(GET_ROOM_MESSAGE.as_str().into()))
}

#[cfg(test)]
mod tests;
