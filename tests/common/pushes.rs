//! Loads `tests/vectors/pushes.json` (see `README-rooms.md` there).

use rtm_server_sdk::{Event, Message, MessageBody, Push, Target};
use serde::Deserialize;
use serde_json::Value;

use super::golden_files::load;
use super::vectors::{Frame, number, typed_bytes};

#[derive(Deserialize)]
pub struct Pushes {
    pub vectors: Vec<PushVector>,
    pub sequences: Vec<Sequence>,
}

/// One push, and what becomes of it.
#[derive(Deserialize)]
pub struct PushVector {
    #[serde(default)]
    pub name: String,
    pub expected: Expected,
    #[serde(default)]
    pub lenient: bool,
    #[serde(flatten)]
    pub frame: Frame,
}

#[derive(Deserialize)]
pub struct Expected {
    pub event: Option<Value>,
    pub answer: Option<Answer>,
    #[serde(default)]
    pub may_close: bool,
}

#[derive(Deserialize)]
pub struct Answer {
    pub seq: u32,
    pub status: Value,
    pub code: Option<String>,
}

#[derive(Deserialize)]
pub struct Sequence {
    pub name: String,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub lenient: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Step {
    Fill { fill: Fill },
    Reconnect { reconnect: bool },
    Push(Box<PushVector>),
}

#[derive(Deserialize)]
pub struct Fill {
    pub method: String,
    pub first_seq: u32,
    pub vary: String,
    start: String,
    step: String,
    pub count: u32,
    pub payload: Value,
}

pub fn pushes() -> Pushes {
    load("pushes.json")
}

impl Fill {
    /// What the varying key is in the push of this index.
    pub fn value(&self, index: u32) -> i64 {
        i64::try_from(number(&self.start) + number(&self.step) * i128::from(index)).unwrap()
    }

    /// The frame of the push of this index.
    pub fn frame(&self, index: u32) -> Vec<u8> {
        let pairs = self.payload["v"].as_array().unwrap().iter().map(|pair| {
            let key = pair[0]["v"].as_str().unwrap();
            let value = match pair[1]["t"].as_str().unwrap() {
                "int" if key == self.vary => self.value(index).into(),
                "int" => i64::try_from(number(pair[1]["v"].as_str().unwrap())).unwrap().into(),
                _ => rmpv::Value::from(pair[1]["v"].as_str().unwrap()),
            };
            (key.into(), value)
        });
        super::wire::two_way_quest(self.first_seq + index, &self.method, &rmpv::Value::Map(pairs.collect()))
    }
}

impl Answer {
    /// Whether a status, and the code of an error answer, are what is due.
    pub fn fits(&self, status: u8, code: Option<i64>) -> bool {
        let is_code = self.code.as_ref().is_none_or(|due| code.is_some_and(|code| i128::from(code) == number(due)));
        match self.status.as_str() {
            Some("any") => true,
            Some("nonzero") => status != 0 && is_code,
            _ => self.status.as_u64() == Some(status.into()),
        }
    }
}

/// Whether a listener got what a vector expects. Texts are compared as bytes: a str that is not UTF-8 may come as either.
pub fn is_expected(push: &Push, expected: &Value) -> bool {
    let int = |key: &str| expected[key].as_str().map(|digits| i64::try_from(number(digits)).unwrap());
    match (expected["kind"].as_str().unwrap(), push) {
        ("event", Push::Event(Event { pid, name, uid, time, endpoint, data })) => {
            let due_data = (!expected["data"].is_null()).then(|| typed_bytes(&expected["data"]).unwrap());
            (Some(i64::from(*pid)), Some(*uid), Some(*time)) == (int("pid"), int("uid"), int("time"))
                && (Some(&**name), Some(&**endpoint)) == (expected["event"].as_str(), expected["endpoint"].as_str())
                && data.as_ref().map(|data| data.as_bytes().to_vec()) == due_data
        }
        (kind, Push::Message(message)) => {
            let target = match kind {
                "room_message" => int("rid").map(Target::Room),
                "group_message" => int("gid").map(Target::Group),
                "p2p_message" => int("to").map(Target::User),
                _ => None,
            };
            let Message { target: to, from, mid, mtype, body, attrs, mtime } = message;
            let is_text = matches!(body, MessageBody::Text(_));
            (Some(*to), Some(*from), Some(*mid), *mtime) == (target, int("from"), int("mid"), int("mtime"))
                && Some(i64::from(mtype.value())) == int("mtype")
                && typed_bytes(&expected["message"]).as_deref() == Some(body.as_bytes())
                && is_text == (expected["message"]["t"] == "str")
                && is_attrs(attrs, &expected["attrs"])
        }
        _ => false,
    }
}

fn is_attrs(attrs: &str, expected: &Value) -> bool {
    let due = if expected.is_null() { Vec::new() } else { typed_bytes(expected).unwrap() };
    String::from_utf8_lossy(&due) == attrs
}
