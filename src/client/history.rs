//! The history of a room: the functions of a client, and the iterator over all pages.

use std::fmt;
use std::iter::FusedIterator;
use std::vec;

use super::{Call, Client};
use crate::error::{DecodeError, Error};
use crate::rtm::methods::history::{self, History, HistoryPage, RawPage, RawQuery};
use crate::rtm::{Message, RoomId};

/// # History of rooms
impl Client {
    /// Reads one page of the history of the room `rid` (`getroommsg`). [`HistoryPage::next`] is the query for the next
    /// page. [`room_messages`](Client::room_messages) iterates over all pages.
    ///
    /// Deleted messages are left out. A server keeps 500 messages of a room for 7 days (figures of 2018): chats by
    /// default, other types if they are enabled in the project's console.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for a count outside 1..=20 or a type outside 1..=127.
    /// [`Decode`](crate::Error::Decode) if any row of the page cannot be read: it names the row.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::History;
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// for text in ["one", "two", "three"] {
    ///     client.send_room_chat(42, 1001, text).call()?;
    /// }
    /// let page = client.get_room_message(42, &History::latest().count(2)).call()?;
    /// let texts: Vec<_> = page.messages.iter().filter_map(|message| message.body.as_str()).collect();
    /// assert_eq!(texts, ["three", "two"]);
    ///
    /// let next = page.next.expect("the page was full");
    /// let page = client.get_room_message(42, &next).call()?;
    /// assert_eq!(page.messages[0].body.as_str(), Some("one"));
    /// assert_eq!(page.next, None);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_message(&self, rid: RoomId, query: &History) -> Call<'_, HistoryPage> {
        Call::new(self, history::get_room_message(rid, query))
    }

    /// Reads one page of the chats, commands and files in the room `rid`: messages of the types 30, 32, 40, 41, 42 and
    /// 50, whatever types `query` names (`getroommsg`).
    ///
    /// # Errors
    ///
    /// Those of [`get_room_message`](Client::get_room_message).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{History, MessageType, NewMessage};
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// client.send_room_chat(42, 1001, "hello").call()?;
    /// client.send_room_message(42, 1001, &NewMessage::new(MessageType::new(100), "score")).call()?;
    /// let chats = client.get_room_chat(42, &History::latest()).call()?;
    /// assert_eq!(chats.messages.len(), 1);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_chat(&self, rid: RoomId, query: &History) -> Call<'_, HistoryPage> {
        Call::new(self, history::get_room_chat(rid, query))
    }

    /// Iterates over the history of the room `rid`, page after page of the size in `query` (`getroommsg`).
    ///
    /// A page is asked for when the last message of the one before has been taken, never ahead: `next` blocks for that
    /// call, and nothing is asked for that the caller does not want. Messages that arrive or are deleted meanwhile
    /// neither repeat nor hide others.
    ///
    /// An unreadable row is an `Err` in its place, after which the iterator continues. Any other failure of a call is the
    /// last item. The iterator also ends if the server's cursor does not advance.
    ///
    /// # Errors
    ///
    /// Each item can be an error of [`get_room_message`](Client::get_room_message).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{Error, History};
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// for text in ["one", "two", "three"] {
    ///     client.send_room_chat(42, 1001, text).call()?;
    /// }
    /// let history = client.room_messages(42, History::oldest().count(2));
    /// let texts: Result<Vec<_>, Error> = history.map(|message| Ok(message?.body.as_str().unwrap_or("").to_owned())).collect();
    /// assert_eq!(texts?, ["one", "two", "three"]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn room_messages(&self, rid: RoomId, query: History) -> RoomMessages<'_> {
        RoomMessages { client: self, rid, page: Vec::new().into_iter(), next: Some(query.into()) }
    }
}

/// The messages of a room's history, page after page. Made by [`Client::room_messages`].
#[must_use = "an iterator asks for nothing before its first `next`"]
pub struct RoomMessages<'a> {
    client: &'a Client,
    rid: RoomId,
    /// The rest of the current page.
    page: vec::IntoIter<Result<Message, DecodeError>>,
    /// The query for the next page; `None` at the end.
    next: Option<RawQuery>,
}

impl RoomMessages<'_> {
    fn read_page(&mut self, query: RawQuery) -> Result<(), Error> {
        let request = history::get_raw_page(self.rid, query);
        let RawPage { rows, next } = Call::new(self.client, request).call()?;
        if rows.iter().any(Result::is_err) {
            self.client.inner.shared.state.counters.undecodable.increment();
        }
        self.page = rows.into_iter();
        self.next = next;
        Ok(())
    }
}

impl Iterator for RoomMessages<'_> {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Result<Message, Error>> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(row.map_err(history::unreadable_row));
            }
            let query = self.next.take()?;
            if let Err(error) = self.read_page(query) {
                return Some(Err(error));
            }
        }
    }
}

impl FusedIterator for RoomMessages<'_> {}

impl fmt::Debug for RoomMessages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomMessages").field("rid", &self.rid).field("next", &self.next).finish_non_exhaustive()
    }
}
