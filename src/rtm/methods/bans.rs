//! Bans, in one room or in all rooms.

use std::time::Duration;

use super::read_nothing;
use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::{MethodName, PayloadReader};
use crate::rtm::{Request, RoomId, UserId};

const ADD_ROOM_BAN: MethodName<'static> = MethodName::literal("addroomban");
const REMOVE_ROOM_BAN: MethodName<'static> = MethodName::literal("removeroomban");
const IS_BAN_OF_ROOM: MethodName<'static> = MethodName::literal("isbanofroom");

/// The `btime` of a ban without an end. The vendor's SDKs always send a `btime`.
const FOR_EVER: i64 = 0;

/// Bans a user in one room or in all.
#[must_use]
pub fn add_room_ban(rid: Option<RoomId>, uid: UserId, btime: Option<Duration>) -> Request<()> {
    let seconds = btime.map_or(Ok(FOR_EVER), whole_seconds);
    Request::checked(
        ADD_ROOM_BAN,
        seconds,
        |seconds, params| params.optional_int("rid", rid).int("uid", uid).int("btime", seconds),
        read_nothing,
    )
}

/// Ends the ban of a user in one room or in all.
#[must_use]
pub fn remove_room_ban(rid: Option<RoomId>, uid: UserId) -> Request<()> {
    Request::new(REMOVE_ROOM_BAN, |params| params.optional_int("rid", rid).int("uid", uid), read_nothing)
}

/// Tells whether a user is banned in a room.
#[must_use]
pub fn is_ban_of_room(rid: RoomId, uid: UserId) -> Request<bool> {
    Request::new(IS_BAN_OF_ROOM, |params| params.int("rid", rid).int("uid", uid), read_ok)
}

/// Reads `{ok}`; absent means false.
fn read_ok(reader: &mut PayloadReader<'_>) -> Result<bool, DecodeError> {
    let mut ok = false;
    while let Some(key) = reader.next_key()? {
        match key {
            b"ok" => ok = reader.bool("ok")?,
            _ => reader.skip()?,
        }
    }
    Ok(ok)
}

/// Returns the time in whole seconds, rounded up, so that a ban does not end early.
fn whole_seconds(btime: Duration) -> Result<i64, ArgumentError> {
    let rounded_up = btime.as_secs().saturating_add(u64::from(btime.subsec_nanos() > 0));
    match i32::try_from(rounded_up) {
        Ok(seconds) => Ok(seconds.into()),
        Err(_) => Err(ArgumentError::new(format!(
            "a ban can last at most {} seconds, not {rounded_up}; omit the time for a ban without an end",
            i32::MAX
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ban_is_rounded_up_to_whole_seconds() {
        let seconds = |millis| whole_seconds(Duration::from_millis(millis)).unwrap();
        assert_eq!([seconds(0), seconds(1), seconds(1000), seconds(1001)], [0, 1, 1, 2]);
    }

    #[test]
    fn ban_beyond_32_bits_is_refused() {
        let longest = Duration::from_secs(i32::MAX as u64);
        assert_eq!(whole_seconds(longest).unwrap(), i64::from(i32::MAX));
        assert!(add_room_ban(None, 1, Some(longest + Duration::from_nanos(1))).quest.is_err());
        assert!(add_room_ban(None, 1, Some(Duration::MAX)).quest.is_err());
    }
}
