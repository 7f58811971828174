//! The public and private info of a room.

use super::read_nothing;
use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::{MethodName, PayloadReader};
use crate::rtm::{Request, RoomId};

const SET_ROOM_INFO: MethodName<'static> = MethodName::literal("setroominfo");
const GET_ROOM_INFO: MethodName<'static> = MethodName::literal("getroominfo");

/// The most bytes that either info of a room may have.
pub const LONGEST_INFO: usize = 65_535;

/// The infos of a room. `None` if the server sends none; some servers send an empty text for an info that was never
/// set.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::RoomInfo;
///
/// let info = RoomInfo { oinfo: Some("Welcome!".into()), pinfo: None };
/// assert_eq!(info.oinfo.as_deref(), Some("Welcome!"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RoomInfo {
    /// The public info, which every user may read.
    pub oinfo: Option<String>,
    /// The private info, which only servers read.
    pub pinfo: Option<String>,
}

/// Sets the public info, the private info, or both.
#[must_use]
pub fn set_room_info(rid: RoomId, oinfo: Option<&str>, pinfo: Option<&str>) -> Request<()> {
    Request::checked(
        SET_ROOM_INFO,
        check_infos(oinfo, pinfo),
        |(), params| params.int("rid", rid).optional_str("oinfo", oinfo).optional_str("pinfo", pinfo),
        read_nothing,
    )
}

/// Tells both infos of a room.
#[must_use]
pub fn get_room_info(rid: RoomId) -> Request<RoomInfo> {
    Request::new(GET_ROOM_INFO, |params| params.int("rid", rid), read_infos)
}

/// Reads `{oinfo, pinfo}`.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_infos(reader: &mut PayloadReader<'_>) -> Result<RoomInfo, DecodeError> {
    let mut info = RoomInfo::default();
    while let Some(key) = reader.next_key()? {
        match key {
            b"oinfo" => info.oinfo = reader.optional_str("oinfo")?.map(Into::into),
            b"pinfo" => info.pinfo = reader.optional_str("pinfo")?.map(Into::into),
            _ => reader.skip()?,
        }
    }
    Ok(info)
}

fn check_infos(oinfo: Option<&str>, pinfo: Option<&str>) -> Result<(), ArgumentError> {
    if oinfo.is_none() && pinfo.is_none() {
        return Err(ArgumentError::new("set_room_info needs a public info, a private info, or both"));
    }
    check_info("public", oinfo)?;
    check_info("private", pinfo)
}

fn check_info(name: &str, info: Option<&str>) -> Result<(), ArgumentError> {
    let len = info.map_or(0, str::len);
    if len > LONGEST_INFO {
        let message = format!("the {name} info has {len} bytes; a room's info can have at most {LONGEST_INFO}");
        return Err(ArgumentError::new(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infos_are_measured_in_bytes() {
        let longest = "é".repeat(32_767) + "x";
        let too_long = longest.clone() + "x";
        assert!(set_room_info(1, Some(&longest), Some(&longest)).quest.is_ok());
        assert!(set_room_info(1, None, Some(&too_long)).quest.is_err());
        assert!(set_room_info(1, Some(&too_long), None).quest.is_err());
        assert!(set_room_info(1, None, None).quest.is_err());
    }
}
