//! Who is in which room.

use std::collections::HashMap;

use super::{check_ids, read_nothing};
use crate::error::DecodeError;
use crate::fpnn::{MethodName, PayloadReader};
use crate::rtm::{Request, RoomId, UserId};

const ADD_ROOM_MEMBER: MethodName<'static> = MethodName::literal("addroommember");
const DELETE_ROOM_MEMBER: MethodName<'static> = MethodName::literal("delroommember");
const GET_ROOM_MEMBERS: MethodName<'static> = MethodName::literal("getroommembers");
const GET_ROOM_COUNT: MethodName<'static> = MethodName::literal("getroomcount");

/// Adds a user to a room.
#[must_use]
pub fn add_room_member(rid: RoomId, uid: UserId) -> Request<()> {
    Request::new(ADD_ROOM_MEMBER, |params| params.int("rid", rid).int("uid", uid), read_nothing)
}

/// Removes a user from a room.
#[must_use]
pub fn delete_room_member(rid: RoomId, uid: UserId) -> Request<()> {
    Request::new(DELETE_ROOM_MEMBER, |params| params.int("rid", rid).int("uid", uid), read_nothing)
}

/// Lists the members of a room.
#[must_use]
pub fn get_room_members(rid: RoomId) -> Request<Vec<UserId>> {
    Request::new(GET_ROOM_MEMBERS, |params| params.int("rid", rid), read_uids)
}

/// Counts the members of rooms.
#[must_use]
pub fn get_room_count(rids: &[RoomId]) -> Request<HashMap<RoomId, i64>> {
    let check = check_ids("get_room_count", rids);
    Request::checked(GET_ROOM_COUNT, check, |(), params| params.ints("rids", rids.iter().copied()), read_counts)
}

/// Reads `{uids}`; absent means none.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_uids(reader: &mut PayloadReader<'_>) -> Result<Vec<UserId>, DecodeError> {
    let mut uids = Vec::new();
    while let Some(key) = reader.next_key()? {
        match key {
            b"uids" => uids = read_ids(reader, "uids")?,
            _ => reader.skip()?,
        }
    }
    Ok(uids)
}

fn read_ids(reader: &mut PayloadReader<'_>, key: &'static str) -> Result<Vec<i64>, DecodeError> {
    let len = reader.array_len(key)?;
    (0..len).map(|_| reader.int(key)).collect()
}

/// Reads `{cn: {room: count}}`, the rooms as numbers or as strings of digits; absent means none.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_counts(reader: &mut PayloadReader<'_>) -> Result<HashMap<RoomId, i64>, DecodeError> {
    let mut counts = HashMap::new();
    while let Some(key) = reader.next_key()? {
        match key {
            b"cn" => {
                for _ in 0..reader.map_len("cn")? {
                    let rid = reader.int_or_digits("cn")?;
                    counts.insert(rid, reader.int("cn")?);
                }
            }
            _ => reader.skip()?,
        }
    }
    Ok(counts)
}
