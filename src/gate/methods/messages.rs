//! The methods of single messages.

use super::{Call, Method};
use crate::code::ErrorCode;
use crate::gate::failure::ErrorAnswer;
use crate::gate::params::Params;
use crate::gate::project::{Filter, Row, Span};
use crate::gate::reply::{Reply, count, write_body};
use crate::rtm::{Message, MessageBody, MessageId, MessageType, RoomId, Target, UserId};

pub(super) const METHODS: &[Method] = &[
    Method::signed("sendroommsg", send),
    Method::signed("getmsg", message),
    Method::signed("editmsg", edit),
    Method::signed("delmsg", delete),
    Method::signed("delconversationmsgs", delete_all_of_sender),
    Method::signed("cleanmsg", delete_span),
    Method::signed("getmsgnum", message_counts),
];

/// The largest body and attributes of a message, in bytes: the service's limits of 2018.
const LARGEST_BODY: usize = 20_480;
const LARGEST_ATTRS: usize = 2_048;
/// The `type` of a room conversation. The gate stores no others.
const ROOM: i64 = 3;

fn send(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let params = call.params;
    let (room, from, mid) = (params.int("rid")?, params.int("from")?, params.int("mid")?);
    let mtype = message_type(params.int("mtype")?)?;
    let (body, attrs) = content(params)?;
    check_may_speak(call, room, from)?;
    if call.project.messages.is_repeated(room, from, mid) {
        let text = format!("user {from} has already sent a message with mid {mid} to room {room}");
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_DUPLICATED_MID, text));
    }
    let message = Message { target: Target::Room(room), from, mid, mtype, body, attrs, mtime: None };
    let row = call.project.messages.add(room, message, call.now.unix_ms);
    call.pushes.message(&call.project.listeners, &row.message);
    reply.int("mtime", row.mtime);
    Ok(())
}

fn message(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, from, mid) = message_key(call.params)?;
    let row = call.project.messages.find(room, from, mid).ok_or_else(|| not_found(room, from, mid))?;
    reply.int("id", row.id);
    reply.int("mtype", row.message.mtype.value().into());
    write_body(&mut reply.pair("msg"), &row.message.body);
    reply.str("attrs", &row.message.attrs);
    reply.int("mtime", row.mtime);
    Ok(())
}

fn edit(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, from, mid) = message_key(call.params)?;
    let limit = call.params.int("timeLimit")?;
    let (body, attrs) = content(call.params)?;
    let row = call.project.messages.find_mut(room, from, mid).ok_or_else(|| not_found(room, from, mid))?;
    let age = call.now.unix_ms.saturating_sub(row.mtime);
    if age > limit {
        let text = format!("the message is {age} ms old, over the limit of {limit} ms for this change");
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_PERMISSION_DENIED, text));
    }
    row.message.body = body;
    row.message.attrs = attrs;
    Ok(())
}

fn delete(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, from, mid) = message_key(call.params)?;
    call.project.messages.find_mut(room, from, mid).ok_or_else(|| not_found(room, from, mid))?.delete();
    Ok(())
}

fn delete_all_of_sender(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, from) = (room(call.params)?, call.params.int("from")?);
    call.project.messages.delete(room, |row: &Row| row.message.from == from);
    Ok(())
}

fn delete_span(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, span) = (room(call.params)?, span(call.params)?);
    call.project.messages.delete(room, |row: &Row| span.contains(row.mtime));
    Ok(())
}

fn message_counts(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (senders, messages) = call.project.messages.count(room(call.params)?, &filter(call.params)?);
    reply.int("sender", count(senders));
    reply.int("num", count(messages));
    Ok(())
}

/// Reads the filter from `begin`, `end` and `mtypes`. Zero and an empty list count as absent.
pub(super) fn filter(params: &Params<'_>) -> Result<Filter, ErrorAnswer> {
    Ok(Filter { span: span(params)?, types: params.optional_ints("mtypes")?.unwrap_or_default() })
}

fn span(params: &Params<'_>) -> Result<Span, ErrorAnswer> {
    let time = |key| params.optional_int(key).map(Option::unwrap_or_default);
    Ok(Span { begin: time("begin")?, end: time("end")? })
}

/// Reads the room `xid`, in methods that serve other conversations too.
fn room(params: &Params<'_>) -> Result<RoomId, ErrorAnswer> {
    let kind = params.int("type")?;
    if kind != ROOM {
        let text = format!("the gate keeps the messages of rooms alone (type {ROOM}), and not those of type {kind}");
        return Err(ErrorAnswer::invalid_parameter(text));
    }
    params.int("xid")
}

fn message_key(params: &Params<'_>) -> Result<(RoomId, UserId, MessageId), ErrorAnswer> {
    Ok((room(params)?, params.int("from")?, params.int("mid")?))
}

fn message_type(value: i64) -> Result<MessageType, ErrorAnswer> {
    match i8::try_from(value) {
        Ok(mtype @ 1..) => Ok(MessageType::new(mtype.into())),
        _ => {
            let text = format!("the mtype {value} is not in 1..=127");
            Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_MTYPE, text))
        }
    }
}

/// Reads `msg` and `attrs`, and checks their sizes.
fn content(params: &Params<'_>) -> Result<(MessageBody, String), ErrorAnswer> {
    let (body, attrs) = (params.body("msg")?, params.text_or_empty("attrs")?);
    check_size("msg", body.as_bytes().len(), LARGEST_BODY)?;
    check_size("attrs", attrs.len(), LARGEST_ATTRS)?;
    Ok((body, attrs.to_owned()))
}

fn check_size(key: &str, len: usize, limit: usize) -> Result<(), ErrorAnswer> {
    if len <= limit {
        return Ok(());
    }
    let text = format!("{key} has {len} bytes, over the limit of {limit}");
    Err(ErrorAnswer::new(ErrorCode::RTM_EC_LARGE_MESSAGE_OR_ATTRS, text))
}

fn check_may_speak(call: &Call<'_, '_>, room: RoomId, user: UserId) -> Result<(), ErrorAnswer> {
    if !call.project.rooms.is_member(room, user) {
        let text = format!("user {user} is not in room {room}");
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_NOT_IN_ROOM, text));
    }
    if call.project.bans.is_banned(room, user, call.now.monotonic) {
        let text = format!("user {user} is banned in room {room}");
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_BANNED_IN_ROOM, text));
    }
    Ok(())
}

fn not_found(room: RoomId, from: UserId, mid: MessageId) -> ErrorAnswer {
    let text = format!("room {room} has no message {mid} from user {from}");
    ErrorAnswer::new(ErrorCode::RTM_EC_MESSAGE_NOT_FOUND, text)
}
