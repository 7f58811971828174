//! The nine functions of the Room API: their parameters and their checks.

use std::collections::HashMap;
use std::time::Duration;

use super::Client;
use super::call::{Call, ReadResult};
use crate::error::ArgumentError;
use crate::fpnn::PayloadWriter;
use crate::rtm::{RoomId, RoomInfo, UnsignedQuest, UserId, read_counts, read_infos, read_nothing, read_ok, read_uids};

/// The most bytes that either info of a room may have.
const LONGEST_INFO: usize = 65_535;
/// The most rooms that fit one call: the server refuses packets of 8 MiB and more, and an id takes up to 9 bytes.
const MOST_ROOMS: usize = 900_000;

/// The Room API. Names are the vendor's; methods and fields of the wire are in `docs/protocol.md`, section 2.
///
/// Each function returns a [`Call`], which is made by one of [`Call::call`], [`Call::callback`] and [`Call::submit`].
/// The errors named here come out of these; every call can fail with the other variants of [`Error`](crate::Error) too.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), rtm_server_sdk::Error> {
/// # #[cfg(feature = "gate")] {
/// use rtm_server_sdk::{Client, gate::Gate};
/// use std::time::Duration;
///
/// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
/// let client = Client::new(80000001, "secret", gate.endpoint())?;
///
/// client.add_room_member(42, 1001).call()?;
/// client.add_room_member(42, 1002).call()?;
/// client.delete_room_member(42, 1002).call()?;
/// assert_eq!(client.get_room_members(42).call()?, [1001]);
/// assert_eq!(client.get_room_count(&[42]).call()?[&42], 1);
///
/// client.set_room_info(42, Some("Welcome!"), None).call()?;
/// assert_eq!(client.get_room_info(42).call()?.oinfo.as_deref(), Some("Welcome!"));
///
/// client.add_room_ban(Some(42), 1001, Some(Duration::from_secs(600))).call()?;
/// assert!(client.is_ban_of_room(42, 1001).call()?);
/// client.remove_room_ban(Some(42), 1001).call()?;
/// assert!(!client.is_ban_of_room(42, 1001).call()?);
/// # }
/// # Ok(()) }
/// ```
impl Client {
    /// Makes `uid` a member of the room `rid` (`addroommember`).
    pub fn add_room_member(&self, rid: RoomId, uid: UserId) -> Call<'_, ()> {
        self.room_user_call("addroommember", rid, uid, read_nothing)
    }

    /// Makes `uid` a member of the room `rid` no longer (`delroommember`).
    pub fn delete_room_member(&self, rid: RoomId, uid: UserId) -> Call<'_, ()> {
        self.room_user_call("delroommember", rid, uid, read_nothing)
    }

    /// Sets the public info `oinfo`, the private info `pinfo`, or both (`setroominfo`). `None` leaves one as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if both are `None`, or either has more than 65,535
    /// bytes.
    pub fn set_room_info(&self, rid: RoomId, oinfo: Option<&str>, pinfo: Option<&str>) -> Call<'_, ()> {
        let draft = check_infos(oinfo, pinfo).map(|()| {
            let infos = [("oinfo", oinfo), ("pinfo", pinfo)];
            let count = infos.iter().filter(|(_, info)| info.is_some()).count();
            self.draft("setroominfo", 1 + count as u32, |params| {
                int(params, "rid", rid);
                for (key, info) in infos {
                    if let Some(info) = info {
                        params.str(key);
                        params.str(info);
                    }
                }
            })
        });
        Call::new(self, draft, read_nothing)
    }

    /// The infos of the room `rid` (`getroominfo`).
    pub fn get_room_info(&self, rid: RoomId) -> Call<'_, RoomInfo> {
        self.room_call("getroominfo", rid, read_infos)
    }

    /// Bans `uid` from speaking in the room `rid`, or in every room of the project for `None` (`addroomban`).
    ///
    /// `btime` is the length of the ban, in whole seconds, rounded up; `None` or zero is for ever.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if `btime` is over 2,147,483,647 seconds.
    pub fn add_room_ban(&self, rid: Option<RoomId>, uid: UserId, btime: Option<Duration>) -> Call<'_, ()> {
        let draft = btime.map(ban_seconds).transpose().map(|seconds| {
            let count = 1 + u32::from(rid.is_some()) + u32::from(seconds.is_some());
            self.draft("addroomban", count, |params| {
                optional_int(params, "rid", rid);
                int(params, "uid", uid);
                optional_int(params, "btime", seconds);
            })
        });
        Call::new(self, draft, read_nothing)
    }

    /// Ends the ban of `uid` in the room `rid`, or the one in every room of the project for `None` (`removeroomban`).
    pub fn remove_room_ban(&self, rid: Option<RoomId>, uid: UserId) -> Call<'_, ()> {
        let draft = self.draft("removeroomban", 1 + u32::from(rid.is_some()), |params| {
            optional_int(params, "rid", rid);
            int(params, "uid", uid);
        });
        Call::new(self, Ok(draft), read_nothing)
    }

    /// Whether `uid` is banned from speaking in the room `rid` (`isbanofroom`).
    pub fn is_ban_of_room(&self, rid: RoomId, uid: UserId) -> Call<'_, bool> {
        self.room_user_call("isbanofroom", rid, uid, read_ok)
    }

    /// The members of the room `rid`, in the server's order (`getroommembers`).
    pub fn get_room_members(&self, rid: RoomId) -> Call<'_, Vec<UserId>> {
        self.room_call("getroommembers", rid, read_uids)
    }

    /// How many members each of the rooms has (`getroomcount`). A room that the server leaves out is left out.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for more than 900,000 rooms: the server closes the
    /// connection for a call that long.
    pub fn get_room_count(&self, rids: &[RoomId]) -> Call<'_, HashMap<RoomId, i64>> {
        let draft = check_room_count(rids.len()).map(|len| {
            self.draft("getroomcount", 1, |params| {
                params.str("rids");
                params.array(len);
                rids.iter().for_each(|rid| params.int(*rid));
            })
        });
        Call::new(self, draft, read_counts)
    }

    fn room_call<T>(&self, method: &'static str, rid: RoomId, read: ReadResult<T>) -> Call<'_, T> {
        Call::new(self, Ok(self.draft(method, 1, |params| int(params, "rid", rid))), read)
    }

    fn room_user_call<T>(&self, method: &'static str, rid: RoomId, uid: UserId, read: ReadResult<T>) -> Call<'_, T> {
        let draft = self.draft(method, 2, |params| {
            int(params, "rid", rid);
            int(params, "uid", uid);
        });
        Call::new(self, Ok(draft), read)
    }

    fn draft(&self, method: &'static str, count: u32, write: impl FnOnce(&mut PayloadWriter<'_>)) -> UnsignedQuest {
        let mut draft = UnsignedQuest::new(self.inner.pid, method, count);
        write(&mut draft.params());
        draft
    }
}

fn int(params: &mut PayloadWriter<'_>, key: &str, value: i64) {
    params.str(key);
    params.int(value);
}

/// A left-out optional is absent, never nil.
fn optional_int(params: &mut PayloadWriter<'_>, key: &str, value: Option<i64>) {
    if let Some(value) = value {
        int(params, key, value);
    }
}

fn check_infos(oinfo: Option<&str>, pinfo: Option<&str>) -> Result<(), ArgumentError> {
    if oinfo.is_none() && pinfo.is_none() {
        return Err(ArgumentError::new("set_room_info needs a public info, a private info, or both"));
    }
    for (name, info) in [("public", oinfo), ("private", pinfo)] {
        let len = info.map_or(0, str::len);
        if len > LONGEST_INFO {
            let message = format!("the {name} info has {len} bytes, and a room's info has at most {LONGEST_INFO}");
            return Err(ArgumentError::new(message));
        }
    }
    Ok(())
}

fn ban_seconds(btime: Duration) -> Result<i64, ArgumentError> {
    let rounded_up = btime.as_secs().saturating_add(u64::from(btime.subsec_nanos() > 0));
    match i32::try_from(rounded_up) {
        Ok(seconds) => Ok(seconds.into()),
        Err(_) => Err(ArgumentError::new(format!(
            "a ban lasts at most {} seconds, not {rounded_up}; leave the time out for one without an end",
            i32::MAX
        ))),
    }
}

fn check_room_count(count: usize) -> Result<u32, ArgumentError> {
    match u32::try_from(count) {
        Ok(len) if count <= MOST_ROOMS => Ok(len),
        _ => Err(ArgumentError::new(format!("one get_room_count takes at most {MOST_ROOMS} rooms, not {count}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ban_is_rounded_up_to_whole_seconds() {
        let seconds = |millis| ban_seconds(Duration::from_millis(millis)).unwrap();
        assert_eq!([seconds(0), seconds(1), seconds(1000), seconds(1001)], [0, 1, 1, 2]);
    }

    #[test]
    fn ban_beyond_32_bits_is_refused() {
        let longest = Duration::from_secs(i32::MAX as u64);
        assert_eq!(ban_seconds(longest).unwrap(), i64::from(i32::MAX));
        assert!(ban_seconds(longest + Duration::from_nanos(1)).is_err());
        assert!(ban_seconds(Duration::MAX).is_err());
    }

    #[test]
    fn infos_are_measured_in_bytes() {
        let longest = "é".repeat(32_767) + "x";
        assert!(check_infos(Some(&longest), None).is_ok());
        assert!(check_infos(None, Some(&(longest + "x"))).is_err());
        assert!(check_infos(None, None).is_err());
    }
}
