//! Handles quests: checks each, executes its method, and answers. Has no sockets, and time is a parameter.
//!
//! A quest is checked in this order, and the first failure decides: the packet (see [`Violation`]), the encoding of the
//! payload (10008), the method (20004), the signature fields (200034), the project (200001), the signature (200002),
//! the time stamp (200008), the repeated signature (200006), the rate (200010), the method's own parameters. Once a
//! signature is verified it counts as used, whatever happens to the call.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::clock::Now;
use super::failure::{ErrorAnswer, Failure, Violation};
use super::fault::{Effect, Faults};
use super::handshake::Handshake;
use super::methods::{self, Call, Handler, Method};
use super::params::Params;
use super::project::{ConnectionId, Project, Rules};
use super::push::{EventPush, Push, Pushes};
use super::replay::{CLOCK_TOLERANCE_S, Replays};
use super::reply::Reply;
use super::stats::Counters;
use crate::code::ErrorCode;
use crate::error::DecodeError;
use crate::fpnn::{FLAG_MSGPACK, Quest};
use crate::rtm::{Message, SIGN_LEN, Signer, UserId};

/// The flag of a JSON payload, which the vendor's server also reads.
const FLAG_JSON: u8 = 0x40;
/// An answer buffer with more capacity than this, in bytes, frees its memory.
const KEPT_ANSWER: usize = 64 * 1024;

/// The projects, and the used signatures.
#[derive(Debug)]
pub(super) struct Service {
    projects: FxHashMap<i32, Project>,
    /// `None` if signatures may be used again.
    replays: Option<Replays>,
    counters: Arc<Counters>,
    settings: Settings,
    faults: Faults,
    pushes: Pushes,
    /// The answer to the last quest, kept so that answers need no allocation.
    answer: Vec<u8>,
}

/// The settings of a service.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// How sessions begin.
    pub handshake: Handshake,
    /// The rules of the real service to follow.
    pub rules: Rules,
    /// Whether a signature may be used again.
    pub accept_repeated_signatures: bool,
}

/// The reaction of a connection to a quest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction<'a> {
    /// Do nothing: the quest is one-way, or a fault suppresses the answer.
    Nothing,
    /// Send an answer.
    Answer(&'a [u8]),
    /// Send an answer later.
    AnswerLater(&'a [u8], Duration),
    /// Close the connection.
    Disconnect,
}

impl Service {
    /// Creates a service for these projects, without any history.
    pub(super) fn new(signers: FxHashMap<i32, Signer>, settings: Settings, counters: Arc<Counters>) -> Service {
        let project = |(pid, signer)| (pid, Project::new(signer, settings.rules));
        Service {
            projects: signers.into_iter().map(project).collect(),
            replays: (!settings.accept_repeated_signatures).then(Replays::default),
            counters,
            settings,
            faults: Faults::default(),
            pushes: Pushes::default(),
            answer: Vec::new(),
        }
    }

    /// How sessions begin.
    pub(super) fn handshake(&self) -> &Handshake {
        &self.settings.handshake
    }

    /// The injected faults.
    pub(super) fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Pushes a message to its listeners in every project. A message without a time gets the gate's.
    pub(super) fn push_message(&mut self, mut message: Message, now: Now) {
        message.mtime.get_or_insert(now.unix_ms);
        for project in self.projects.values() {
            self.pushes.message(&project.listeners, &message);
        }
    }

    /// Pushes an event to its listeners in every project.
    pub(super) fn push_event(&mut self, name: &str, uid: UserId, now: Now) {
        for (&pid, project) in &self.projects {
            self.pushes.event(&project.listeners, EventPush { pid, name, uid, time: now.unix_s() });
        }
    }

    /// Takes the pushes caused since the last call.
    pub(super) fn take_pushes(&mut self) -> Vec<Push> {
        self.pushes.take()
    }

    /// Pushes the gate's own `ping` to every connection that listens to events.
    pub(super) fn ping(&mut self) {
        for project in self.projects.values() {
            self.pushes.ping(&project.listeners);
        }
    }

    /// Removes a connection's subscriptions.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.projects.values_mut().for_each(|project| project.listeners.forget(connection));
    }

    /// Counts the answer to a push.
    pub(super) fn count_push_answer(&self) {
        self.counters.count_push_answered();
    }

    /// Executes a quest that arrived on `connection`. Returns what to do about it.
    ///
    /// # Errors
    ///
    /// The quest violates the protocol, so the connection must be closed.
    pub(super) fn serve(
        &mut self,
        quest: &Quest<'_>,
        connection: ConnectionId,
        now: Now,
    ) -> Result<Reaction<'_>, Violation> {
        let params = match read_params(quest) {
            Ok(params) => Ok(params),
            Err(Failure::Answer(error)) => Err(error),
            Err(Failure::Close(violation)) => return Err(violation),
        };
        let (params, delay) = match self.faults.apply(quest.method) {
            None => (params, None),
            Some(Effect::Delay(delay)) => (params, Some(delay)),
            Some(Effect::Answer(code, text)) => (Err(ErrorAnswer::new(code, text)), None),
            Some(Effect::Silence) => return Ok(Reaction::Nothing),
            Some(Effect::Disconnect) => return Ok(Reaction::Disconnect),
        };
        self.write_answer(quest, |service, reply| service.execute(quest.method, &params?, connection, now, reply));
        Ok(match (quest.seq, delay) {
            (None, _) => Reaction::Nothing,
            (Some(_), None) => Reaction::Answer(&self.answer),
            (Some(_), Some(delay)) => Reaction::AnswerLater(&self.answer, delay),
        })
    }

    /// Writes the answer to a quest: what `execute` writes, or its error. `execute` returns the number of the method.
    fn write_answer(
        &mut self,
        quest: &Quest<'_>,
        execute: impl FnOnce(&mut Service, &mut Reply<'_>) -> Result<usize, ErrorAnswer>,
    ) {
        let mut answer = std::mem::take(&mut self.answer);
        answer.shrink_to(KEPT_ANSWER);
        let mut reply = Reply::new(&mut answer, quest.seq.unwrap_or_default());
        match execute(self, &mut reply) {
            Ok(method) => {
                self.counters.count_executed(method);
                reply.finish();
            }
            Err(error) => {
                log::warn!("{} refused with {}: {}", quest.method.escape_ascii(), error.code, error.text);
                self.counters.count_refused();
                reply.fail(&error);
            }
        }
        self.answer = answer;
    }

    /// Executes a quest. Returns the number of its method.
    fn execute(
        &mut self,
        method: &[u8],
        params: &Params<'_>,
        connection: ConnectionId,
        now: Now,
        reply: &mut Reply<'_>,
    ) -> Result<usize, ErrorAnswer> {
        let number = methods::find(method).ok_or_else(|| unknown_method(method))?;
        let Method { name, handler } = methods::ALL[number];
        match handler {
            Handler::Unsigned(handler) => handler(now, reply),
            Handler::Signed(handler) => {
                let project = authorize(&mut self.projects, self.replays.as_mut(), params, name, now)?;
                handler(&mut Call { params, project, now, connection, pushes: &mut self.pushes }, reply)?;
            }
        }
        Ok(number)
    }
}

/// Returns the project of a call, after checking its signature.
fn authorize<'a>(
    projects: &'a mut FxHashMap<i32, Project>,
    replays: Option<&mut Replays>,
    params: &Params<'_>,
    method: &str,
    now: Now,
) -> Result<&'a mut Project, ErrorAnswer> {
    let pid = params.int("pid")?;
    let signature = Signature { sign: params.bytes("sign")?, salt: params.int("salt")?, ts: params.int("ts")? };
    let Some(project) = i32::try_from(pid).ok().and_then(|pid| projects.get_mut(&pid)) else {
        let text = format!("project {pid} is not served by this gate");
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_PID_OR_UID, text));
    };
    signature.check(method, &project.signer, replays, now)?;
    if !project.rate.as_mut().is_none_or(|rate| rate.admit(now.monotonic)) {
        let text = "the project makes more calls a second than this gate allows";
        return Err(ErrorAnswer::new(ErrorCode::RTM_EC_FREQUENCY_LIMITED, text));
    }
    Ok(project)
}

/// Reads the whole payload, so that an incomplete quest is not executed.
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

/// The signature of a call, without its project and its method.
struct Signature<'a> {
    sign: &'a [u8],
    salt: i64,
    ts: i64,
}

impl Signature<'_> {
    fn check(&self, method: &str, signer: &Signer, replays: Option<&mut Replays>, now: Now) -> Result<(), ErrorAnswer> {
        let &Signature { sign, salt, ts } = self;
        let expected: [u8; SIGN_LEN] = signer.sign(salt, method.as_bytes(), ts);
        if sign != expected {
            let text = "the signature is not that of this project's secret, salt, method and ts";
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, text));
        }
        let now_s = now.unix_s();
        if ts.abs_diff(now_s) > CLOCK_TOLERANCE_S {
            let text = format!("ts is {ts} and the gate's clock says {now_s}, over {CLOCK_TOLERANCE_S} s apart");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_INVALID_SERVER_TIME, text));
        }
        if !replays.is_none_or(|replays| replays.is_first_use(&expected, ts, now_s)) {
            let text =
                format!("the signature with the salt {salt} was used before: every call needs a salt of its own");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_SAME_SIGN, text));
        }
        Ok(())
    }
}
