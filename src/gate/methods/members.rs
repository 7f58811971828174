//! The methods of members.

use rustc_hash::FxHashSet;

use super::{Call, Method};
use crate::gate::failure::ErrorAnswer;
use crate::gate::reply::{Reply, count};

pub(super) const METHODS: &[Method] = &[
    Method::signed("addroommember", add_member),
    Method::signed("delroommember", remove_member),
    Method::signed("addroommembers", add_members),
    Method::signed("delroommembers", remove_members),
    Method::signed("adduserrooms", add_rooms),
    Method::signed("deleteuserrooms", remove_rooms),
    Method::signed("getroommembers", members),
    Method::signed("getroomcount", member_counts),
];

fn add_member(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, user) = (call.params.int("rid")?, call.params.int("uid")?);
    call.project.rooms.add_member(room, user);
    Ok(())
}

fn remove_member(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, user) = (call.params.int("rid")?, call.params.int("uid")?);
    call.project.rooms.remove_member(room, user);
    Ok(())
}

/// Answers with every user, because all of them are in the room afterwards.
fn add_members(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, users) = (call.params.int("rid")?, distinct(call.params.ints("uids")?));
    for &user in &users {
        call.project.rooms.add_member(room, user);
    }
    reply.ints("successedUids", users.into_iter());
    Ok(())
}

/// Answers with the users who were in the room.
fn remove_members(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, mut users) = (call.params.int("rid")?, distinct(call.params.ints("uids")?));
    users.retain(|&user| call.project.rooms.remove_member(room, user));
    reply.ints("successedUids", users.into_iter());
    Ok(())
}

fn add_rooms(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (rooms, user) = (call.params.ints("rids")?, call.params.int("uid")?);
    for room in rooms {
        call.project.rooms.add_member(room, user);
    }
    Ok(())
}

fn remove_rooms(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (rooms, user) = (call.params.ints("rids")?, call.params.int("uid")?);
    for room in rooms {
        call.project.rooms.remove_member(room, user);
    }
    Ok(())
}

/// Removes repeated users, and keeps the order.
fn distinct(mut users: Vec<i64>) -> Vec<i64> {
    let mut seen = FxHashSet::default();
    users.retain(|&user| seen.insert(user));
    users
}

fn members(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    reply.ints("uids", call.project.rooms.members(call.params.int("rid")?));
    Ok(())
}

/// Answers `{cn: {room: count}}`, with the rooms as strings of digits: the vendor's Python SDK hangs on integers.
fn member_counts(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    // The vendor's C++ SDK sends one `rid` instead of `rids`.
    let mut rooms = match call.params.optional_ints("rids")? {
        Some(rooms) => rooms,
        None => match call.params.optional_int("rid")? {
            Some(room) => vec![room],
            None => return Err(ErrorAnswer::invalid_parameter("parameter rids is missing")),
        },
    };
    rooms.sort_unstable();
    rooms.dedup();
    let mut digits = itoa::Buffer::new();
    let mut payload = reply.pair("cn");
    payload.map(rooms.len());
    for room in rooms {
        payload.str(digits.format(room));
        payload.int(count(call.project.rooms.member_count(room)));
    }
    Ok(())
}
