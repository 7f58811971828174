//! What the gate can do: reads a quest's parameters, does what it asks for, writes the answer.

use std::time::{Duration, Instant};

use super::auth::{Credentials, Projects, Refusal};
use super::rooms::Rooms;
use crate::code::ErrorCode;
use crate::error::DecodeError;
use crate::proto::{FrameWriter, PayloadReader, Quest};

/// The most bytes that an info of a room may have.
const LONGEST_INFO: usize = 65_535;

/// The time of a batch of quests.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    pub now: Instant,
    /// Milliseconds since the epoch.
    pub unix_millis: i64,
}

/// The methods of the wire, in the order of the vendor's pages. `*ping` is FPNN's own.
pub const METHODS: [&str; 10] = [
    "addroommember",
    "delroommember",
    "setroominfo",
    "getroominfo",
    "addroomban",
    "removeroomban",
    "isbanofroom",
    "getroommembers",
    "getroomcount",
    "*ping",
];

/// What became of a quest.
#[derive(Debug, PartialEq, Eq)]
pub enum Handled {
    /// It was executed: the method's place in [`METHODS`].
    Executed(usize),
    /// It was turned away.
    Refused(ErrorCode, &'static str),
}

/// Executes `quest`, if it may be, and writes its answer to `out`, if it is owed one.
///
/// # Errors
///
/// The payload is not a map that can be read to its end: the connection is to be closed, as the vendor's server does.
pub fn handle(
    projects: &mut Projects,
    quest: &Quest<'_>,
    clock: Clock,
    out: &mut Vec<u8>,
) -> Result<Handled, DecodeError> {
    let params = match Params::read(quest.params()?) {
        Ok(params) => Ok(params),
        Err(DecodeError::WrongType { .. }) => {
            Err((ErrorCode::RTM_EC_INVALID_PARAMETER, "a parameter of the wrong type"))
        }
        Err(error) => return Err(error),
    };
    let start = out.len();
    let mut answer = Answer { out, seq: quest.seq.unwrap_or_default() };
    let handled = match params.and_then(|params| execute(projects, quest.method, &params, clock, &mut answer)) {
        Ok(method) => Handled::Executed(method),
        Err((code, message)) => {
            answer.error(code, message);
            Handled::Refused(code, message)
        }
    };
    if quest.seq.is_none() {
        // A one-way quest is owed no answer.
        out.truncate(start);
    }
    Ok(handled)
}

/// Checks, executes and answers. Nothing is written before all checks are passed.
fn execute(
    projects: &mut Projects,
    method: &[u8],
    params: &Params<'_>,
    clock: Clock,
    answer: &mut Answer<'_>,
) -> Result<usize, Refusal> {
    let number = METHODS
        .iter()
        .position(|known| known.as_bytes() == method)
        .ok_or((ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD, "no such method"))?;
    if METHODS[number] == "*ping" {
        answer.ping(clock.unix_millis);
        return Ok(number);
    }
    let rooms = projects.admit(method, &params.credentials, clock.now, clock.unix_millis.div_euclid(1000))?;
    match METHODS[number] {
        "addroommember" => {
            rooms.add_member(params.rid()?, params.uid()?);
            answer.nothing();
        }
        "delroommember" => {
            rooms.remove_member(params.rid()?, params.uid()?);
            answer.nothing();
        }
        "setroominfo" => {
            let (public, private) = params.infos()?;
            rooms.set_infos(params.rid()?, public, private);
            answer.nothing();
        }
        "getroominfo" => {
            let (public, private) = rooms.infos(params.rid()?);
            answer.infos(public, private);
        }
        "addroomban" => {
            rooms.ban(params.rid, params.uid()?, params.ban_time(), clock.now);
            answer.nothing();
        }
        "removeroomban" => {
            rooms.unban(params.rid, params.uid()?);
            answer.nothing();
        }
        "isbanofroom" => answer.ok(rooms.is_banned(params.rid()?, params.uid()?, clock.now)),
        "getroommembers" => answer.uids(rooms.members(params.rid()?)),
        _ => answer.counts(rooms, &params.rids()?),
    }
    Ok(number)
}

/// A quest's parameters: those that any method has.
#[derive(Debug, Default)]
struct Params<'a> {
    credentials: Credentials<'a>,
    rid: Option<i64>,
    uid: Option<i64>,
    btime: Option<i64>,
    public_info: Option<&'a [u8]>,
    private_info: Option<&'a [u8]>,
    rids: Option<Vec<i64>>,
}

impl<'a> Params<'a> {
    fn read(mut reader: PayloadReader<'a>) -> Result<Params<'a>, DecodeError> {
        let mut params = Params::default();
        while let Some(key) = reader.next_key()? {
            match key {
                b"pid" => params.credentials.pid = Some(reader.integral("pid")?),
                b"sign" => params.credentials.sign = Some(reader.bytes("sign")?),
                b"salt" => params.credentials.salt = Some(reader.integral("salt")?),
                b"ts" => params.credentials.ts = Some(reader.integral("ts")?),
                b"rid" => params.rid = Some(reader.integral("rid")?),
                b"uid" => params.uid = Some(reader.integral("uid")?),
                b"btime" => params.btime = Some(reader.integral("btime")?),
                b"oinfo" => params.public_info = Some(reader.bytes("oinfo")?),
                b"pinfo" => params.private_info = Some(reader.bytes("pinfo")?),
                b"rids" => {
                    let len = reader.array_len("rids")?;
                    params.rids = Some((0..len).map(|_| reader.integral("rids")).collect::<Result<_, _>>()?);
                }
                _ => reader.skip()?,
            }
        }
        Ok(params)
    }

    fn rid(&self) -> Result<i64, Refusal> {
        self.rid.ok_or((ErrorCode::RTM_EC_INVALID_PARAMETER, "rid is needed"))
    }

    fn uid(&self) -> Result<i64, Refusal> {
        self.uid.ok_or((ErrorCode::RTM_EC_INVALID_PARAMETER, "uid is needed"))
    }

    /// The vendor's C++ SDK sends one `rid` in place of `rids`.
    fn rids(&self) -> Result<Vec<i64>, Refusal> {
        match (&self.rids, self.rid) {
            (Some(rids), _) => Ok(rids.clone()),
            (None, Some(rid)) => Ok(vec![rid]),
            (None, None) => Err((ErrorCode::RTM_EC_INVALID_PARAMETER, "rids is needed")),
        }
    }

    fn infos(&self) -> Result<(Option<&'a str>, Option<&'a str>), Refusal> {
        if self.public_info.is_none() && self.private_info.is_none() {
            return Err((ErrorCode::RTM_EC_INVALID_PARAMETER, "oinfo or pinfo is needed"));
        }
        Ok((checked_info(self.public_info)?, checked_info(self.private_info)?))
    }

    /// Without a time, and for one of 0 or less, a ban is for ever.
    fn ban_time(&self) -> Option<Duration> {
        let seconds = self.btime.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        seconds.map(Duration::from_secs)
    }
}

fn checked_info(info: Option<&[u8]>) -> Result<Option<&str>, Refusal> {
    let Some(bytes) = info else { return Ok(None) };
    if bytes.len() > LONGEST_INFO {
        return Err((ErrorCode::RTM_EC_LARGE_MESSAGE_OR_ATTRS, "an info has at most 65,535 bytes"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err((ErrorCode::RTM_EC_INVALID_PARAMETER, "an info is UTF-8")),
    }
}

/// Writes one answer.
struct Answer<'a> {
    out: &'a mut Vec<u8>,
    seq: u32,
}

impl Answer<'_> {
    fn begin(&mut self, pairs: u32) -> FrameWriter<'_> {
        FrameWriter::answer(self.out, self.seq, 0, pairs)
    }

    fn error(&mut self, code: ErrorCode, message: &str) {
        FrameWriter::error_answer(self.out, self.seq, code.value(), message);
    }

    fn nothing(&mut self) {
        self.begin(0).finish();
    }

    fn ping(&mut self, unix_millis: i64) {
        let mut frame = self.begin(1);
        frame.payload().str("ts");
        frame.payload().int(unix_millis);
        frame.finish();
    }

    fn ok(&mut self, ok: bool) {
        let mut frame = self.begin(1);
        frame.payload().str("ok");
        frame.payload().bool(ok);
        frame.finish();
    }

    /// An info that a room does not have is left out.
    fn infos(&mut self, public: Option<&str>, private: Option<&str>) {
        let infos = [("oinfo", public), ("pinfo", private)];
        let count = infos.iter().filter(|(_, info)| info.is_some()).count();
        let mut frame = self.begin(count as u32);
        for (key, info) in infos {
            if let Some(info) = info {
                frame.payload().str(key);
                frame.payload().str(info);
            }
        }
        frame.finish();
    }

    fn uids(&mut self, uids: impl ExactSizeIterator<Item = i64>) {
        let mut frame = self.begin(1);
        let mut payload = frame.payload();
        payload.str("uids");
        payload.array(u32::try_from(uids.len()).unwrap_or(u32::MAX));
        uids.for_each(|uid| payload.int(uid));
        frame.finish();
    }

    /// The keys are strings: an official SDK hangs on numbers.
    fn counts(&mut self, rooms: &Rooms, rids: &[i64]) {
        let mut distinct = rids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut frame = self.begin(1);
        let mut payload = frame.payload();
        payload.str("cn");
        payload.map(u32::try_from(distinct.len()).unwrap_or(u32::MAX));
        let mut digits = itoa::Buffer::new();
        for rid in distinct {
            payload.str(digits.format(rid));
            payload.int(rooms.member_count(rid) as i64);
        }
        frame.finish();
    }
}
