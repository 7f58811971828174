//! Who is in a room.

use super::{Call, Method};
use crate::gate::failure::ErrorAnswer;
use crate::gate::reply::{Reply, count};

pub const METHODS: [Method; 4] = [
    Method::signed("addroommember", add_member),
    Method::signed("delroommember", remove_member),
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

fn members(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    reply.ints("uids", call.project.rooms.members(call.params.int("rid")?));
    Ok(())
}

/// `{cn: {room: count}}`, the rooms as strings of digits: the vendor's Python SDK hangs on integers.
fn member_counts(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    // The vendor's C++ SDK sends one `rid` in place of `rids`.
    let mut rooms = match call.params.optional_ints("rids")? {
        Some(rooms) => rooms,
        None => match call.params.optional_int("rid")? {
            Some(room) => vec![room],
            None => return Err(ErrorAnswer::invalid_parameter("the parameter rids is missing")),
        },
    };
    rooms.sort_unstable();
    rooms.dedup();
    let mut digits = itoa::Buffer::new();
    let mut payload = reply.pair("cn");
    payload.map(count(rooms.len()));
    for room in rooms {
        payload.str(digits.format(room));
        payload.int(count(call.project.rooms.member_count(room)).into());
    }
    Ok(())
}
