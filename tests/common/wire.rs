//! A small FPNN codec on rmpv, only for the tests, so that both sides of a test do not share a mistake.

use rmpv::Value;

pub const ONE_WAY: u8 = 0;
pub const TWO_WAY: u8 = 1;
pub const ANSWER: u8 = 2;
pub const MSGPACK: u8 = 0x80;
const HEADER: usize = 12;
const SEQ_AT: std::ops::Range<usize> = 12..16;

/// One frame, taken apart.
#[derive(Clone, PartialEq)]
pub struct Packet {
    pub raw: Vec<u8>,
    pub version: u8,
    pub flag: u8,
    pub mtype: u8,
    /// Length of the method's name, or status of an answer.
    pub ss: u8,
    pub seq: Option<u32>,
    pub method: String,
    pub payload: Vec<u8>,
}

impl Packet {
    /// Takes the frame at the front of `bytes` apart; `None` until it is whole. Panics at what is not FPNN.
    pub fn parse(bytes: &[u8]) -> Option<Packet> {
        if bytes.len() < HEADER {
            return None;
        }
        assert_eq!(
            &bytes[..4],
            b"FPNN",
            "the client sent something else than FPNN: {}",
            bytes[..HEADER].escape_ascii()
        );
        let (version, flag, mtype, ss) = (bytes[4], bytes[5], bytes[6], bytes[7]);
        let payload_len = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let seq_len = if mtype == ONE_WAY { 0 } else { 4 };
        let method_len = if mtype == ANSWER { 0 } else { usize::from(ss) };
        let method_at = HEADER + seq_len;
        let payload_at = method_at + method_len;
        let frame = bytes.get(..payload_at + payload_len)?;
        Some(Packet {
            raw: frame.to_vec(),
            version,
            flag,
            mtype,
            ss,
            seq: (seq_len == 4).then(|| u32::from_le_bytes(frame[SEQ_AT].try_into().unwrap())),
            method: String::from_utf8(frame[method_at..payload_at].to_vec()).unwrap(),
            payload: frame[payload_at..].to_vec(),
        })
    }

    /// The sequence number of a quest or an answer that has one.
    pub fn seq(&self) -> u32 {
        self.seq.expect("a one-way quest has no sequence number")
    }

    pub fn status(&self) -> u8 {
        assert_eq!(self.mtype, ANSWER);
        self.ss
    }

    /// The payload's map, which must fill the payload.
    pub fn map(&self) -> Value {
        let mut rest = &self.payload[..];
        let value = rmpv::decode::read_value(&mut rest).expect("the payload is msgpack");
        assert!(rest.is_empty(), "{} bytes are left over after the payload's map", rest.len());
        assert!(value.is_map(), "the payload is not a map: {value}");
        value
    }

    /// The entries of the payload's map.
    pub fn params(&self) -> Vec<(String, Value)> {
        let Value::Map(pairs) = self.map() else { unreachable!("it is a map") };
        pairs.into_iter().map(|(key, value)| (key.as_str().expect("keys are strings").to_owned(), value)).collect()
    }

    /// The value under `key`, if there is one.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.params().into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The integer under `key`.
    pub fn int(&self, key: &str) -> i64 {
        self.get(key).and_then(|value| value.as_i64()).unwrap_or_else(|| panic!("{self:?} has no integer `{key}`"))
    }
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Packet { mtype, ss, seq, method, payload, .. } = self;
        write!(f, "Packet {{ mtype {mtype}, ss {ss}, seq {seq:?}, method {method:?}, {} bytes }}", payload.len())
    }
}

/// Cuts received bytes into frames.
#[derive(Default)]
pub struct Splitter {
    received: Vec<u8>,
}

impl Splitter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<Packet> {
        let packet = Packet::parse(&self.received)?;
        self.received.drain(..packet.raw.len());
        Some(packet)
    }

    /// Bytes of a frame that is not whole.
    pub fn left_over(&self) -> usize {
        self.received.len()
    }
}

/// Any frame, sound or not: `declared` is the payload size in the header.
pub fn raw_frame(flag: u8, mtype: u8, ss: u8, declared: u32, rest: &[u8]) -> Vec<u8> {
    let mut frame = b"FPNN".to_vec();
    frame.extend_from_slice(&[1, flag, mtype, ss]);
    frame.extend_from_slice(&declared.to_le_bytes());
    frame.extend_from_slice(rest);
    frame
}

/// An answer with these bytes for its payload.
pub fn answer_of_bytes(seq: u32, status: u8, payload: &[u8]) -> Vec<u8> {
    let rest = [&seq.to_le_bytes()[..], payload].concat();
    raw_frame(MSGPACK, ANSWER, status, payload.len() as u32, &rest)
}

/// An answer that is a result.
pub fn answer(seq: u32, payload: &Value) -> Vec<u8> {
    answer_of_bytes(seq, 0, &encode(payload))
}

/// The answer `{}`.
pub fn empty_answer(seq: u32) -> Vec<u8> {
    answer(seq, &map([]))
}

/// An answer that is an error.
pub fn error_answer(seq: u32, code: i64, message: &str) -> Vec<u8> {
    answer_of_bytes(seq, 1, &encode(&map([("code", code.into()), ("ex", message.into())])))
}

/// A quest of the server's own that is owed an answer.
pub fn two_way_quest(seq: u32, method: &str, params: &Value) -> Vec<u8> {
    let payload = encode(params);
    let rest = [&seq.to_le_bytes()[..], method.as_bytes(), &payload].concat();
    raw_frame(MSGPACK, TWO_WAY, method.len() as u8, payload.len() as u32, &rest)
}

/// A quest of the server's own that is owed nothing.
pub fn one_way_quest(method: &str, params: &Value) -> Vec<u8> {
    let payload = encode(params);
    let rest = [method.as_bytes(), &payload].concat();
    raw_frame(MSGPACK, ONE_WAY, method.len() as u8, payload.len() as u32, &rest)
}

/// The same frame with another sequence number. A frame too short to hold one stays as it is.
pub fn with_seq(frame: &[u8], seq: u32) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(bytes) = frame.get_mut(SEQ_AT) {
        bytes.copy_from_slice(&seq.to_le_bytes());
    }
    frame
}

/// A msgpack map with string keys.
pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

/// The result that the real service would give for `quest`, with made-up values where it has any.
pub fn plausible_result(method: &str) -> Value {
    match method {
        "getroominfo" => map([("oinfo", "o".into()), ("pinfo", "p".into())]),
        "isbanofroom" => map([("ok", true.into())]),
        "getroommembers" => map([("uids", Value::Array(vec![1.into(), 2.into()]))]),
        "getroomcount" => map([("cn", map([("1", 2.into())]))]),
        _ => map([]),
    }
}

/// Upper-case hex MD5 of `pid:secret:salt:method:ts`.
pub fn signature(pid: i64, secret: &str, salt: &str, method: &str, ts: &str) -> String {
    use md5::{Digest, Md5};
    let digest = Md5::digest(format!("{pid}:{secret}:{salt}:{method}:{ts}"));
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}
