//! The golden files on messages, histories and batches, and the calls for them.

use rmpv::Value;
use rtm_server_sdk::{
    Client, Error, History, Message, MessageBody, MessageCount, MessageType, NewMessage, Pending, SentMessage, Target,
};
use serde::Deserialize;
use serde_json::Value as Json;
use std::time::Duration;

use super::golden_files::{load, unhex};
use super::vectors::{Expected, Frame, number};

/// The functions of the vendor's SDKs for which a listener of ours sends a quest of its own.
pub const LISTENING: [&str; 4] = ["add_listen", "remove_listen", "set_listen", "set_all_listen"];

#[derive(Deserialize)]
pub struct RoomRequest {
    pub name: String,
    pub function: String,
    pub inputs: Json,
    pub method: String,
    pub frame_hex: Option<String>,
}

#[derive(Deserialize)]
pub struct RoomAnswer {
    pub name: String,
    pub function: String,
    pub expected: Expected<Json>,
    #[serde(default)]
    pub lenient: bool,
    #[serde(flatten)]
    pub frame: Frame,
}

#[derive(Deserialize)]
struct List<T> {
    vectors: Vec<T>,
}

pub fn requests() -> Vec<RoomRequest> {
    load::<List<RoomRequest>>("room_requests.json").vectors
}

pub fn answers() -> Vec<RoomAnswer> {
    load::<List<RoomAnswer>>("room_answers.json").vectors
}

/// A typed value of the golden files.
pub fn typed(value: &Json) -> Value {
    let text = || value["v"].as_str().map(str::to_owned).unwrap_or_else(|| generated_text(value));
    match value["t"].as_str().unwrap() {
        "nil" => Value::Nil,
        "bool" => value["v"].as_bool().unwrap().into(),
        "int" => int(number(value["v"].as_str().unwrap())),
        "float" => value["v"].as_f64().unwrap().into(),
        "bin" => Value::Binary(unhex(value["hex"].as_str().unwrap())),
        "str" => match value["hex"].as_str() {
            Some(hex) => Value::Binary(unhex(hex)),
            None => text().into(),
        },
        "array" => Value::Array(match value["gen"].as_str() {
            Some("range") => range(value).into_iter().map(int).collect(),
            Some("repeat") => vec![typed(&value["of"]); value["count"].as_u64().unwrap() as usize],
            _ => value["v"].as_array().unwrap().iter().map(typed).collect(),
        }),
        "map" => {
            let pair = |pair: &Json| (typed(&pair[0]), typed(&pair[1]));
            Value::Map(value["v"].as_array().unwrap().iter().map(pair).collect())
        }
        "ext" => Value::Ext(value["code"].as_i64().unwrap() as i8, unhex(value["hex"].as_str().unwrap())),
        other => panic!("no such kind of value: {other}"),
    }
}

/// One form for every integer, whatever form it came in.
pub fn plain(value: Value) -> Value {
    match value {
        Value::F64(float) if float.fract() == 0.0 => (float as i64).into(),
        Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
        Value::Map(pairs) => Value::Map(pairs.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        value => value.as_i64().map_or(value, Value::from),
    }
}

fn int(number: i128) -> Value {
    i64::try_from(number).map(Value::from).unwrap_or_else(|_| u64::try_from(number).unwrap().into())
}

fn range(value: &Json) -> Vec<i128> {
    let (start, step) = (number(value["start"].as_str().unwrap()), number(value["step"].as_str().unwrap()));
    (0..value["count"].as_i64().unwrap()).map(|index| start + step * i128::from(index)).collect()
}

fn generated_text(value: &Json) -> String {
    value["text"].as_str().unwrap().repeat(value["count"].as_u64().unwrap() as usize)
}

/// The arguments of a function.
pub struct Inputs<'a>(pub &'a Json);

impl Inputs<'_> {
    pub fn int(&self, key: &str) -> Option<i64> {
        self.0[key].as_str().map(|digits| number(digits).try_into().unwrap())
    }

    fn id(&self, key: &str) -> i64 {
        self.int(key).unwrap_or_else(|| panic!("no {key} in {}", self.0))
    }

    fn ids(&self, key: &str) -> Vec<i64> {
        let digits = |digits: &Json| number(digits.as_str().unwrap());
        let ids = self.0[key].as_array().map_or_else(|| range(&self.0[key]), |list| list.iter().map(digits).collect());
        ids.into_iter().map(|id| id.try_into().unwrap()).collect()
    }

    fn text(&self, key: &str) -> String {
        self.0[key].as_str().map_or_else(|| generated_text(&self.0[key]), str::to_owned)
    }

    fn types(&self) -> Option<Vec<MessageType>> {
        let mtype = |digits: &Json| MessageType::new(digits.as_str().unwrap().parse().unwrap());
        self.0["mtypes"].as_array().map(|types| types.iter().map(mtype).collect())
    }

    pub fn message(&self, mtype: MessageType) -> NewMessage {
        let message = match self.0["message"]["t"].as_str() {
            Some("bin") => NewMessage::new(mtype, unhex(self.0["message"]["hex"].as_str().unwrap())),
            _ => NewMessage::new(mtype, self.text("message")),
        };
        let message = message.attrs(self.text("attrs"));
        match self.int("mid") {
            Some(mid) => message.with_mid(mid),
            None => message,
        }
    }

    /// The query, but for its cursor: only a page can give that.
    pub fn query(&self) -> History {
        let query = if self.0["desc"] == true { History::latest() } else { History::oldest() };
        let query = query.as_user(self.int("uid").unwrap_or_default());
        let query = query.count(self.int("num").map_or(20, |num| u16::try_from(num).unwrap()));
        let query = match (self.int("begin"), self.int("end")) {
            (None, None) => query,
            (begin, end) => query.between(begin.unwrap_or_default(), end.unwrap_or_default()),
        };
        match self.types() {
            Some(types) => query.types(&types),
            None => query,
        }
    }
}

/// What any of the functions returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done,
    Users(Vec<i64>),
    Sent(Option<i64>),
    Messages(Vec<Message>),
    Info(Option<Message>),
    Count(MessageCount),
    Params(Value),
}

pub type Waiting = Box<dyn FnOnce() -> Result<Outcome, Error>>;

/// Submits a call of the function of this name. A history begins at its first page.
pub fn submit(client: &Client, function: &str, inputs: &Inputs<'_>) -> Waiting {
    let rid = || inputs.int("rid").or(inputs.int("xid")).unwrap();
    let from = || inputs.id("from_uid");
    let sent = |sent: SentMessage| Outcome::Sent(sent.mtime);
    let done = |()| Outcome::Done;
    let send = |mtype| later(client.send_room_message(rid(), from(), &inputs.message(mtype)).submit(), sent);
    match function {
        "add_room_members" => later(client.add_room_members(rid(), &inputs.ids("uids")).submit(), Outcome::Users),
        "delete_room_members" => later(client.delete_room_members(rid(), &inputs.ids("uids")).submit(), Outcome::Users),
        "add_user_rooms" => later(client.add_user_rooms(&inputs.ids("rids"), inputs.id("uid")).submit(), done),
        "delete_user_rooms" => later(client.delete_user_rooms(&inputs.ids("rids"), inputs.id("uid")).submit(), done),
        "send_room_message" => send(MessageType::new(inputs.id("mtype").try_into().unwrap())),
        // The short functions have no parameters for attributes or an id.
        "send_room_chat" | "send_room_cmd" if inputs.int("mid").is_some() => {
            send(if function == "send_room_chat" { MessageType::CHAT } else { MessageType::CMD })
        }
        "send_room_chat" => later(client.send_room_chat(rid(), from(), &inputs.text("message")).submit(), sent),
        "send_room_cmd" => later(client.send_room_cmd(rid(), from(), &inputs.text("message")).submit(), sent),
        "get_room_message" => {
            later(client.get_room_message(rid(), &inputs.query()).submit(), |page| Outcome::Messages(page.messages))
        }
        "get_room_chat" => {
            later(client.get_room_chat(rid(), &inputs.query()).submit(), |page| Outcome::Messages(page.messages))
        }
        "get_room_message_info" => {
            later(client.get_room_message_info(rid(), from(), inputs.id("mid")).submit(), Outcome::Info)
        }
        "delete_room_message" => later(client.delete_room_message(rid(), from(), inputs.id("mid")).submit(), done),
        "get_message_num" => later(client.get_room_message_num(rid(), &inputs.query()).submit(), Outcome::Count),
        "edit_message" => {
            let limit = Duration::from_millis(inputs.id("time_limit").try_into().unwrap());
            let message = inputs.message(MessageType::CHAT);
            later(client.edit_room_message(rid(), from(), &message, limit).submit(), done)
        }
        "clean_room_message" => {
            later(client.clean_room_message(rid(), inputs.id("begin"), inputs.id("end")).submit(), done)
        }
        "delete_conversation_messages" => later(client.delete_conversation_messages(rid(), from()).submit(), done),
        other => panic!("no such function: {other}"),
    }
}

/// Submits a call by name.
#[cfg(feature = "serde")]
pub fn submit_by_name(client: &Client, method: &str, params: &Value) -> Waiting {
    later(client.quest(method, params).submit(), |params| Outcome::Params(plain(params)))
}

fn later<T: 'static>(pending: Pending<T>, wrap: impl FnOnce(T) -> Outcome + 'static) -> Waiting {
    Box::new(move || pending.wait().map(wrap))
}

/// The message of a row, or of `get_room_message_info` for the room, sender and id of the call.
pub fn message(row: &Json, rid: i64, from: i64, mid: i64) -> Message {
    let int = |key: &str| row[key].as_str().map(|digits| i64::try_from(number(digits)).unwrap());
    let body = match typed(&row["message"]) {
        Value::Binary(bytes) => MessageBody::Binary(bytes),
        text => text.as_str().unwrap().into(),
    };
    Message {
        target: Target::Room(rid),
        from: int("from").unwrap_or(from),
        mid: int("mid").unwrap_or(mid),
        mtype: MessageType::new(int("mtype").unwrap().try_into().unwrap()),
        body,
        attrs: if row["attrs"].is_null() { String::new() } else { typed(&row["attrs"]).as_str().unwrap().to_owned() },
        mtime: int("mtime"),
    }
}

/// The messages of a page, without the deleted ones.
pub fn messages(list: &Json, rid: i64) -> Vec<Message> {
    let rows = match list["gen"].as_str() {
        Some("repeat") => vec![list["of"].clone(); list["count"].as_u64().unwrap() as usize],
        _ => list.as_array().unwrap().clone(),
    };
    rows.iter().filter(|row| row["deleted"] != true).map(|row| message(row, rid, 0, 0)).collect()
}

/// The numbers of a list, or of a generated range.
pub fn ids(list: &Json) -> Vec<i64> {
    Inputs(&serde_json::json!({ "ids": list })).ids("ids")
}
