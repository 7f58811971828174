//! The history of a room: queries, pages, and where a page goes on.

use super::check_type;
use crate::error::{ArgumentError, DecodeError, Error};
use crate::fpnn::{MapWriter, MethodName, PayloadReader};
use crate::rtm::{Message, MessageType, Request, RoomId, Target, UserId, read_attrs, read_body, read_mtype};

const GET_ROOM_MESSAGE: MethodName<'static> = MethodName::literal("getroommsg");

/// The most messages of one page, and the default.
pub(crate) const MOST_PER_PAGE: u16 = 20;
/// The elements of a row. A server may add others behind them.
const ROW_LEN: usize = 8;
/// Room is made at once for the rows of a usual page, and for more only as they come.
const USUAL_PAGE: usize = 64;
/// What `get_room_chat` asks for: chats, commands and files.
const CHAT_TYPES: [MessageType; 6] = [
    MessageType::CHAT,
    MessageType::CMD,
    MessageType::IMAGE,
    MessageType::AUDIO,
    MessageType::VIDEO,
    MessageType::FILE,
];

/// A query of a room's history: in which direction, how much at once, from when, which types.
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
    /// Makes a query that begins with the newest message and goes back in time.
    #[must_use]
    pub fn latest() -> History {
        History { newest_first: true, ..History::oldest() }
    }

    /// Makes a query that begins with the oldest stored message and goes forward in time.
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

    /// Asks only for messages that the server took at `begin_ms` or later and at `end_ms` or earlier, in milliseconds since the
    /// epoch. Zero leaves that side open. Default: all that are stored.
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
            let message = format!("a page of the history has 1 to {MOST_PER_PAGE} messages, not {}", self.count);
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

    /// The query for the page behind one with this cursor. `None` where the cursor has not moved: asking again would
    /// give the same page for ever.
    fn behind(&self, cursor: &Cursor) -> Option<History> {
        let (begin, end) = self.times.unwrap_or_default();
        let times = Some((cursor.begin.unwrap_or(begin), cursor.end.unwrap_or(end)));
        let next = History { times, last_id: Some(cursor.last_id?), ..self.clone() };
        (next != *self).then_some(next)
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
    /// The messages, in the direction of the query. Deleted ones are left out, so that a page may hold fewer than were
    /// asked for, or none, without being the last.
    pub messages: Vec<Message>,
    /// The query for the next page; `None` at the end of the history.
    pub next: Option<History>,
}

/// A page of which some row may be unreadable, in which case the next one can still be asked for.
#[derive(Debug)]
pub struct RawPage {
    /// The messages, or what is wrong with the first row that cannot be read.
    pub messages: Result<Vec<Message>, DecodeError>,
    /// The query for the next page; `None` at the end of the history.
    pub next: Option<History>,
}

/// Where a page ends, as far as the answer tells.
#[derive(Debug, Default)]
struct Cursor {
    begin: Option<i64>,
    end: Option<i64>,
    last_id: Option<i64>,
}

/// Reads a page of a room's history.
#[must_use]
pub fn get_room_message(rid: RoomId, query: &History) -> Request<HistoryPage> {
    let asked = query.clone();
    Request::with_context(
        GET_ROOM_MESSAGE,
        query.check(),
        |(), params| query.write(params, rid),
        move |reader| {
            let RawPage { messages, next } = read_page(reader, rid, &asked)?;
            Ok(HistoryPage { messages: messages?, next })
        },
    )
}

/// Reads a page of the chats, commands and files of a room.
#[must_use]
pub fn get_room_chat(rid: RoomId, query: &History) -> Request<HistoryPage> {
    get_room_message(rid, &query.clone().types(&CHAT_TYPES))
}

/// Reads a page of a room's history, and where it goes on even if a row is unreadable.
#[must_use]
pub fn get_raw_page(rid: RoomId, query: History) -> Request<RawPage> {
    let asked = query.clone();
    Request::with_context(
        GET_ROOM_MESSAGE,
        query.check(),
        |(), params| query.write(params, rid),
        move |reader| read_page(reader, rid, &asked),
    )
}

/// What a page with an unreadable row comes to.
#[must_use]
pub fn unreadable_page(error: DecodeError) -> Error {
    Error::Decode(error.in_answer_to(GET_ROOM_MESSAGE.as_str().into()))
}

/// Reads `{num, lastid, begin, end, msgs}`. The rows count, whatever `num` says.
fn read_page(reader: &mut PayloadReader<'_>, rid: RoomId, asked: &History) -> Result<RawPage, DecodeError> {
    let mut cursor = Cursor::default();
    let mut rows = Rows { messages: Ok(Vec::new()), count: 0, last_id: None };
    while let Some(key) = reader.next_key()? {
        match key {
            b"lastid" => cursor.last_id = reader.optional_int("lastid")?,
            b"begin" => cursor.begin = reader.optional_int("begin")?,
            b"end" => cursor.end = reader.optional_int("end")?,
            b"msgs" => {
                // What follows an unreadable row is read all the same.
                let list = reader.clone();
                reader.skip()?;
                rows = read_rows(list, rid)?;
            }
            _ => reader.skip()?,
        }
    }
    cursor.last_id = cursor.last_id.or(rows.last_id);
    let is_full = rows.count >= usize::from(asked.count);
    let next = if is_full { asked.behind(&cursor) } else { None };
    Ok(RawPage { messages: rows.messages, next })
}

/// The rows of a page, as far as they can be read.
struct Rows {
    messages: Result<Vec<Message>, DecodeError>,
    /// How many there are, deleted ones included.
    count: usize,
    last_id: Option<i64>,
}

fn read_rows(mut list: PayloadReader<'_>, rid: RoomId) -> Result<Rows, DecodeError> {
    let count = list.array_len("msgs")?;
    let mut messages = Vec::with_capacity(count.min(USUAL_PAGE));
    let mut last_id = None;
    for row in 0..count {
        let mut begin = list.clone();
        match read_row(&mut list, rid) {
            Ok((id, message)) => {
                messages.extend(message);
                last_id = Some(id);
            }
            Err(error) => {
                let last_id = read_last_id(&mut begin, count - row).or(last_id);
                return Ok(Rows { messages: Err(error.in_row(row)), count, last_id });
            }
        }
    }
    Ok(Rows { messages: Ok(messages), count, last_id })
}

/// The last id that can be read in so many rows, of which the first is unreadable. The next page begins behind it: were it the id
/// of a row before these, that page would bring the unreadable row again.
fn read_last_id(list: &mut PayloadReader<'_>, rows: usize) -> Option<i64> {
    let mut last_id = None;
    for _ in 0..rows {
        let mut row = list.clone();
        last_id = row.array_len("msgs").ok().filter(|len| *len > 0).and_then(|_| row.int("id").ok()).or(last_id);
        if list.skip().is_err() {
            break;
        }
    }
    last_id
}

/// Reads a row: its id, and its message unless that was deleted.
fn read_row(list: &mut PayloadReader<'_>, rid: RoomId) -> Result<(i64, Option<Message>), DecodeError> {
    let len = list.array_len("msgs")?;
    if len < ROW_LEN {
        return Err(DecodeError::WrongType { key: "msgs", expected: "a list of rows with eight elements each" });
    }
    let id = list.int("id")?;
    let from = list.int("from")?;
    let mtype = read_mtype(list, "mtype")?;
    let mid = list.int("mid")?;
    let is_deleted = list.bool("deleted")?;
    let body = read_body(list, "msg")?;
    let attrs = read_attrs(list, "attrs")?;
    let mtime = list.optional_int("mtime")?;
    for _ in ROW_LEN..len {
        list.skip()?;
    }
    let message = Message { target: Target::Room(rid), from, mid, mtype, body, attrs, mtime };
    Ok((id, (!is_deleted).then_some(message)))
}

#[cfg(test)]
mod tests;
