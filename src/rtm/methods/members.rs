//! Members of rooms.

use std::collections::HashMap;

use super::{check_batch, check_ids, read_nothing};
use crate::error::DecodeError;
use crate::fpnn::{MethodName, PayloadReader};
use crate::rtm::{Request, RoomId, UserId};

const ADD_ROOM_MEMBER: MethodName<'static> = MethodName::literal("addroommember");
const DELETE_ROOM_MEMBER: MethodName<'static> = MethodName::literal("delroommember");
const GET_ROOM_MEMBERS: MethodName<'static> = MethodName::literal("getroommembers");
const GET_ROOM_COUNT: MethodName<'static> = MethodName::literal("getroomcount");
const ADD_ROOM_MEMBERS: MethodName<'static> = MethodName::literal("addroommembers");
const DELETE_ROOM_MEMBERS: MethodName<'static> = MethodName::literal("delroommembers");
const ADD_USER_ROOMS: MethodName<'static> = MethodName::literal("adduserrooms");
const DELETE_USER_ROOMS: MethodName<'static> = MethodName::literal("deleteuserrooms");

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

/// Adds several users to a room.
#[must_use]
pub fn add_room_members(rid: RoomId, uids: &[UserId]) -> Request<Vec<UserId>> {
    batch_of_users(ADD_ROOM_MEMBERS, "add_room_members", rid, uids)
}

/// Removes several users from a room.
#[must_use]
pub fn delete_room_members(rid: RoomId, uids: &[UserId]) -> Request<Vec<UserId>> {
    batch_of_users(DELETE_ROOM_MEMBERS, "delete_room_members", rid, uids)
}

/// Adds a user to several rooms.
#[must_use]
pub fn add_user_rooms(rids: &[RoomId], uid: UserId) -> Request<()> {
    batch_of_rooms(ADD_USER_ROOMS, "add_user_rooms", rids, uid)
}

/// Removes a user from several rooms.
#[must_use]
pub fn delete_user_rooms(rids: &[RoomId], uid: UserId) -> Request<()> {
    batch_of_rooms(DELETE_USER_ROOMS, "delete_user_rooms", rids, uid)
}

fn batch_of_users(method: MethodName<'static>, function: &str, rid: RoomId, uids: &[UserId]) -> Request<Vec<UserId>> {
    Request::checked(
        method,
        check_batch(function, uids),
        |(), params| params.int("rid", rid).ints("uids", uids.iter().copied()),
        read_successful_uids,
    )
}

fn batch_of_rooms(method: MethodName<'static>, function: &str, rids: &[RoomId], uid: UserId) -> Request<()> {
    Request::checked(
        method,
        check_batch(function, rids),
        |(), params| params.ints("rids", rids.iter().copied()).int("uid", uid),
        read_nothing,
    )
}

/// Reads `{successedUids}`; absent means none.
fn read_successful_uids(reader: &mut PayloadReader<'_>) -> Result<Vec<UserId>, DecodeError> {
    let mut uids = Vec::new();
    while let Some(key) = reader.next_key()? {
        match key {
            b"successedUids" => uids = read_ids(reader, "successedUids")?,
            _ => reader.skip()?,
        }
    }
    Ok(uids)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_needs_an_id() {
        assert!(add_room_members(1, &[]).quest.is_err());
        assert!(delete_room_members(1, &[]).quest.is_err());
        assert!(add_user_rooms(&[], 1).quest.is_err());
        assert!(delete_user_rooms(&[], 1).quest.is_err());
        assert!(add_user_rooms(&[1], 1).quest.is_ok());
    }

    #[test]
    fn list_that_exceeds_a_packet_is_refused() {
        let ids = vec![i64::MAX; super::super::MOST_IDS + 1];
        assert!(get_room_count(&ids).quest.is_err());
        assert!(add_room_members(1, &ids).quest.is_err());
        let longest = get_room_count(&ids[1..]).quest.unwrap();
        assert!(longest.frame_len() < 8 * 1024 * 1024);
    }
}
