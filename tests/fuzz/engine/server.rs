//! The engine's server: it records what it saw, answers, and misbehaves.

use std::collections::{BTreeSet, VecDeque};

use rtm_server_sdk::fpnn::{Decoder, Frame, FrameWriter, MethodName, PayloadReader, Quest};

use super::super::feed::feed;

const PUSH: MethodName<'static> = MethodName::literal("pushroommsg");
/// The server's refusals: permanent, for a moment, for a second, and because of a wrong clock. The last code is
/// unknown.
const REFUSALS: [i32; 6] = [200_021, 200_004, 20_011, 200_010, 200_008, 399_999];

/// A received quest.
#[derive(Debug, Clone)]
struct Came {
    seq: u32,
    /// The call it belongs to, if it is one.
    token: Option<u32>,
    /// What to push, if it says so.
    rooms: Option<Vec<i64>>,
}

/// One connection, from the server's end.
#[derive(Debug)]
pub struct Server {
    decoder: Decoder,
    /// Every sequence number that arrived on this connection.
    seqs: BTreeSet<u32>,
    unanswered: VecDeque<Came>,
    answered: Vec<Came>,
    /// What the server pushes.
    rooms: Vec<i64>,
    /// Calls that were answered with an error.
    refused: BTreeSet<u32>,
    /// Calls that were reported as not sent.
    denied: BTreeSet<u32>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            decoder: Decoder::new(1024 * 1024),
            seqs: BTreeSet::new(),
            unanswered: VecDeque::new(),
            answered: Vec::new(),
            rooms: Vec::new(),
            refused: BTreeSet::new(),
            denied: BTreeSet::new(),
        }
    }
}

impl Server {
    /// Bytes come. Gives the tokens of the calls that are whole with them.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u32> {
        let mut tokens = Vec::new();
        feed(&mut self.decoder, bytes, |frame| {
            let Frame::Quest(Quest { seq: Some(seq), method, payload, .. }) = frame else { return };
            assert!(self.seqs.insert(seq), "the sequence number {seq} came twice");
            let token = token_in(payload);
            let rooms = (method == b"setlisten").then(|| rooms_in(payload).expect("`setlisten` can be read"));
            self.unanswered.push_back(Came { seq, token, rooms });
            tokens.extend(token);
        });
        tokens
    }

    /// The answer to one of the quests that came: mostly a result.
    pub fn next_answer(&mut self, detail: u8) -> Vec<u8> {
        if self.unanswered.is_empty() {
            return Vec::new();
        }
        let mut at = usize::from(detail) % self.unanswered.len();
        if self.unanswered[at].rooms.is_some() {
            // Whatever else it does, a server grants one request after the other.
            at = self.unanswered.iter().position(|came| came.rooms.is_some()).unwrap_or(at);
        }
        let Some(came) = self.unanswered.remove(at) else { return Vec::new() };
        let bytes = match detail % 4 {
            0 => {
                self.refused.extend(came.token);
                refusal(&came, REFUSALS[usize::from(detail / 4) % REFUSALS.len()])
            }
            _ => {
                if let Some(rooms) = &came.rooms {
                    self.rooms.clone_from(rooms);
                }
                answer(&came)
            }
        };
        self.answered.push(came);
        bytes
    }

    /// Something that a sound server does not do, or does of its own accord.
    pub fn mischief(&mut self, detail: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        match detail % 32 {
            // An answer that was sent before.
            0..=9 => match self.answered.get(usize::from(detail / 8)) {
                Some(came) => answer(came),
                None => bytes,
            },
            // An answer to no quest.
            10..=15 => answer(&Came { seq: u32::from(detail) << 16 | 0x8000_0000, token: None, rooms: None }),
            // A push, well-formed or not.
            16..=29 => {
                let mut frame = FrameWriter::two_way_quest(&mut bytes, detail.into(), PUSH);
                let _ = frame.params().int("rid", 1).int("from", 2).int("mid", 3).str("msg", "hello");
                frame.finish();
                bytes
            }
            // A frame that stays incomplete, or whose end arrives with the next bytes.
            30 => {
                answer(&Came { seq: detail.into(), token: None, rooms: None })[..usize::from(detail % 12) + 1].to_vec()
            }
            _ => vec![detail; usize::from(detail)],
        }
    }

    /// Whether it pushes what is said in this room.
    pub fn pushes(&self, room: i64) -> bool {
        self.rooms.contains(&room)
    }

    pub fn has_refused(&self, token: u32) -> bool {
        self.refused.contains(&token)
    }

    /// The client was told that this call was not sent.
    pub fn deny(&mut self, token: u32) {
        let came = self.unanswered.iter().chain(&self.answered).any(|came| came.token == Some(token));
        assert!(!came, "call {token} came, and is said not to have been sent");
        self.denied.insert(token);
    }

    pub fn was_denied(&self, token: u32) -> bool {
        self.denied.contains(&token)
    }
}

fn refusal(came: &Came, code: i32) -> Vec<u8> {
    let &Came { seq, token, .. } = came;
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, seq, 1);
    let params = frame.params().int("code", code.into()).str("ex", "no");
    let _ = params.optional_int("token", token.map(i64::from));
    frame.finish();
    bytes
}

fn answer(came: &Came) -> Vec<u8> {
    let &Came { seq, token, .. } = came;
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, seq, 0);
    // The answer to a ping contains the server's time. In that to a `setlisten`, it is skipped.
    let time = token.is_none().then_some(1_700_000_000_000 + i64::from(seq));
    let _ = frame.params().optional_int("token", token.map(i64::from)).optional_int("ts", time);
    frame.finish();
    bytes
}

/// Returns the rooms in a `setlisten`.
fn rooms_in(payload: &[u8]) -> Option<Vec<i64>> {
    let mut reader = PayloadReader::open(payload).ok()?;
    let mut rooms = Vec::new();
    while let Some(key) = reader.next_key().ok()? {
        if key == b"rids" {
            let count = reader.array_len("rids").ok()?;
            rooms = (0..count).map(|_| reader.int("rids").ok()).collect::<Option<_>>()?;
        } else {
            reader.skip().ok()?;
        }
    }
    Some(rooms)
}

/// The token that a payload carries.
pub fn token_in(payload: &[u8]) -> Option<u32> {
    let mut reader = PayloadReader::open(payload).ok()?;
    while let Some(key) = reader.next_key().ok()? {
        if key == b"token" {
            return u32::try_from(reader.int("token").ok()?).ok();
        }
        reader.skip().ok()?;
    }
    None
}
