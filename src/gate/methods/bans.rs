//! The methods of bans, in one room or in all rooms.

use std::time::Duration;

use super::{Call, Method};
use crate::gate::failure::ErrorAnswer;
use crate::gate::params::Params;
use crate::gate::reply::Reply;

pub(super) const METHODS: &[Method] = &[
    Method::signed("addroomban", add_ban),
    Method::signed("removeroomban", remove_ban),
    Method::signed("isbanofroom", is_banned),
];

fn add_ban(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, user) = (call.params.optional_int("rid")?, call.params.int("uid")?);
    call.project.bans.add(room, user, ban_time(call.params)?, call.now.monotonic);
    Ok(())
}

fn remove_ban(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, user) = (call.params.optional_int("rid")?, call.params.int("uid")?);
    call.project.bans.remove(room, user);
    Ok(())
}

fn is_banned(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (room, user) = (call.params.int("rid")?, call.params.int("uid")?);
    reply.bool("ok", call.project.bans.is_banned(room, user, call.now.monotonic));
    Ok(())
}

/// Reads the duration of a ban; `None` means without an end.
fn ban_time(params: &Params<'_>) -> Result<Option<Duration>, ErrorAnswer> {
    let Some(seconds) = params.optional_int("btime")? else { return Ok(None) };
    if i32::try_from(seconds).is_err() {
        let text = format!("parameter btime is {seconds}, which does not fit in 32 bits");
        return Err(ErrorAnswer::invalid_parameter(text));
    }
    Ok(u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs))
}
