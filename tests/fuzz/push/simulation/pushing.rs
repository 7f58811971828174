//! What the server pushes: messages of rooms and others, some of them repeated, and raw bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use rtm_server_sdk::fpnn::{MapWriter, MethodName, PayloadReader};
use rtm_server_sdk::rtm::methods::history::StoredMessage;
use rtm_server_sdk::rtm::{PushMethod, PushRef};
use rtm_server_sdk::{Message, MessageType, Target};

use super::super::subscription::ROOMS;
use super::Simulation;

const METHODS: [MethodName<'static>; 6] = [
    MethodName::literal("pushroommsg"),
    MethodName::literal("pushgroupmsg"),
    MethodName::literal("pushmsg"),
    MethodName::literal("pushevent"),
    MethodName::literal("ping"),
    MethodName::literal("nonsense"),
];
/// The messages of the rooms, as the server stores them.
#[derive(Debug)]
pub struct History {
    pub messages: BTreeMap<i64, Vec<StoredMessage>>,
    /// The server pushes these messages of rooms, and no others.
    pub matches_pushes: bool,
    /// The server has pushed some things more than once.
    pub is_repeated: bool,
    /// Some messages are deleted.
    pub loses_messages: bool,
    /// Some messages bear a time that is earlier than that of the one before.
    pub is_skewed: bool,
    /// Some messages are pushed without their time.
    is_untimed: bool,
    /// Some pages cannot be read.
    pub fails_pages: bool,
    /// Some pages cannot be read, or some listeners are refused.
    pub may_fail: bool,
    /// A page has at most so many messages.
    pub page_size: usize,
}

impl History {
    pub(super) fn new(settings: u8) -> History {
        History {
            messages: BTreeMap::new(),
            matches_pushes: true,
            is_repeated: false,
            loses_messages: settings & 16 != 0,
            is_skewed: settings & 32 != 0,
            // Without a time, the position of a message is unknown if times are unreliable as well.
            is_untimed: settings & 96 == 64,
            fails_pages: settings & 8 != 0,
            may_fail: settings & 12 != 0,
            page_size: if settings & 128 == 0 { 20 } else { 3 },
        }
    }

    /// Whether a message need not be found: it was deleted, or it cannot be told from what is older than one that was.
    pub fn excuses(&self, rid: i64, message: &Message) -> bool {
        let messages = self.messages.get(&rid).into_iter().flatten().filter(|stored| stored.is_deleted);
        messages.map(|stored| &stored.message).any(|gone| gone.mid <= message.mid && gone.mtime >= message.mtime)
    }

    /// Whether a room has so many pages that a listener must take it for one whose first messages the server may have dropped.
    pub fn is_long(&self, rid: i64) -> bool {
        self.messages.get(&rid).is_some_and(|messages| messages.len() >= 25 * self.page_size)
    }
}

impl Simulation {
    /// Bytes are pushed as they are.
    pub fn push_bytes(&mut self, method: u8, payload: &[u8]) {
        // What it says about a room is not in the history.
        self.history.matches_pushes &= PushRef::read(PushMethod::RoomMessage, payload).is_err();
        self.push(usize::from(method) % METHODS.len(), payload.to_vec());
        self.run_engine();
    }

    /// A user sends a message in a room. It is stored, and pushed if the server pushes the room.
    pub(super) fn send_message(&mut self, detail: u8) {
        let rid = i64::from(detail) % ROOMS;
        self.last_mid += 1;
        // Some messages arrive in the same millisecond.
        self.advance(Duration::from_millis(u64::from(detail / 4 % 2)));
        let skew = if self.history.is_skewed { i64::from(detail / 8 % 4) * 1_500 } else { 0 };
        let mtime = i64::try_from(1_700_000_000_000 + (self.now - self.began).as_millis()).expect("a time") - skew;
        let message = Message {
            target: Target::Room(rid),
            from: 7,
            mid: self.last_mid,
            mtype: MessageType::CHAT,
            body: "hello".into(),
            attrs: String::new(),
            mtime: Some(mtime),
        };
        self.history.messages.entry(rid).or_default().push(StoredMessage { message, is_deleted: false });
        if self.server.pushes_room(rid) {
            let is_untimed = self.history.is_untimed && detail / 32 % 4 == 3;
            let payload = message_payload("rid", rid, 7, self.last_mid, (!is_untimed).then_some(mtime));
            self.payloads.push((0, payload.clone()));
            self.push(0, payload);
        }
    }

    /// Deletes one of the last messages of a room.
    pub(super) fn delete(&mut self, detail: u8) {
        let (rid, back) = (i64::from(detail / 4) % ROOMS, usize::from(detail / 16) % 8);
        let message = self.history.messages.get_mut(&rid).and_then(|messages| messages.iter_mut().rev().nth(back));
        message.into_iter().for_each(|message| message.is_deleted = true);
    }

    /// Pushes something else: to a group, to a user, an event, or an unknown method.
    pub(super) fn push_other(&mut self, detail: u8) {
        self.last_mid += 1;
        let (method, id) = (1 + usize::from(detail) % 5, i64::from(detail / 8) % 3);
        let payload = match method {
            1 => message_payload("gid", id, 7, self.last_mid, None),
            2 => message_payload("to", id, i64::from(detail / 32) % 3, self.last_mid, None),
            3 => event_payload(["login", "logout", ""][id as usize], self.last_mid),
            _ => vec![0x80],
        };
        self.payloads.push((method, payload.clone()));
        self.push(method, payload);
    }

    /// The server repeats itself.
    pub(super) fn push_again(&mut self, detail: u8) {
        let back = usize::from(detail) % self.payloads.len().max(1);
        if let Some((method, payload)) = self.payloads.iter().rev().nth(back).cloned() {
            self.history.is_repeated = true;
            self.push(method, payload);
        }
    }

    fn push(&mut self, method: usize, payload: Vec<u8>) {
        if self.engine.input().is_none() {
            return;
        }
        let known = PushMethod::from_name(METHODS[method].as_str().as_bytes());
        let bytes = self.server.push(METHODS[method], known.is_some(), &payload);
        let is_for_listeners = !self.models.is_empty() && PayloadReader::open(&payload).is_ok();
        let is_push = |method: &PushMethod| *method != PushMethod::Ping && is_for_listeners;
        self.pushed.extend(known.filter(is_push).map(|method| (method, payload)));
        self.receive(&bytes);
        assert!(self.pushed.is_empty(), "kept from the listeners: {:?}", self.pushed);
    }
}

fn message_payload(key: &str, id: i64, from: i64, mid: i64, mtime: Option<i64>) -> Vec<u8> {
    let mut payload = Vec::new();
    let map = MapWriter::begin(&mut payload).int("from", from).int(key, id).int("mid", mid).int("mtype", 30);
    let _ = map.optional_int("mtime", mtime).str("msg", "hello").str("attrs", "");
    payload
}

fn event_payload(name: &str, uid: i64) -> Vec<u8> {
    let mut payload = Vec::new();
    let map = MapWriter::begin(&mut payload).int("pid", 1).str("event", name).int("uid", uid);
    let _ = map.int("time", 3).str("endpoint", "");
    payload
}
