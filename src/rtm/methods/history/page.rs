//! A page of a room's history: its rows, and where the next page begins.

use super::query::{Cursor, History, MOST_PER_PAGE};
use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::PayloadReader;
use crate::rtm::{Message, RoomId, Target, read_attrs, read_body, read_mtype};

/// The number of elements in a row. A server may append others.
const ROW_LEN: usize = 8;
/// Memory for this many rows is allocated at once, which suffices for a usual page. It also limits the unreadable rows
/// of a page that are reported: an error takes far more memory than such a row, which may be a single byte.
const USUAL_PAGE: usize = 64;

/// A query for a page whose first rows may already have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawQuery {
    query: History,
    /// The bytes of rows right behind the query's cursor. They have no readable id, so no cursor can skip them.
    read: Vec<Box<[u8]>>,
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

/// A page of a room's history, row by row.
#[derive(Debug)]
pub struct RawPage {
    /// The messages in order. An unreadable row is an error in its place.
    pub rows: Vec<Result<Message, DecodeError>>,
    /// The query for the next page; `None` at the end of the history.
    pub next: Option<RawQuery>,
}

/// The rows of a page.
#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Result<Message, DecodeError>>,
    /// The number of rows, including deleted ones and those read before.
    count: usize,
    /// The last readable id.
    last_id: Option<i64>,
    /// The rows after that id.
    behind: Vec<Box<[u8]>>,
}

impl From<History> for RawQuery {
    fn from(query: History) -> RawQuery {
        RawQuery { query, read: Vec::new() }
    }
}

impl RawQuery {
    pub(super) fn check(&self) -> Result<(), ArgumentError> {
        self.query.check()
    }

    /// Returns the query to send. It requests more rows, so that rows already read do not fill the page.
    pub(super) fn widened(&self) -> History {
        let read = u16::try_from(self.read.len()).unwrap_or(MOST_PER_PAGE);
        let count = self.query.count.saturating_add(read).min(MOST_PER_PAGE);
        History { count, ..self.query.clone() }
    }

    /// Returns the query for the page after one with this cursor and these rows.
    fn behind(&self, cursor: &Cursor, rows: Rows) -> Option<RawQuery> {
        if rows.count < usize::from(self.query.count) {
            return None;
        }
        // Zero means "not given".
        if let Some(last_id) = cursor.last_id.filter(|id| *id != 0) {
            return self.query.behind(cursor, last_id).map(RawQuery::from);
        }
        if rows.behind.len() >= usize::from(MOST_PER_PAGE) {
            // Even the largest page would contain only these rows.
            return None;
        }
        match rows.last_id {
            Some(last_id) => {
                let query = self.query.behind(cursor, last_id)?;
                Some(RawQuery { query, read: rows.behind })
            }
            None => {
                let has_new = rows.behind.len() > self.read.len();
                has_new.then(|| RawQuery { query: self.query.clone(), read: rows.behind })
            }
        }
    }
}

impl RawPage {
    /// Returns the page if all of its rows can be read.
    pub(super) fn into_whole(self) -> Result<HistoryPage, DecodeError> {
        let messages = self.rows.into_iter().collect::<Result<_, _>>()?;
        Ok(HistoryPage { messages, next: self.next.map(|next| next.query) })
    }
}

/// Reads `{num, lastid, begin, end, msgs}`. Counts the rows itself, whatever `num` says.
pub(super) fn read_page(reader: &mut PayloadReader<'_>, rid: RoomId, asked: &RawQuery) -> Result<RawPage, DecodeError> {
    let mut cursor = Cursor::default();
    let mut rows = Rows::default();
    while let Some(key) = reader.next_key()? {
        match key {
            b"lastid" => cursor.last_id = reader.optional_int("lastid")?,
            b"begin" => cursor.begin = reader.optional_int("begin")?,
            b"end" => cursor.end = reader.optional_int("end")?,
            b"msgs" => rows = read_rows(reader, rid, &asked.read)?,
            _ => reader.skip()?,
        }
    }
    let messages = std::mem::take(&mut rows.rows);
    Ok(RawPage { rows: messages, next: asked.behind(&cursor, rows) })
}

/// Reads the rows, except for those at the beginning that are in `read`.
fn read_rows(list: &mut PayloadReader<'_>, rid: RoomId, mut read: &[Box<[u8]>]) -> Result<Rows, DecodeError> {
    let count = list.array_len("msgs")?;
    let mut rows = Rows { rows: Vec::with_capacity(count.min(USUAL_PAGE)), count, ..Rows::default() };
    let mut unreadable = 0;
    for row in 0..count {
        let begin = list.clone();
        let error = match read_row(list, rid) {
            Ok((id, message)) => {
                rows.pass(id);
                rows.rows.extend(message.map(Ok));
                read = &[];
                continue;
            }
            Err(error) => error,
        };
        *list = begin.clone();
        list.skip()?;
        let raw = &begin.rest()[..begin.rest().len() - list.rest().len()];
        match read_id(begin) {
            Some(id) => rows.pass(id),
            None => {
                rows.add_behind(raw);
                // Some of the rows read before may have been deleted since.
                if let Some(at) = read.iter().position(|before| **before == *raw) {
                    read = &read[at + 1..];
                    continue;
                }
            }
        }
        read = &[];
        unreadable += 1;
        if unreadable <= USUAL_PAGE {
            rows.rows.push(Err(error.in_row(row)));
        }
    }
    Ok(rows)
}

impl Rows {
    /// Records a row with this id.
    fn pass(&mut self, id: i64) {
        self.last_id = Some(id);
        self.behind.clear();
    }

    /// Records a row without a readable id.
    fn add_behind(&mut self, raw: &[u8]) {
        if self.behind.len() < MOST_PER_PAGE.into() {
            self.behind.push(raw.into());
        }
    }
}

/// Reads only the id of a row.
fn read_id(mut row: PayloadReader<'_>) -> Option<i64> {
    let len = row.array_len("msgs").ok()?;
    if len > 0 { row.int("id").ok() } else { None }
}

/// Reads a row: its id, and its message unless it was deleted.
fn read_row(row: &mut PayloadReader<'_>, rid: RoomId) -> Result<(i64, Option<Message>), DecodeError> {
    let len = row.array_len("msgs")?;
    if len < ROW_LEN {
        return Err(DecodeError::WrongType { key: "msgs", expected: "a list of rows with eight elements each" });
    }
    let id = row.int("id")?;
    let from = row.int("from")?;
    let mtype = read_mtype(row, "mtype")?;
    let mid = row.int("mid")?;
    let is_deleted = row.bool("deleted")?;
    let body = read_body(row, "msg")?;
    let attrs = read_attrs(row, "attrs")?;
    let mtime = row.optional_int("mtime")?;
    for _ in ROW_LEN..len {
        row.skip()?;
    }
    let message = Message { target: Target::Room(rid), from, mid, mtype, body, attrs, mtime };
    Ok((id, (!is_deleted).then_some(message)))
}

/// A message as a server stores it.
#[cfg(feature = "unstable-internals")]
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub message: Message,
    /// A deleted message keeps its place in the history.
    pub is_deleted: bool,
}

#[cfg(feature = "unstable-internals")]
impl History {
    /// Returns the page that a server would answer with if it stores these messages, oldest first, and sends at most
    /// `most` at once.
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
