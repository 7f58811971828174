//! Loads the golden bytes of `tests/vectors` (see the README there).

use serde::Deserialize;

use super::golden_files::{load, unhex};

#[derive(Deserialize)]
pub struct Requests {
    pub common: Common,
    pub not_sent: Vec<NotSent>,
    pub vectors: Vec<Request>,
}

#[derive(Deserialize)]
pub struct Common {
    pub pid: String,
    pub secret: String,
    pub ts: String,
    pub salt: String,
}

#[derive(Deserialize)]
pub struct NotSent {
    pub name: String,
    pub function: String,
    pub inputs: Inputs,
}

/// A call, and what two clients send for it.
#[derive(Deserialize)]
pub struct Request {
    pub name: String,
    pub function: String,
    pub inputs: Inputs,
    pub method: String,
    pub sign: String,
    pub frame_hex: Option<String>,
}

/// The arguments of a room function.
#[derive(Deserialize)]
pub struct Inputs {
    pub rid: Option<String>,
    pub uid: Option<String>,
    pub btime: Option<String>,
    pub oinfo: Option<Text>,
    pub pinfo: Option<Text>,
    pub rids: Option<Numbers>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Repeat { text: String, count: usize },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Numbers {
    Plain(Vec<String>),
    Range { start: String, step: String, count: i64 },
}

/// An answer, and what the caller gets.
#[derive(Deserialize)]
pub struct Answer {
    pub name: String,
    pub function: String,
    pub expected: Expected,
    #[serde(default)]
    pub lenient: bool,
    #[serde(flatten)]
    pub frame: Frame,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Expected<T = Outcome> {
    Ok { value: Option<T> },
    Error { code: String, message: Option<serde_json::Value> },
    DecodeError,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    Flag { ok: bool },
    Members { uids: Numbers },
    Counts { cn: Vec<(String, String)> },
    // Last, because it matches every other too.
    Info { oinfo: Option<serde_json::Value>, pinfo: Option<serde_json::Value> },
}

/// A frame that is to be refused.
#[derive(Deserialize)]
pub struct Invalid {
    pub name: String,
    pub function: String,
    pub pending_seq: u32,
    pub expected: Rejection,
    #[serde(default)]
    pub optional: bool,
    #[serde(flatten)]
    pub frame: Frame,
}

#[derive(Deserialize)]
pub struct Rejection {
    pub scope: Scope,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Connection,
    Quest,
    Frame,
}

#[derive(Deserialize)]
pub struct Frame {
    frame_length: usize,
    frame_hex: Option<String>,
    #[serde(default)]
    frame_parts: Vec<Part>,
}

#[derive(Deserialize)]
pub struct Part {
    hex: String,
    #[serde(default = "once")]
    count: usize,
}

fn once() -> usize {
    1
}

/// Bytes, and ways to cut them.
#[derive(Deserialize)]
pub struct Stream {
    pub name: String,
    pub pending_seqs: Vec<u32>,
    stream_length: usize,
    stream_hex: Option<String>,
    #[serde(default)]
    stream_parts: Vec<Part>,
    pub frames: Vec<StreamFrame>,
    pub left_over_bytes: usize,
    pub end: String,
    pub expected_end: String,
    pub splits: Vec<Split>,
}

#[derive(Deserialize)]
pub struct StreamFrame {
    pub offset: usize,
    pub length: usize,
    pub kind: String,
    pub seq: Option<u32>,
    pub status: Option<u8>,
}

#[derive(Deserialize)]
pub struct Split {
    pub name: String,
    chunks: Option<Vec<usize>>,
    every: Option<usize>,
}

#[derive(Deserialize)]
struct List<T> {
    vectors: Vec<T>,
}

pub fn requests() -> Requests {
    load("requests.json")
}

pub fn answers() -> Vec<Answer> {
    load::<List<Answer>>("answers.json").vectors
}

pub fn invalid() -> Vec<Invalid> {
    load::<List<Invalid>>("invalid.json").vectors
}

pub fn streams() -> Vec<Stream> {
    load::<List<Stream>>("streams.json").vectors
}

impl Text {
    pub fn expand(&self) -> String {
        match self {
            Text::Plain(text) => text.clone(),
            Text::Repeat { text, count } => text.repeat(*count),
        }
    }
}

impl Numbers {
    /// The numbers, which may lie outside 64 signed bits.
    pub fn expand(&self) -> Vec<i128> {
        match self {
            Numbers::Plain(list) => list.iter().map(|digits| number(digits)).collect(),
            Numbers::Range { start, step, count } => {
                (0..*count).map(|index| number(start) + number(step) * i128::from(index)).collect()
            }
        }
    }
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = self.frame_hex.as_deref().map_or_else(|| join(&self.frame_parts), unhex);
        assert_eq!(bytes.len(), self.frame_length);
        bytes
    }
}

impl Stream {
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = self.stream_hex.as_deref().map_or_else(|| join(&self.stream_parts), unhex);
        assert_eq!(bytes.len(), self.stream_length);
        bytes
    }
}

impl Split {
    /// The pieces that `bytes` is cut into.
    pub fn cut<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        match (&self.chunks, self.every) {
            (Some(lengths), None) => {
                let mut rest = bytes;
                let mut pieces = Vec::new();
                for &length in lengths {
                    let (piece, after) = rest.split_at(length);
                    pieces.push(piece);
                    rest = after;
                }
                assert!(rest.is_empty(), "the pieces of {} do not make up the stream", self.name);
                pieces
            }
            (None, Some(every)) => bytes.chunks(every).collect(),
            _ => panic!("{} is to have either `chunks` or `every`", self.name),
        }
    }
}

pub fn number(digits: &str) -> i128 {
    digits.parse().unwrap()
}

fn join(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| unhex(&part.hex).repeat(part.count)).collect()
}

/// The bytes of a typed value that is a `str` or a `bin`; the digits of an `int`.
pub fn typed_bytes(value: &serde_json::Value) -> Option<Vec<u8>> {
    match value["t"].as_str().unwrap() {
        "str" | "bin" => {}
        "int" => return Some(value["v"].as_str().unwrap().as_bytes().to_vec()),
        _ => return None,
    }
    Some(match (value["hex"].as_str(), value["v"].as_str()) {
        (Some(hex), _) => unhex(hex),
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => value["text"].as_str().unwrap().repeat(value["count"].as_u64().unwrap() as usize).into_bytes(),
    })
}
