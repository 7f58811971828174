//! What the gate does with a quest: checks it, has its method execute it, and answers. No sockets; time is a parameter.
//!
//! A quest is checked in this order, and the first thing that is wrong decides: the packet (see [`Violation`]), the
//! encoding of the payload (10008), the method (20004), the signature fields (200034), the project (200001), the
//! signature (200002), the time stamp (200008), the repeated signature (200006), the method's own parameters. A
//! signature counts as used from the moment when it was found right, whatever becomes of the call.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::clock::Now;
use super::failure::{ErrorAnswer, Failure, Violation};
use super::handshake::Handshake;
use super::methods::{self, Call, Handler};
use super::params::Params;
use super::project::Project;
use super::replay::{CLOCK_TOLERANCE_S, Replays};
use super::reply::Reply;
use super::stats::Counters;
use crate::code::ErrorCode;
use crate::error::DecodeError;
use crate::fpnn::{FLAG_MSGPACK, Quest};
use crate::rtm::{SIGN_LEN, Signer};

/// The flag of a JSON payload. The vendor's server reads those too.
const FLAG_JSON: u8 = 0x40;

/// The projects, and the memory of the signatures.
#[derive(Debug)]
pub struct Service {
    projects: FxHashMap<i32, Project>,
    replays: Replays,
    counters: Arc<Counters>,
    handshake: Handshake,
}

impl Service {
    /// A service for these projects, in which nothing has happened yet.
    pub fn new(signers: FxHashMap<i32, Signer>, handshake: Handshake, counters: Arc<Counters>) -> Service {
        let projects = signers.into_iter().map(|(pid, signer)| (pid, Project::new(signer))).collect();
        Service { projects, replays: Replays::default(), counters, handshake }
    }

    /// How sessions begin.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Executes a quest and writes its answer at the end of `out`. For a one-way quest too: the caller drops it.
    ///
    /// # Errors
    ///
    /// The connection is to be closed. Nothing was written.
    pub fn serve(&mut self, quest: &Quest<'_>, now: Now, out: &mut Vec<u8>) -> Result<(), Violation> {
        let mut reply = Reply::new(out, quest.seq.unwrap_or_default());
        match self.execute(quest, now, &mut reply) {
            Ok(method) => {
                self.counters.count_executed(method);
                reply.finish();
            }
            Err(Failure::Answer(error)) => {
                log::warn!("{} refused with {}: {}", quest.method.escape_ascii(), error.code, error.text);
                self.counters.count_refused();
                reply.fail(&error);
            }
            Err(Failure::Close(violation)) => {
                reply.discard();
                return Err(violation);
            }
        }
        Ok(())
    }

    /// Gives the number of the method that was executed.
    fn execute(&mut self, quest: &Quest<'_>, now: Now, reply: &mut Reply<'_>) -> Result<usize, Failure> {
        let params = read_params(quest)?;
        let number = methods::find(quest.method).ok_or_else(|| unknown_method(quest.method))?;
        let method = &methods::ALL[number];
        match method.handler {
            Handler::Unsigned(handler) => handler(now, reply),
            Handler::Signed(handler) => {
                let project = self.authorize(&params, method.name, now)?;
                handler(&mut Call { params: &params, project, now }, reply)?;
            }
        }
        Ok(number)
    }

    /// The project of a call, once its signature is found right.
    fn authorize(&mut self, params: &Params<'_>, method: &str, now: Now) -> Result<&mut Project, ErrorAnswer> {
        let pid = params.int("pid")?;
        let signature = Signature { sign: params.bytes("sign")?, salt: params.int("salt")?, ts: params.int("ts")? };
        let Some(project) = i32::try_from(pid).ok().and_then(|pid| self.projects.get_mut(&pid)) else {
            let text = format!("the project {pid} is not served by this gate");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_PID_OR_UID, text));
        };
        signature.check(method, &project.signer, &mut self.replays, now)?;
        Ok(project)
    }
}

/// Opens the payload and reads it to its end, so that no quest is executed that is not whole.
fn read_params<'a>(quest: &Quest<'a>) -> Result<Params<'a>, Failure> {
    let encoding = quest.flag & (FLAG_MSGPACK | FLAG_JSON);
    if encoding != FLAG_MSGPACK && encoding != FLAG_JSON {
        return Err(Violation::Flag(quest.flag).into());
    }
    if quest.method.is_empty() {
        return Err(Violation::NoMethod.into());
    }
    quest.params().and_then(Params::read).map_err(|error| match error {
        DecodeError::NotMsgpack(flag) => {
            let text = format!("the gate reads plain msgpack only, and not what the flag byte {flag:#04x} announces");
            ErrorAnswer::new(ErrorCode::FPNN_EC_PROTO_PROTO_TYPE, text).into()
        }
        error => Violation::Payload(error).into(),
    })
}

fn unknown_method(method: &[u8]) -> ErrorAnswer {
    let text = format!("the gate does not know the method {}", method.escape_ascii());
    ErrorAnswer::new(ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD, text)
}

/// What a call is signed with, beside its project and its method.
struct Signature<'a> {
    sign: &'a [u8],
    salt: i64,
    ts: i64,
}

impl Signature<'_> {
    fn check(&self, method: &str, signer: &Signer, replays: &mut Replays, now: Now) -> Result<(), ErrorAnswer> {
        let &Signature { sign, salt, ts } = self;
        let expected: [u8; SIGN_LEN] = signer.sign_bytes(salt.into(), method.as_bytes(), ts.into());
        if sign != expected {
            let text = "the signature is not that of this project's secret, salt, method and ts";
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, text));
        }
        let now_s = now.unix_s();
        if ts.abs_diff(now_s) > CLOCK_TOLERANCE_S {
            let text = format!("ts is {ts} and the gate's clock says {now_s}, over {CLOCK_TOLERANCE_S} s apart");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_SERVER_TIME, text));
        }
        if !replays.is_first_use(&expected, ts, now_s) {
            let text =
                format!("the signature with the salt {salt} was used before: every call needs a salt of its own");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_SAME_SIGN, text));
        }
        Ok(())
    }
}
