//! A small FPNN codec of its own, so that the gate is not tested with the code that it is made of.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use rmpv::Value;
use rtm_server_sdk::gate::Gate;

pub const PID: i64 = 80_000_001;
pub const SECRET: &str = "secret";
/// Nothing here takes a second; a test that would wait for ever fails after this time.
pub const WATCHDOG: Duration = Duration::from_secs(60);

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
    let digest = Md5::digest(format!("{pid}:{secret}:{salt}:{method}:{ts}"));
    digest.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Parameters, as they are written in the tests: `params! { "rid" => 1, "uid" => 2 }`.
#[macro_export]
macro_rules! params {
    ($($key:expr => $value:expr),* $(,)?) => {
        vec![$((rmpv::Value::from($key), rmpv::Value::from($value))),*]
    };
}

pub type Params = Vec<(Value, Value)>;

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
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Map(params)).unwrap();
    bytes
}

/// A whole packet; the sequence number is left out where there is none.
pub fn packet(flag: u8, kind: u8, seq: Option<u32>, method: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = b"FPNN\x01".to_vec();
    packet.extend([flag, kind, method.len().try_into().unwrap()]);
    packet.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    packet.extend(seq.iter().flat_map(|seq| seq.to_le_bytes()));
    packet.extend(method.bytes());
    packet.extend(payload);
    packet
}

pub fn quest(seq: u32, method: &str, params: Params) -> Vec<u8> {
    packet(0x80, 1, Some(seq), method, &payload(params))
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
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).unwrap();
        assert_eq!(header[..7], *b"FPNN\x01\x80\x02");
        let mut payload = vec![0; u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        let mut rest = &payload[..];
        let value = rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty() && value.is_map());
        Answer { seq: u32::from_le_bytes(header[12..].try_into().unwrap()), status: header[7], payload: value }
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
