//! Single messages of a room: the functions of a client.

use std::time::Duration;

use super::{Call, Client};
use crate::rtm::methods::history::History;
use crate::rtm::methods::messages::{self, MessageCount, SentMessage};
use crate::rtm::{Message, MessageId, NewMessage, RoomId, UserId};

/// # Messages in rooms
impl Client {
    /// Sends `message` from the user `from` to everybody in the room `rid` (`sendroommsg`).
    ///
    /// The client never sends a message twice by itself. A caller that does not know whether the server accepted a
    /// message (after a timeout or a lost connection) sends the same value again: thanks to its id, the server keeps it
    /// once.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for a type outside 1..=127, a body over 20,480 bytes, or
    /// attributes over 2,048 bytes. From the server: [`RTM_EC_NOT_IN_ROOM`](crate::ErrorCode::RTM_EC_NOT_IN_ROOM),
    /// [`RTM_EC_BANNED_IN_ROOM`](crate::ErrorCode::RTM_EC_BANNED_IN_ROOM),
    /// [`RTM_EC_SENSITIVE_WORDS`](crate::ErrorCode::RTM_EC_SENSITIVE_WORDS), and
    /// [`RTM_EC_DUPLICATED_MID`](crate::ErrorCode::RTM_EC_DUPLICATED_MID): the message was sent before.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{Error, ErrorCode, NewMessage};
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    ///
    /// let message = NewMessage::chat("hello").attrs(r#"{"lang":"en"}"#);
    /// let sent = client.send_room_message(42, 1001, &message).call()?;
    /// assert_eq!(sent.mid, message.mid());
    ///
    /// // Sending the same value again is safe.
    /// match client.send_room_message(42, 1001, &message).call() {
    ///     Err(Error::Answer(error)) => assert_eq!(error.code(), ErrorCode::RTM_EC_DUPLICATED_MID),
    ///     outcome => panic!("{outcome:?}"),
    /// }
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn send_room_message(&self, rid: RoomId, from: UserId, message: &NewMessage) -> Call<'_, SentMessage> {
        Call::new(self, messages::send_room_message(rid, from, message))
    }

    /// Sends a chat, a text that a person wrote, from the user `from` to everybody in the room `rid` (`sendroommsg`).
    ///
    /// This function makes the message, so its id is known only from the result. To be able to send it again after a
    /// failure, make a [`NewMessage`] and use [`send_room_message`](Client::send_room_message).
    ///
    /// # Errors
    ///
    /// Those of [`send_room_message`](Client::send_room_message).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// client.send_room_chat(42, 1001, "hello").call()?;
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn send_room_chat(&self, rid: RoomId, from: UserId, text: &str) -> Call<'_, SentMessage> {
        self.send_room_message(rid, from, &NewMessage::chat(text))
    }

    /// Sends a command, a text for the receivers' programs, from the user `from` to everybody in the room `rid`
    /// (`sendroommsg`).
    ///
    /// As with [`send_room_chat`](Client::send_room_chat), the id is known only from the result.
    ///
    /// # Errors
    ///
    /// Those of [`send_room_message`](Client::send_room_message).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// client.send_room_cmd(42, 1001, r#"{"scene":"night"}"#).call()?;
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn send_room_cmd(&self, rid: RoomId, from: UserId, text: &str) -> Call<'_, SentMessage> {
        self.send_room_message(rid, from, &NewMessage::cmd(text))
    }

    /// Reads the message `mid` that `from` sent to the room `rid` (`getmsg`). Returns `None` if there is no such
    /// message: it was never sent, was deleted, or is no longer stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// let sent = client.send_room_chat(42, 1001, "hello").call()?;
    ///
    /// let message = client.get_room_message_info(42, 1001, sent.mid).call()?.expect("it was just sent");
    /// assert_eq!(message.body.as_str(), Some("hello"));
    /// assert_eq!(client.get_room_message_info(42, 1001, sent.mid + 1).call()?, None);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_message_info(&self, rid: RoomId, from: UserId, mid: MessageId) -> Call<'_, Option<Message>> {
        Call::new(self, messages::get_room_message_info(rid, from, mid))
    }

    /// Replaces the body and the attributes of the message with the id [`message.mid()`](NewMessage::mid) that `from`
    /// sent to the room `rid` (`editmsg`). Its type does not change.
    ///
    /// The server refuses the edit if the message is older than `time_limit`, which is sent in whole milliseconds,
    /// rounded up.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for a type outside 1..=127, a body over 20,480 bytes, or
    /// attributes over 2,048 bytes. From a server that does not know the method:
    /// [`FPNN_EC_CORE_UNKNOWN_METHOD`](crate::ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::NewMessage;
    /// use std::time::Duration;
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// let sent = client.send_room_chat(42, 1001, "helo").call()?;
    ///
    /// let corrected = NewMessage::chat("hello").with_mid(sent.mid);
    /// client.edit_room_message(42, 1001, &corrected, Duration::from_secs(600)).call()?;
    /// let message = client.get_room_message_info(42, 1001, sent.mid).call()?.expect("it is still there");
    /// assert_eq!(message.body.as_str(), Some("hello"));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn edit_room_message(
        &self,
        rid: RoomId,
        from: UserId,
        message: &NewMessage,
        time_limit: Duration,
    ) -> Call<'_, ()> {
        Call::new(self, messages::edit_room_message(rid, from, message, time_limit))
    }

    /// Deletes the message `mid` that `from` sent to the room `rid` (`delmsg`).
    ///
    /// # Errors
    ///
    /// [`RTM_EC_MESSAGE_NOT_FOUND`](crate::ErrorCode::RTM_EC_MESSAGE_NOT_FOUND) from the server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// let sent = client.send_room_chat(42, 1001, "hello").call()?;
    /// client.delete_room_message(42, 1001, sent.mid).call()?;
    /// assert_eq!(client.get_room_message_info(42, 1001, sent.mid).call()?, None);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn delete_room_message(&self, rid: RoomId, from: UserId, mid: MessageId) -> Call<'_, ()> {
        Call::new(self, messages::delete_room_message(rid, from, mid))
    }

    /// Deletes all messages that `from` sent to the room `rid` (`delconversationmsgs`).
    ///
    /// # Errors
    ///
    /// [`FPNN_EC_CORE_UNKNOWN_METHOD`](crate::ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD) from a server that does not know
    /// the method.
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
    /// client.send_room_chat(42, 1001, "hello").call()?;
    /// client.delete_conversation_messages(42, 1001).call()?;
    /// assert!(client.get_room_message(42, &History::latest()).call()?.messages.is_empty());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn delete_conversation_messages(&self, rid: RoomId, from: UserId) -> Call<'_, ()> {
        Call::new(self, messages::delete_conversation_messages(rid, from))
    }

    /// Deletes all messages of the room `rid` from `begin` to `end`, in milliseconds since the epoch (`cleanmsg`).
    ///
    /// # Errors
    ///
    /// [`FPNN_EC_CORE_UNKNOWN_METHOD`](crate::ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD) from a server that does not know
    /// the method.
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
    /// let mtime = client.send_room_chat(42, 1001, "hello").call()?.mtime.expect("the gate sends it");
    /// client.clean_room_message(42, mtime, mtime).call()?;
    /// assert!(client.get_room_message(42, &History::latest()).call()?.messages.is_empty());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn clean_room_message(&self, rid: RoomId, begin: i64, end: i64) -> Call<'_, ()> {
        Call::new(self, messages::clean_room_message(rid, begin, end))
    }

    /// Counts the stored messages of the room `rid`, and the users who sent them (`getmsgnum`). Only the types and
    /// times of `query` matter.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for a type outside 1..=127.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{History, MessageType};
    ///
    /// client.add_room_member(42, 1001).call()?; // Only members can speak.
    /// client.send_room_chat(42, 1001, "hello").call()?;
    /// client.send_room_cmd(42, 1001, "mute").call()?;
    /// let chats = client.get_room_message_num(42, &History::latest().types(&[MessageType::CHAT])).call()?;
    /// assert_eq!((chats.senders, chats.messages), (1, 1));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_message_num(&self, rid: RoomId, query: &History) -> Call<'_, MessageCount> {
        Call::new(self, messages::get_room_message_num(rid, query))
    }
}
