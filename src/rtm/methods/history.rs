//! The methods that read the history of a room.

mod page;
mod query;

#[cfg(feature = "unstable-internals")]
pub use page::StoredMessage;
pub use page::{HistoryPage, RawPage, RawQuery};
pub use query::History;
pub(crate) use query::MOST_PER_PAGE;

use crate::error::{DecodeError, Error};
use crate::fpnn::MethodName;
use crate::rtm::{MessageType, Request, RoomId};
use page::read_page;

const GET_ROOM_MESSAGE: MethodName<'static> = MethodName::literal("getroommsg");

/// The types that `get_room_chat` requests: chats, commands and files.
const CHAT_TYPES: [MessageType; 6] = [
    MessageType::CHAT,
    MessageType::CMD,
    MessageType::IMAGE,
    MessageType::AUDIO,
    MessageType::VIDEO,
    MessageType::FILE,
];

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

/// Reads a page of a room's history row by row, and where the next page begins even if some rows cannot be read.
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

/// The error for an unreadable row.
#[must_use]
pub fn unreadable_row(error: DecodeError) -> Error {
    Error::Decode(error.in_answer_to(GET_ROOM_MESSAGE.as_str().into()))
}

#[cfg(test)]
mod tests;
