//! Peers of the gate on the tests' own codec, so that the gate is not tested with the code that it is made of.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rmpv::Value;
use rtm_server_sdk::gate::Gate;

use crate::codec::{self, ANSWER, MSGPACK, ONE_WAY, Packet, TWO_WAY};

pub const PID: i64 = 80_000_001;
pub const SECRET: &str = "secret";
/// Nothing here takes a second; a test that would wait for ever fails after this time.
pub const WATCHDOG: Duration = Duration::from_secs(60);

/// Waits for what is told by no packet.
pub fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < WATCHDOG, "it never came to be so");
        std::thread::yield_now();
    }
}

pub fn gate() -> Gate {
    Gate::builder().project(80_000_001, SECRET).bind("127.0.0.1:0").unwrap()
}

pub fn unix_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

pub fn fresh_salt() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn sign(pid: i64, secret: &str, salt: i64, method: &str, ts: i64) -> String {
    codec::signature(pid, secret, &salt.to_string(), method, &ts.to_string())
}

/// Parameters, as they are written in the tests: `params! { "rid" => 1, "uid" => 2 }`.
#[macro_export]
macro_rules! params {
    ($($key:expr => $value:expr),* $(,)?) => {
        vec![$((rmpv::Value::from($key), rmpv::Value::from($value))),*]
    };
}

pub type Params = Vec<(Value, Value)>;

/// A list of integers, as a parameter or a result.
pub fn ints(values: impl IntoIterator<Item = i64>) -> Value {
    Value::Array(values.into_iter().map(Value::from).collect())
}

/// The four fields of a good signature.
pub fn signature(method: &str) -> Params {
    let (salt, ts) = (fresh_salt(), unix_s());
    params! { "pid" => PID, "sign" => sign(PID, SECRET, salt, method, ts), "salt" => salt, "ts" => ts }
}

pub fn signed(method: &str, params: Params) -> Params {
    let mut all = signature(method);
    all.extend(params);
    all
}

pub fn payload(params: Params) -> Vec<u8> {
    codec::encode(&Value::Map(params))
}

/// A whole packet; the sequence number is left out where there is none.
pub fn packet(flag: u8, kind: u8, seq: Option<u32>, method: &str, payload: &[u8]) -> Vec<u8> {
    let seq: Vec<u8> = seq.iter().flat_map(|seq| seq.to_le_bytes()).collect();
    let rest = [&seq, method.as_bytes(), payload].concat();
    codec::raw_frame(flag, kind, method.len().try_into().unwrap(), payload.len().try_into().unwrap(), &rest)
}

pub fn quest(seq: u32, method: &str, params: Params) -> Vec<u8> {
    packet(MSGPACK, TWO_WAY, Some(seq), method, &payload(params))
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub seq: u32,
    pub status: u8,
    pub payload: Value,
}

impl Answer {
    /// The code of an error answer, which has a text too; 0 for a result.
    pub fn code(&self) -> i64 {
        if self.status == 0 {
            return 0;
        }
        assert!(self.payload["ex"].as_str().is_some_and(|text| !text.is_empty()), "{}", self.payload);
        self.payload["code"].as_i64().unwrap()
    }
}

/// One connection to a gate.
pub struct Peer {
    pub stream: TcpStream,
    last_seq: u32,
}

impl Peer {
    pub fn connect(gate: &Gate) -> Peer {
        Peer::connect_to(gate.endpoint())
    }

    pub fn connect_to(endpoint: &str) -> Peer {
        let stream = TcpStream::connect(endpoint).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        stream.set_write_timeout(Some(WATCHDOG)).unwrap();
        Peer { stream, last_seq: 0 }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn receive(&mut self) -> Answer {
        let packet = self.receive_packet();
        assert_eq!((packet.version, packet.flag, packet.mtype), (1, MSGPACK, ANSWER), "{packet:?}");
        Answer { seq: packet.seq(), status: packet.status(), payload: packet.map() }
    }

    /// A push of this method.
    pub fn receive_push(&mut self, method: &str) -> Packet {
        let packet = self.receive_packet();
        assert_eq!((packet.version, packet.flag, packet.mtype), (1, MSGPACK, TWO_WAY), "{packet:?}");
        assert_eq!(packet.method, method);
        packet
    }

    /// The next packet, whatever it is.
    pub fn receive_packet(&mut self) -> Packet {
        let mut frame = vec![0; 12];
        self.stream.read_exact(&mut frame).unwrap();
        let (mtype, ss) = (frame[6], usize::from(frame[7]));
        let seq_len = if mtype == ONE_WAY { 0 } else { 4 };
        let method_len = if mtype == ANSWER { 0 } else { ss };
        let rest = seq_len + method_len + u32::from_le_bytes(frame[8..12].try_into().unwrap()) as usize;
        frame.resize(12 + rest, 0);
        self.stream.read_exact(&mut frame[12..]).unwrap();
        Packet::parse(&frame).unwrap()
    }

    /// A quest with exactly these parameters, and its answer.
    pub fn ask(&mut self, method: &str, params: Params) -> Answer {
        self.last_seq += 1;
        self.send(&quest(self.last_seq, method, params));
        let answer = self.receive();
        assert_eq!(answer.seq, self.last_seq);
        answer
    }

    /// A signed quest, and its answer.
    pub fn call(&mut self, method: &str, params: Params) -> Answer {
        self.ask(method, signed(method, params))
    }

    /// A signed quest that succeeds, and the result.
    pub fn result(&mut self, method: &str, params: Params) -> Value {
        let answer = self.call(method, params);
        assert_eq!(answer.code(), 0, "{}", answer.payload);
        answer.payload
    }

    /// Waits for the gate to close the connection, and says how many bytes came before.
    pub fn wait_for_close(&mut self) -> usize {
        let mut received = Vec::new();
        match self.stream.read_to_end(&mut received) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        received.len()
    }
}
