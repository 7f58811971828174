//! What the gate does with a quest: checks it, executes it, and writes its answer. No sockets; time is a parameter.
//!
//! A quest is checked in this order, and the first thing that is wrong decides: the packet (see [`Broken`]), the
//! encoding of the payload (10008), the method (20004), the signature fields (200034), the project (200001), the
//! signature (200002), the time stamp (200008), the repeated signature (200006), the method's own parameters (200034,
//! 200030). A signature counts as used from the moment when it was found right, whatever becomes of the call.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::clock::Now;
use super::keying::Keying;
use super::method::Method;
use super::params::Params;
use super::refusal::{Broken, Denial, Refusal};
use super::replay::{CLOCK_TOLERANCE_S, Replays};
use super::reply::Reply;
use super::rooms::Rooms;
use super::stats::Counters;
use crate::code::ErrorCode;
use crate::error::DecodeError;
use crate::fpnn::{FLAG_MSGPACK, FrameWriter, Quest};
use crate::rtm::{SIGN_LEN, Signer};

/// The largest info of a room, in bytes.
const LARGEST_INFO: usize = 65_535;
/// The flag of a JSON payload. The vendor's server reads those too.
const FLAG_JSON: u8 = 0x40;
/// A list of rooms longer than this gives its memory back.
const KEPT_ROOM_LIST: usize = 64 * 1024;

/// The projects with their rooms, and the memory of the signatures.
#[derive(Debug)]
pub struct Service {
    projects: FxHashMap<i32, Project>,
    replays: Replays,
    counters: Arc<Counters>,
    keying: Keying,
    /// Kept between calls, so that counting rooms does not allocate.
    room_list: Vec<i64>,
}

#[derive(Debug)]
struct Project {
    signer: Signer,
    rooms: Rooms,
}

impl Service {
    /// A service for these projects, without any rooms yet.
    pub fn new(signers: FxHashMap<i32, Signer>, keying: Keying, counters: Arc<Counters>) -> Service {
        let projects =
            signers.into_iter().map(|(pid, signer)| (pid, Project { signer, rooms: Rooms::default() })).collect();
        Service { projects, replays: Replays::default(), counters, keying, room_list: Vec::new() }
    }

    /// How sessions begin.
    pub fn keying(&self) -> &Keying {
        &self.keying
    }

    /// Executes a quest and writes its answer at the end of `out`. For a one-way quest too: the caller drops it.
    ///
    /// # Errors
    ///
    /// The connection is to be closed. Nothing was written.
    pub fn serve(&mut self, quest: &Quest<'_>, now: Now, out: &mut Vec<u8>) -> Result<(), Broken> {
        let seq = quest.seq.unwrap_or_default();
        match self.execute(quest, now, Reply::new(out, seq)) {
            Ok(method) => self.counters.count_executed(method),
            Err(Denial::Broken(broken)) => return Err(broken),
            Err(Denial::Refused(refusal)) => {
                log::warn!("{} refused with {}: {}", quest.method.escape_ascii(), refusal.code, refusal.text);
                self.counters.count_refused();
                FrameWriter::error_answer(out, seq, refusal.code.value(), &refusal.text);
            }
        }
        Ok(())
    }

    fn execute(&mut self, quest: &Quest<'_>, now: Now, reply: Reply<'_>) -> Result<Method, Denial> {
        let params = read_params(quest)?;
        let method = Method::from_name(quest.method).ok_or_else(|| unknown_method(quest.method))?;
        if method == Method::Ping {
            reply.ts(now.unix_ms);
            return Ok(method);
        }
        let pid = params.pid.required("pid")?;
        let Some(project) = i32::try_from(pid).ok().and_then(|pid| self.projects.get_mut(&pid)) else {
            let text = format!("the project {pid} is not served by this gate");
            return Err(Refusal::new(ErrorCode::RTM_EC_INVALID_PID_OR_UID, text).into());
        };
        check_signature(&params, quest.method, &project.signer, &mut self.replays, now)?;
        execute_room_call(method, &params, &mut project.rooms, &mut self.room_list, now, reply)?;
        Ok(method)
    }
}

/// Opens the payload and reads it to its end, so that no quest is executed that is not whole.
fn read_params<'a>(quest: &Quest<'a>) -> Result<Params<'a>, Denial> {
    let encoding = quest.flag & (FLAG_MSGPACK | FLAG_JSON);
    if encoding != FLAG_MSGPACK && encoding != FLAG_JSON {
        return Err(Broken::Flag(quest.flag).into());
    }
    if quest.method.is_empty() {
        return Err(Broken::NoMethod.into());
    }
    quest.params().and_then(Params::read).map_err(|error| match error {
        DecodeError::NotMsgpack(flag) => {
            let text = format!("the gate reads plain msgpack only, and not what the flag byte {flag:#04x} announces");
            Refusal::new(ErrorCode::FPNN_EC_PROTO_PROTO_TYPE, text).into()
        }
        error => Broken::Payload(error).into(),
    })
}

fn unknown_method(method: &[u8]) -> Refusal {
    let text = format!("the gate does not know the method {}", method.escape_ascii());
    Refusal::new(ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD, text)
}

fn check_signature(
    params: &Params<'_>,
    method: &[u8],
    signer: &Signer,
    replays: &mut Replays,
    now: Now,
) -> Result<(), Refusal> {
    let (sign, salt, ts) = (params.sign.required("sign")?, params.salt.required("salt")?, params.ts.required("ts")?);
    let expected: [u8; SIGN_LEN] = signer.sign_bytes(salt.into(), method, ts.into());
    if sign != expected {
        let text = "the signature is not that of this project's secret, salt, method and ts";
        return Err(Refusal::new(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, text));
    }
    let now_s = now.unix_s();
    if ts.abs_diff(now_s) > CLOCK_TOLERANCE_S {
        let text = format!("ts is {ts} and the gate's clock says {now_s}, over {CLOCK_TOLERANCE_S} s apart");
        return Err(Refusal::new(ErrorCode::RTM_EC_INVALID_SERVER_TIME, text));
    }
    if !replays.is_first_use(&expected, ts, now_s) {
        let text = format!("the signature with the salt {salt} was used before: every call needs a salt of its own");
        return Err(Refusal::new(ErrorCode::RTM_EC_SAME_SIGN, text));
    }
    Ok(())
}

fn execute_room_call(
    method: Method,
    params: &Params<'_>,
    rooms: &mut Rooms,
    room_list: &mut Vec<i64>,
    now: Now,
    reply: Reply<'_>,
) -> Result<(), Refusal> {
    let rid = || params.rid.required("rid");
    let uid = || params.uid.required("uid");
    match method {
        Method::Ping => reply.ts(now.unix_ms),
        Method::AddRoomMember => {
            rooms.add_member(rid()?, uid()?);
            reply.empty();
        }
        Method::DelRoomMember => {
            rooms.remove_member(rid()?, uid()?);
            reply.empty();
        }
        Method::SetRoomInfo => {
            let room = rid()?;
            let (public, private) = room_infos(params)?;
            rooms.set_info(room, public, private);
            reply.empty();
        }
        Method::GetRoomInfo => {
            let (public, private) = rooms.info(rid()?);
            reply.info(public, private);
        }
        Method::AddRoomBan => {
            rooms.ban(params.rid.optional("rid")?, uid()?, ban_time(params)?, now.monotonic);
            reply.empty();
        }
        Method::RemoveRoomBan => {
            rooms.unban(params.rid.optional("rid")?, uid()?);
            reply.empty();
        }
        Method::IsBanOfRoom => reply.ok(rooms.is_banned(rid()?, uid()?, now.monotonic)),
        Method::GetRoomMembers => reply.uids(rooms.members(rid()?)),
        Method::GetRoomCount => {
            let listed = params.read_room_list(room_list);
            if listed.is_ok() {
                reply.counts(room_list.iter().map(|&room| (room, rooms.member_count(room))));
            }
            room_list.clear();
            room_list.shrink_to(KEPT_ROOM_LIST);
            listed?;
        }
    }
    Ok(())
}

fn room_infos<'a>(params: &Params<'a>) -> Result<(Option<&'a str>, Option<&'a str>), Refusal> {
    let infos = (params.oinfo.optional("oinfo")?, params.pinfo.optional("pinfo")?);
    if infos == (None, None) {
        return Err(Refusal::parameter("one of the parameters oinfo and pinfo is needed, and both are missing"));
    }
    for (key, info) in [("oinfo", infos.0), ("pinfo", infos.1)] {
        if let Some(too_long) = info.map(str::len).filter(|&len| len > LARGEST_INFO) {
            let text = format!("{key} has {too_long} bytes, over the limit of {LARGEST_INFO}");
            return Err(Refusal::new(ErrorCode::RTM_EC_LARGE_MESSAGE_OR_ATTRS, text));
        }
    }
    Ok(infos)
}

/// How long a ban lasts; `None` is for ever.
fn ban_time(params: &Params<'_>) -> Result<Option<Duration>, Refusal> {
    let Some(seconds) = params.btime.optional("btime")? else { return Ok(None) };
    if i32::try_from(seconds).is_err() {
        return Err(Refusal::parameter(format!("the parameter btime is {seconds}, which does not fit 32 bits")));
    }
    Ok(u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).map(Duration::from_secs))
}
