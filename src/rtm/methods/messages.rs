//! One message of a room: sending, reading, editing, deleting, counting.

use std::time::Duration;

use super::history::History;
use super::{check_type, read_nothing};
use crate::code::ErrorCode;
use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::{MapWriter, MethodName, PayloadReader};
use crate::rtm::{
    Message, MessageBody, MessageId, NewMessage, Request, RoomId, Target, UserId, read_attrs, read_body, read_mtype,
};

const SEND_ROOM_MESSAGE: MethodName<'static> = MethodName::literal("sendroommsg");
const GET_MESSAGE: MethodName<'static> = MethodName::literal("getmsg");
const EDIT_MESSAGE: MethodName<'static> = MethodName::literal("editmsg");
const DELETE_MESSAGE: MethodName<'static> = MethodName::literal("delmsg");
const DELETE_CONVERSATION_MESSAGES: MethodName<'static> = MethodName::literal("delconversationmsgs");
const CLEAN_MESSAGES: MethodName<'static> = MethodName::literal("cleanmsg");
const GET_MESSAGE_NUM: MethodName<'static> = MethodName::literal("getmsgnum");

/// The conversation type of a room, for methods that serve several types.
pub const ROOM_CONVERSATION: i64 = 3;
/// The most bytes of a message's body.
pub const LONGEST_BODY: usize = 20_480;
/// The most bytes of a message's attributes.
pub const LONGEST_ATTRS: usize = 2_048;
/// The `from` of a method that the project itself calls.
const NOBODY: UserId = 0;

/// A message that the server has accepted.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), rtm_server_sdk::Error> {
/// # #[cfg(feature = "gate")] {
/// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
/// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
/// client.add_room_member(42, 1001).call()?;
/// let sent = client.send_room_chat(42, 1001, "hello").call()?;
/// client.delete_room_message(42, 1001, sent.mid).call()?;
/// # }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SentMessage {
    /// The message's id: that of the [`NewMessage`].
    pub mid: MessageId,
    /// When the server accepted it, in milliseconds since the epoch. `None` if the server does not say, as servers of
    /// 2018 do: the message is accepted nevertheless.
    pub mtime: Option<i64>,
}

/// How many messages a room has, and from how many users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageCount {
    /// How many different users sent them.
    pub senders: i64,
    /// How many messages are stored.
    pub messages: i64,
}

/// Sends a message to everybody in a room.
#[must_use]
pub fn send_room_message(rid: RoomId, from: UserId, message: &NewMessage) -> Request<SentMessage> {
    let NewMessage { mid, mtype, .. } = *message;
    Request::with_context(
        SEND_ROOM_MESSAGE,
        check(message),
        |(), params| {
            let params = params.int("mtype", mtype.value().into()).int("from", from).int("rid", rid).int("mid", mid);
            content(params, message)
        },
        move |reader| Ok(SentMessage { mid, mtime: read_mtime(reader)? }),
    )
}

/// Reads one message. The error "not found" counts as no message.
#[must_use]
pub fn get_room_message_info(rid: RoomId, from: UserId, mid: MessageId) -> Request<Option<Message>> {
    let target = Target::Room(rid);
    Request::with_context(
        GET_MESSAGE,
        Ok(()),
        |(), params| names(params, rid, from, mid),
        move |reader| read_message(reader, target, from, mid),
    )
    .error_means(ErrorCode::RTM_EC_MESSAGE_NOT_FOUND, || None)
}

/// Replaces the body and the attributes of a message that is not older than `time_limit`.
#[must_use]
pub fn edit_room_message(rid: RoomId, from: UserId, message: &NewMessage, time_limit: Duration) -> Request<()> {
    Request::checked(
        EDIT_MESSAGE,
        check(message),
        |(), params| content(names(params, rid, from, message.mid), message).int("timeLimit", whole_millis(time_limit)),
        read_nothing,
    )
}

/// Deletes one message.
#[must_use]
pub fn delete_room_message(rid: RoomId, from: UserId, mid: MessageId) -> Request<()> {
    Request::new(DELETE_MESSAGE, |params| names(params, rid, from, mid), read_nothing)
}

/// Deletes all messages of one user in a room.
#[must_use]
pub fn delete_conversation_messages(rid: RoomId, from: UserId) -> Request<()> {
    Request::new(
        DELETE_CONVERSATION_MESSAGES,
        |params| params.int("from", from).int("xid", rid).int("type", ROOM_CONVERSATION),
        read_nothing,
    )
}

/// Deletes the messages of a room within a time range.
#[must_use]
pub fn clean_room_message(rid: RoomId, begin: i64, end: i64) -> Request<()> {
    Request::new(
        CLEAN_MESSAGES,
        |params| {
            let params = params.int("from", NOBODY).int("xid", rid).int("type", ROOM_CONVERSATION);
            params.int("begin", begin).int("end", end)
        },
        read_nothing,
    )
}

/// Counts the messages of a room that have the types and times of `query`.
#[must_use]
pub fn get_room_message_num(rid: RoomId, query: &History) -> Request<MessageCount> {
    Request::checked(
        GET_MESSAGE_NUM,
        query.check_types(),
        |(), params| query.types_and_times(params.int("type", ROOM_CONVERSATION).int("xid", rid)),
        read_count,
    )
}

/// Writes the parameters that identify one message.
fn names(params: MapWriter<'_>, rid: RoomId, from: UserId, mid: MessageId) -> MapWriter<'_> {
    params.int("mid", mid).int("from", from).int("xid", rid).int("type", ROOM_CONVERSATION)
}

fn content<'a>(params: MapWriter<'a>, message: &NewMessage) -> MapWriter<'a> {
    let params = match &message.body {
        MessageBody::Text(text) => params.str("msg", text),
        MessageBody::Binary(bytes) => params.bin("msg", bytes),
    };
    // All of the vendor's SDKs send empty attributes rather than none.
    params.str("attrs", &message.attrs)
}

/// Checks the limits. The server refuses other types with 200005, and more bytes with 200030.
fn check(message: &NewMessage) -> Result<(), ArgumentError> {
    check_type(message.mtype)?;
    let (body, attrs) = (message.body.as_bytes().len(), message.attrs.len());
    if body > LONGEST_BODY {
        Err(ArgumentError::new(format!("the body of a message can have at most {LONGEST_BODY} bytes, not {body}")))
    } else if attrs > LONGEST_ATTRS {
        Err(ArgumentError::new(format!(
            "the attributes of a message can have at most {LONGEST_ATTRS} bytes, not {attrs}"
        )))
    } else {
        Ok(())
    }
}

/// Returns the time in whole milliseconds, rounded up, so that a limit does not end early.
fn whole_millis(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// Reads `{mtime}`; absent means that the server did not send the time.
fn read_mtime(reader: &mut PayloadReader<'_>) -> Result<Option<i64>, DecodeError> {
    let mut mtime = None;
    while let Some(key) = reader.next_key()? {
        match key {
            b"mtime" => mtime = reader.optional_int("mtime")?,
            _ => reader.skip()?,
        }
    }
    Ok(mtime)
}

/// Reads `{id, mtype, msg, attrs, mtime}`. Without the first three, there is no message.
fn read_message(
    reader: &mut PayloadReader<'_>,
    target: Target,
    from: UserId,
    mid: MessageId,
) -> Result<Option<Message>, DecodeError> {
    let (mut id, mut mtype, mut body, mut attrs, mut mtime) = (None, None, None, String::new(), None);
    while let Some(key) = reader.next_key()? {
        match key {
            b"id" => id = reader.optional_int("id")?,
            b"mtype" => mtype = Some(read_mtype(reader, "mtype")?),
            b"msg" => body = Some(read_body(reader, "msg")?),
            b"attrs" => attrs = read_attrs(reader, "attrs")?,
            b"mtime" => mtime = reader.optional_int("mtime")?,
            _ => reader.skip()?,
        }
    }
    if (id, mtype, &body) == (None, None, &None) {
        return Ok(None);
    }
    let mtype = mtype.ok_or(DecodeError::MissingKey("mtype"))?;
    let body = body.ok_or(DecodeError::MissingKey("msg"))?;
    Ok(Some(Message { target, from, mid, mtype, body, attrs, mtime }))
}

/// Reads `{sender, num}`.
fn read_count(reader: &mut PayloadReader<'_>) -> Result<MessageCount, DecodeError> {
    let (mut senders, mut messages) = (None, None);
    while let Some(key) = reader.next_key()? {
        match key {
            b"sender" => senders = Some(reader.int("sender")?),
            b"num" => messages = Some(reader.int("num")?),
            _ => reader.skip()?,
        }
    }
    Ok(MessageCount {
        senders: senders.ok_or(DecodeError::MissingKey("sender"))?,
        messages: messages.ok_or(DecodeError::MissingKey("num"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtm::MessageType;

    fn is_refused(message: NewMessage) -> bool {
        send_room_message(1, 2, &message).quest.is_err()
    }

    #[test]
    fn limits_are_checked_in_bytes() {
        let longest = "é".repeat(LONGEST_BODY / 2);
        assert!(!is_refused(NewMessage::chat(longest.clone())));
        assert!(is_refused(NewMessage::chat(longest.clone() + "x")));
        assert!(is_refused(NewMessage::new(MessageType::FILE, vec![0; LONGEST_BODY + 1])));
        assert!(!is_refused(NewMessage::chat("").attrs("x".repeat(LONGEST_ATTRS))));
        assert!(is_refused(NewMessage::chat("").attrs("x".repeat(LONGEST_ATTRS + 1))));
        let edited = NewMessage::chat(longest + "x");
        assert!(edit_room_message(1, 2, &edited, Duration::ZERO).quest.is_err());
    }

    #[test]
    fn types_are_1_to_127() {
        let refused = |mtype| is_refused(NewMessage::new(MessageType::new(mtype), "x"));
        assert_eq!([0, 1, 127, 128, -1, i32::MIN].map(refused), [true, false, false, true, true, true]);
        let edit = |mtype| edit_room_message(1, 2, &NewMessage::new(MessageType::new(mtype), "x"), Duration::ZERO);
        assert_eq!([0, 1, 127, 128].map(|mtype| edit(mtype).quest.is_err()), [true, false, false, true]);
    }

    #[test]
    fn time_limit_is_rounded_up_to_whole_milliseconds() {
        let micros = |micros| whole_millis(Duration::from_micros(micros));
        assert_eq!([micros(0), micros(1), micros(1_000), micros(1_001)], [0, 1, 1, 2]);
        assert_eq!(whole_millis(Duration::MAX), i64::MAX);
    }

    #[test]
    fn message_without_a_body_is_an_error_that_names_the_key() {
        let info = get_room_message_info(1, 2, 3);
        let error = info.answer.read(0, 0x80, b"\x81\xa5mtype\x1e").unwrap_err();
        assert_eq!(error.to_string(), "the answer to getmsg cannot be read: `msg` is missing");
        assert_eq!(info.answer.read(0, 0x80, b"\x80").unwrap(), None);
    }
}
