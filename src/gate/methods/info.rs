//! The methods of the public and private info of a room.

use super::{Call, Method};
use crate::code::ErrorCode;
use crate::gate::failure::ErrorAnswer;
use crate::gate::reply::Reply;

pub(super) const METHODS: &[Method] = &[Method::signed("setroominfo", set_info), Method::signed("getroominfo", info)];

/// The largest info, in bytes.
const LARGEST_INFO: usize = 65_535;

fn set_info(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let room = call.params.int("rid")?;
    let (public, private) = (call.params.optional_text("oinfo")?, call.params.optional_text("pinfo")?);
    if (public, private) == (None, None) {
        let text = "parameters oinfo and pinfo are both missing, and one of them is needed";
        return Err(ErrorAnswer::invalid_parameter(text));
    }
    for (key, info) in [("oinfo", public), ("pinfo", private)] {
        check_size(key, info)?;
    }
    call.project.rooms.set_info(room, public, private);
    Ok(())
}

/// Always sends both as strings, because several of the vendor's SDKs fail without them.
fn info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (public, private) = call.project.rooms.info(call.params.int("rid")?);
    reply.str("oinfo", public);
    reply.str("pinfo", private);
    Ok(())
}

fn check_size(key: &str, info: Option<&str>) -> Result<(), ErrorAnswer> {
    match info.map(str::len) {
        Some(len) if len > LARGEST_INFO => {
            let text = format!("{key} has {len} bytes, over the limit of {LARGEST_INFO}");
            Err(ErrorAnswer::new(ErrorCode::RTM_EC_LARGE_MESSAGE_OR_ATTRS, text))
        }
        _ => Ok(()),
    }
}
