//! Pushes: the quests with which the server reports events (`docs/protocol.md`), and their readers.

#![allow(
    clippy::unnecessary_lazy_evaluations,
    reason = "an error that is made for nothing must be dropped again, which shows in every push that is read"
)]

mod list;

pub use list::{PushList, PushParts};

use super::{MessageId, MessageType, Target, UserId};
use crate::error::DecodeError;
use crate::fpnn::{PayloadReader, RawString};

/// The methods that a server calls on a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushMethod {
    /// `pushmsg`: a message from user to user.
    UserMessage,
    /// `pushgroupmsg`: a message to a group.
    GroupMessage,
    /// `pushroommsg`: a message to a room.
    RoomMessage,
    /// `pushevent`: something that a user did.
    Event,
    /// `ping`: RTM's own keep-alive, which is not delivered.
    Ping,
}

impl PushMethod {
    /// Looks up a method. Names are compared byte by byte.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<PushMethod> {
        match name {
            b"pushmsg" => Some(PushMethod::UserMessage),
            b"pushgroupmsg" => Some(PushMethod::GroupMessage),
            b"pushroommsg" => Some(PushMethod::RoomMessage),
            b"pushevent" => Some(PushMethod::Event),
            b"ping" => Some(PushMethod::Ping),
            _ => None,
        }
    }
}

/// An event: something that a user did, such as `login` or `logout`.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::Event;
///
/// let event = Event {
///     pid: 80000001,
///     name: "login".into(),
///     uid: 1001,
///     time: 1_700_000_000,
///     endpoint: "10.0.0.1:13321".into(),
///     data: None,
/// };
/// assert_eq!(event.name, "login");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// The project.
    pub pid: i32,
    /// What happened: `login`, `logout`, or a name that later servers add.
    pub name: String,
    /// The user.
    pub uid: i64,
    /// When it happened, in seconds since the epoch.
    pub time: i64,
    /// Where the user is connected.
    pub endpoint: String,
    /// Further data, if the server sends any.
    pub data: Option<String>,
}

/// A push with all its keys, each of the right type. It borrows the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushRef<'a> {
    Message(MessageRef<'a>),
    Event(EventRef<'a>),
}

/// A pushed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRef<'a> {
    pub target: Target,
    pub from: UserId,
    pub mid: MessageId,
    pub mtype: MessageType,
    /// Only its msgpack kind distinguishes text from bytes.
    pub body: RawString<'a>,
    pub attrs: &'a [u8],
    pub mtime: Option<i64>,
}

/// A pushed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    pub pid: i32,
    pub name: &'a [u8],
    pub uid: UserId,
    pub time: i64,
    pub endpoint: &'a [u8],
    pub data: Option<&'a [u8]>,
}

impl<'a> PushRef<'a> {
    /// Reads the payload of a push. Returns `None` for a ping. Ignores unknown keys, and bytes after the map.
    ///
    /// # Errors
    ///
    /// A key is missing, or holds a value of the wrong kind. `attrs` and `mtime` of a message and `data` of an event
    /// may be missing.
    pub fn read(method: PushMethod, payload: &'a [u8]) -> Result<Option<PushRef<'a>>, DecodeError> {
        let message = |key, target: fn(i64) -> Target| MessageRef::read(payload, key, target).map(PushRef::Message);
        match method {
            PushMethod::UserMessage => message("to", Target::User).map(Some),
            PushMethod::GroupMessage => message("gid", Target::Group).map(Some),
            PushMethod::RoomMessage => message("rid", Target::Room).map(Some),
            PushMethod::Event => EventRef::read(payload).map(|event| Some(PushRef::Event(event))),
            PushMethod::Ping => Ok(None),
        }
    }
}

impl<'a> MessageRef<'a> {
    fn read(payload: &'a [u8], target_key: &'static str, target: fn(i64) -> Target) -> Result<Self, DecodeError> {
        let (mut to, mut from, mut mid, mut mtype, mut body) = (None, None, None, None, None);
        let (mut attrs, mut mtime) = (&[][..], None);
        let mut reader = PayloadReader::open(payload)?;
        while let Some(key) = reader.next_key()? {
            match key {
                b"from" => from = Some(reader.integral("from")?),
                b"mid" => mid = Some(reader.integral("mid")?),
                b"mtype" => mtype = Some(read_mtype(&mut reader)?),
                b"msg" => body = reader.optional_raw_string("msg")?,
                b"attrs" => attrs = reader.optional_bytes("attrs")?.unwrap_or_default(),
                b"mtime" => mtime = reader.optional_int("mtime")?,
                key if key == target_key.as_bytes() => to = Some(reader.integral(target_key)?),
                _ => reader.skip()?,
            }
        }
        Ok(MessageRef {
            target: target(to.ok_or_else(|| DecodeError::MissingKey(target_key))?),
            from: from.ok_or_else(|| DecodeError::MissingKey("from"))?,
            mid: mid.ok_or_else(|| DecodeError::MissingKey("mid"))?,
            mtype: mtype.ok_or_else(|| DecodeError::MissingKey("mtype"))?,
            body: body.ok_or_else(|| DecodeError::MissingKey("msg"))?,
            attrs,
            mtime,
        })
    }
}

impl<'a> EventRef<'a> {
    fn read(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut pid, mut name, mut uid, mut time, mut endpoint, mut data) = (None, None, None, None, None, None);
        let mut reader = PayloadReader::open(payload)?;
        while let Some(key) = reader.next_key()? {
            match key {
                b"pid" => pid = Some(read_pid(&mut reader)?),
                b"event" => name = Some(reader.bytes("event")?),
                b"uid" => uid = Some(reader.integral("uid")?),
                b"time" => time = Some(reader.integral("time")?),
                b"endpoint" => endpoint = Some(reader.bytes("endpoint")?),
                b"data" => data = reader.optional_bytes("data")?,
                _ => reader.skip()?,
            }
        }
        Ok(EventRef {
            pid: pid.ok_or_else(|| DecodeError::MissingKey("pid"))?,
            name: name.ok_or_else(|| DecodeError::MissingKey("event"))?,
            uid: uid.ok_or_else(|| DecodeError::MissingKey("uid"))?,
            time: time.ok_or_else(|| DecodeError::MissingKey("time"))?,
            endpoint: endpoint.ok_or_else(|| DecodeError::MissingKey("endpoint"))?,
            data,
        })
    }
}

fn read_pid(reader: &mut PayloadReader<'_>) -> Result<i32, DecodeError> {
    let wrong = |_| DecodeError::WrongType { key: "pid", expected: "a 32-bit integer" };
    i32::try_from(reader.integral("pid")?).map_err(wrong)
}

fn read_mtype(reader: &mut PayloadReader<'_>) -> Result<MessageType, DecodeError> {
    let wrong = |_| DecodeError::WrongType { key: "mtype", expected: "an 8-bit integer" };
    let value = i8::try_from(reader.integral("mtype")?).map_err(wrong)?;
    Ok(MessageType::new(value.into()))
}

#[cfg(test)]
mod tests;
