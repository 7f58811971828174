//! Messages: those to send, and those in histories and pushes.

use std::fmt;

use super::ids::{MessageId, RoomId, UserId, next_mid};
use crate::error::DecodeError;
use crate::fpnn::{PayloadReader, RawString};

/// The type of a message: a number, some of which the vendor defines.
///
/// The server accepts 1..=127. Numbers up to 50 are the vendor's, those from 51 on are free for users. Numbers that
/// this version does not know are kept unchanged.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::MessageType;
///
/// let score = MessageType::new(100);
/// assert_eq!(score.value(), 100);
/// assert_ne!(score, MessageType::CHAT);
/// assert_eq!(MessageType::new(30), MessageType::CHAT);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType(i32);

impl MessageType {
    /// A chat: a text that a person wrote (30).
    pub const CHAT: MessageType = MessageType(30);
    /// A command for the receiver's program (32).
    pub const CMD: MessageType = MessageType(32);
    /// An image (40). The body of this and of the other file types is a JSON text: `{url, size, surl}`.
    pub const IMAGE: MessageType = MessageType(40);
    /// An audio recording (41).
    pub const AUDIO: MessageType = MessageType(41);
    /// A video (42).
    pub const VIDEO: MessageType = MessageType(42);
    /// Any other file (50).
    pub const FILE: MessageType = MessageType(50);

    /// Makes the type with this number. Sending a message with a number outside 1..=127 fails.
    #[must_use]
    pub const fn new(value: i32) -> MessageType {
        MessageType(value)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }
}

impl From<i32> for MessageType {
    fn from(value: i32) -> MessageType {
        MessageType(value)
    }
}

impl From<MessageType> for i32 {
    fn from(mtype: MessageType) -> i32 {
        mtype.0
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The content of a message: text or bytes, delivered as it was sent.
///
/// A text that is not UTF-8, which only other clients can send, arrives as [`Binary`](MessageBody::Binary).
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::MessageBody;
///
/// let text = MessageBody::from("hello");
/// assert_eq!((text.as_str(), text.as_bytes()), (Some("hello"), &b"hello"[..]));
///
/// let binary = MessageBody::from(vec![0xff, 0x00]);
/// assert_eq!((binary.as_str(), binary.as_bytes()), (None, &[0xff, 0x00][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MessageBody {
    /// A text: `str` on the wire.
    Text(String),
    /// Bytes: `bin` on the wire.
    Binary(Vec<u8>),
}

impl MessageBody {
    /// The text; `None` for a binary body, even if its bytes are UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            MessageBody::Text(text) => Some(text),
            MessageBody::Binary(_) => None,
        }
    }

    /// The bytes of either kind of body.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            MessageBody::Text(text) => text.as_bytes(),
            MessageBody::Binary(bytes) => bytes,
        }
    }
}

/// Reads the body of a message. Nil counts as an empty text.
///
/// # Errors
///
/// The value is not a string.
pub(crate) fn read_body(reader: &mut PayloadReader<'_>, key: &'static str) -> Result<MessageBody, DecodeError> {
    Ok(match reader.optional_raw_string(key)? {
        None => MessageBody::Text(String::new()),
        Some(RawString::Bin(bytes)) => bytes.into(),
        Some(RawString::Str(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => bytes.into(),
        },
    })
}

/// Reads the attributes of a message. Nil becomes an empty text, and bytes that are not UTF-8 become replacement
/// characters.
///
/// # Errors
///
/// The value is not a string.
pub(crate) fn read_attrs(reader: &mut PayloadReader<'_>, key: &'static str) -> Result<String, DecodeError> {
    Ok(match reader.optional_raw_string(key)? {
        None => String::new(),
        Some(RawString::Str(bytes) | RawString::Bin(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// Reads the type of a message.
///
/// # Errors
///
/// The value is not an integer of 32 bits.
pub(crate) fn read_mtype(reader: &mut PayloadReader<'_>, key: &'static str) -> Result<MessageType, DecodeError> {
    let value = i32::try_from(reader.int(key)?);
    value.map(MessageType).map_err(|_| DecodeError::WrongType { key, expected: "a 32-bit integer" })
}

impl From<&str> for MessageBody {
    fn from(text: &str) -> MessageBody {
        MessageBody::Text(text.to_owned())
    }
}

impl From<String> for MessageBody {
    fn from(text: String) -> MessageBody {
        MessageBody::Text(text)
    }
}

impl From<&[u8]> for MessageBody {
    fn from(bytes: &[u8]) -> MessageBody {
        MessageBody::Binary(bytes.to_vec())
    }
}

impl From<Vec<u8>> for MessageBody {
    fn from(bytes: Vec<u8>) -> MessageBody {
        MessageBody::Binary(bytes)
    }
}

/// A message to be sent. It gets its id when it is made, so sending it again cannot show it twice.
///
/// The server refuses a message whose id it has seen from the same sender in the same room, with
/// [`RTM_EC_DUPLICATED_MID`](crate::ErrorCode::RTM_EC_DUPLICATED_MID). A caller that does not know whether the server
/// accepted a message (after a timeout or a lost connection) sends the same value again: success and this error both
/// mean that the message is there once.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{MessageType, NewMessage};
///
/// let hello = NewMessage::chat("hello");
/// let score = NewMessage::new(MessageType::new(100), vec![3, 1]).attrs(r#"{"round":7}"#);
/// assert_ne!(hello.mid(), score.mid());
///
/// // An id of the caller's own, from a database for example.
/// assert_eq!(NewMessage::cmd("mute").with_mid(4711).mid(), 4711);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewMessage {
    pub(crate) mid: MessageId,
    pub(crate) mtype: MessageType,
    pub(crate) body: MessageBody,
    pub(crate) attrs: String,
}

impl NewMessage {
    /// Makes a chat: a text that a person wrote.
    #[must_use]
    pub fn chat(text: impl Into<String>) -> NewMessage {
        NewMessage::new(MessageType::CHAT, text.into())
    }

    /// Makes a command for the receivers' programs.
    #[must_use]
    pub fn cmd(text: impl Into<String>) -> NewMessage {
        NewMessage::new(MessageType::CMD, text.into())
    }

    /// Makes a message of any type, 1..=127, with a body of at most 20,480 bytes. A message outside these limits fails
    /// with `InvalidArgument` when it is sent.
    #[must_use]
    pub fn new(mtype: MessageType, body: impl Into<MessageBody>) -> NewMessage {
        NewMessage { mid: next_mid(), mtype, body: body.into(), attrs: String::new() }
    }

    /// Sets the attributes: free text beside the body, by convention JSON, of at most 2,048 bytes. Default: empty.
    #[must_use]
    pub fn attrs(mut self, attrs: impl Into<String>) -> NewMessage {
        self.attrs = attrs.into();
        self
    }

    /// Replaces the id of the message, with one of the caller's own or with that of a message to be edited.
    #[must_use]
    pub fn with_mid(mut self, mid: MessageId) -> NewMessage {
        self.mid = mid;
        self
    }

    /// The message's id.
    #[must_use]
    pub fn mid(&self) -> MessageId {
        self.mid
    }
}

/// The receiver of a message.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::Target;
///
/// assert_ne!(Target::Room(42), Target::Group(42));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Everybody in a room.
    Room(RoomId),
    /// Everybody in a group.
    Group(i64),
    /// One user.
    User(UserId),
}

/// A message from the server, in a history or in a push.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{Message, MessageType, Target};
///
/// let message = Message {
///     target: Target::Room(42),
///     from: 1001,
///     mid: 4711,
///     mtype: MessageType::CHAT,
///     body: "hello".into(),
///     attrs: String::new(),
///     mtime: Some(1_700_000_000_000),
/// };
/// assert_eq!(message.body.as_str(), Some("hello"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Where it was sent.
    pub target: Target,
    /// Who sent it.
    pub from: UserId,
    /// Its id, chosen by the sender: unique per target and sender.
    pub mid: MessageId,
    /// Its type.
    pub mtype: MessageType,
    /// Its content.
    pub body: MessageBody,
    /// The sender's attributes; empty if there are none.
    pub attrs: String,
    /// When the server accepted it, in milliseconds since the epoch. `None` if the server does not say.
    pub mtime: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_keeps_its_id_when_it_is_cloned_or_changed() {
        let message = NewMessage::chat("hello");
        let mid = message.mid();
        assert!(mid > 0);
        assert_eq!(message.clone().mid(), mid);
        assert_eq!(message.attrs("{}").mid(), mid);
    }

    #[test]
    fn text_and_bytes_keep_their_kind() {
        let bodies: [MessageBody; 4] = ["a".into(), String::from("a").into(), b"a"[..].into(), vec![b'a'].into()];
        assert_eq!(bodies.each_ref().map(|body| body.as_str()), [Some("a"), Some("a"), None, None]);
        assert!(bodies.iter().all(|body| body.as_bytes() == b"a"));
    }
}
