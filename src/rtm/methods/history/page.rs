//! A page of a room's history: its rows, and where the next page begins.

use super::query::{Cursor, History, MOST_PER_PAGE};
use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::PayloadReader;
use crate::rtm::{Message, RoomId, Target, read_attrs, read_body, read_mtype};

/// The elements of a row. A server may add others behind them.
const ROW_LEN: usize = 8;
/// Room is made at once for the rows of a usual page, and for more only as they come. No more unreadable rows of a page are
/// told: an error takes far more memory than the byte that such a row may be.
const USUAL_PAGE: usize = 64;

/// A query for a page, the first rows of which may have been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawQuery {
    query: History,
    /// Rows right behind the query's cursor, as they came: they have no readable id, so that no cursor leads behind them.
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

/// A page, row by row.
#[derive(Debug)]
pub struct RawPage {
    /// The messages in their order. In the place of a row that cannot be read, what is wrong with it.
    pub rows: Vec<Result<Message, DecodeError>>,
    /// The query for the next page; `None` at the end of the history.
    pub next: Option<RawQuery>,
}

/// The rows of a page.
#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Result<Message, DecodeError>>,
    /// How many there are, deleted ones included, and those that were read before.
    count: usize,
    /// The last id that can be read.
    last_id: Option<i64>,
    /// The rows behind that.
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

    /// The query as it is sent: rows that were read must not fill the page.
    pub(super) fn widened(&self) -> History {
        let read = u16::try_from(self.read.len()).unwrap_or(MOST_PER_PAGE);
        let count = self.query.count.saturating_add(read).min(MOST_PER_PAGE);
        History { count, ..self.query.clone() }
    }

    /// The query for the page behind one with this end and these rows.
    fn behind(&self, cursor: &Cursor, rows: Rows) -> Option<RawQuery> {
        if rows.count < usize::from(self.query.count) {
            return None;
        }
        // Zero means "not given".
        if let Some(last_id) = cursor.last_id.filter(|id| *id != 0) {
            return self.query.behind(cursor, last_id).map(RawQuery::from);
        }
        if rows.behind.len() >= usize::from(MOST_PER_PAGE) {
            // The largest page would bring these rows, and nothing new.
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
    /// The page, if all of its rows can be read.
    pub(super) fn into_whole(self) -> Result<HistoryPage, DecodeError> {
        let messages = self.rows.into_iter().collect::<Result<_, _>>()?;
        Ok(HistoryPage { messages, next: self.next.map(|next| next.query) })
    }
}

/// Reads `{num, lastid, begin, end, msgs}`. The rows count, whatever `num` says.
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

/// Reads the rows, but for those at their beginning that were `read` before.
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
                // Some of those may be gone since.
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
    /// There is a row with this id.
    fn pass(&mut self, id: i64) {
        self.last_id = Some(id);
        self.behind.clear();
    }

    /// There is a row without a readable id.
    fn add_behind(&mut self, raw: &[u8]) {
        if self.behind.len() < MOST_PER_PAGE.into() {
            self.behind.push(raw.into());
        }
    }
}

/// The id of a row that cannot be read otherwise.
fn read_id(mut row: PayloadReader<'_>) -> Option<i64> {
    let len = row.array_len("msgs").ok()?;
    if len > 0 { row.int("id").ok() } else { None }
}

/// Reads a row: its id, and its message unless that was deleted.
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

/// A message as a server keeps it.
#[cfg(feature = "unstable-internals")]
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub message: Message,
    /// Its place in the history stays.
    pub is_deleted: bool,
}

#[cfg(feature = "unstable-internals")]
impl History {
    /// The page that a server answers with that has these messages, oldest first, and gives at most `most` at once.
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
