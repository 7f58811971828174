//! Pushes: the gate's quests to listeners.

use super::project::{ConnectionId, Listeners, Subject};
use crate::fpnn::{FrameWriter, MapWriter, MethodName};
use crate::rtm::{Message, MessageBody, Target, UserId};

const ROOM_MESSAGE: MethodName<'static> = MethodName::literal("pushroommsg");
const GROUP_MESSAGE: MethodName<'static> = MethodName::literal("pushgroupmsg");
const USER_MESSAGE: MethodName<'static> = MethodName::literal("pushmsg");
const EVENT: MethodName<'static> = MethodName::literal("pushevent");
const PING: MethodName<'static> = MethodName::literal("ping");

/// Pushes that have not been added to outboxes yet.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    waiting: Vec<Push>,
}

/// A push, and its receivers.
#[derive(Debug)]
pub(super) struct Push {
    /// The whole quest, with the sequence number 0.
    pub quest: Vec<u8>,
    /// The connections that listen to it.
    pub receivers: Vec<ConnectionId>,
}

/// An event of a user.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventPush<'a> {
    /// The project.
    pub pid: i32,
    /// The name of the event: `login`, `logout`.
    pub name: &'a str,
    /// The user.
    pub uid: UserId,
    /// The time, in seconds since the epoch.
    pub time: i64,
}

impl Pushes {
    /// Pushes a message to every connection that listens to it. Returns their number.
    pub(super) fn message(&mut self, listeners: &Listeners, message: &Message) -> usize {
        let subject = match message.target {
            Target::Room(room) => Subject::Room(room),
            Target::Group(group) => Subject::Group(group),
            Target::User(to) => Subject::User { from: message.from, to },
        };
        self.add(listeners.of(subject), || message_quest(message))
    }

    /// Pushes an event to every connection that listens to it. Returns their number.
    pub(super) fn event(&mut self, listeners: &Listeners, event: EventPush<'_>) -> usize {
        self.add(listeners.of(Subject::Event(event.name)), || event_quest(event))
    }

    /// Pushes RTM's own keep-alive to every connection that listens to events.
    pub(super) fn ping(&mut self, listeners: &Listeners) {
        self.add(listeners.of_events(), || quest(PING, |params| params));
    }

    /// Takes the waiting pushes.
    pub(super) fn take(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.waiting)
    }

    fn add(&mut self, receivers: Vec<ConnectionId>, quest: impl FnOnce() -> Vec<u8>) -> usize {
        let count = receivers.len();
        if count > 0 {
            self.waiting.push(Push { quest: quest(), receivers });
        }
        count
    }
}

/// The vendor's C++ SDK also reads `to` in the pushes of rooms and groups, and fails without it.
fn message_quest(message: &Message) -> Vec<u8> {
    let (method, target) = match message.target {
        Target::Room(room) => (ROOM_MESSAGE, [Some(("rid", room)), Some(("to", room))]),
        Target::Group(group) => (GROUP_MESSAGE, [Some(("gid", group)), Some(("to", group))]),
        Target::User(to) => (USER_MESSAGE, [Some(("to", to)), None]),
    };
    quest(method, |params| {
        let params = target.into_iter().flatten().fold(params, |params, (key, id)| params.int(key, id));
        let params = params.int("from", message.from).int("mid", message.mid);
        let params = params.int("mtype", message.mtype.value().into());
        let params = match &message.body {
            MessageBody::Text(text) => params.str("msg", text),
            MessageBody::Binary(bytes) => params.bin("msg", bytes),
        };
        params.str("attrs", &message.attrs).optional_int("mtime", message.mtime)
    })
}

fn event_quest(event: EventPush<'_>) -> Vec<u8> {
    quest(EVENT, |params| {
        let params = params.int("pid", event.pid.into()).str("event", event.name).int("uid", event.uid);
        // The user's address, although no user is connected to the gate.
        params.int("time", event.time).str("endpoint", "127.0.0.1:0")
    })
}

fn quest(method: MethodName<'_>, params: impl FnOnce(MapWriter<'_>) -> MapWriter<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut frame = FrameWriter::two_way_quest(&mut out, 0, method);
    params(frame.params());
    frame.finish();
    out
}
