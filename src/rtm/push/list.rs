//! Lists of decoded pushes, shared by all their listeners.

use std::sync::Arc;

use super::{EventRef, MessageRef, PushRef};
use crate::fpnn::RawString;
use crate::rtm::{Event, Message, MessageBody, MessageId, MessageType, Target, UserId};

/// Larger buffers, which a large push needed, are not reused for the next list.
const WORTH_KEEPING: usize = 128 * 1024;

/// Decoded pushes, without their payloads.
///
/// Their texts are concatenated, so a list takes only a few allocations however many pushes it has. UTF-8 is checked
/// once, when a push is added.
#[derive(Debug, Clone, Default)]
pub struct PushList {
    pushes: Vec<ListedPush>,
    texts: String,
    /// Bodies that are not text.
    binary: Vec<u8>,
    payload_bytes: usize,
}

/// One push of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListedPush {
    pub parts: PushParts,
    payload_len: u32,
}

/// A push without its texts.
#[derive(Debug, Clone, Copy)]
pub enum PushParts {
    Message(MessageParts),
    Event(EventParts),
}

#[derive(Debug, Clone, Copy)]
pub struct MessageParts {
    target: Target,
    from: UserId,
    mid: MessageId,
    mtype: MessageType,
    body: Body,
    attrs: Span,
    pub mtime: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub struct EventParts {
    pid: i32,
    name: Span,
    uid: UserId,
    time: i64,
    endpoint: Span,
    data: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Text(Span),
    Binary(Span),
}

/// A range of the texts or of the bytes. Lists are far shorter than 32 bits allow.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl ListedPush {
    /// The length of its payload.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload_len as usize
    }
}

impl PushList {
    /// Adds a push whose payload had this length.
    pub fn add(&mut self, push: &PushRef<'_>, payload_len: usize) {
        let parts = match *push {
            PushRef::Message(message) => PushParts::Message(self.add_message(message)),
            PushRef::Event(event) => PushParts::Event(self.add_event(event)),
        };
        self.payload_bytes += payload_len;
        self.pushes.push(ListedPush { parts, payload_len: payload_len as u32 });
    }

    /// The pushes in order of arrival.
    #[must_use]
    pub fn pushes(&self) -> &[ListedPush] {
        &self.pushes
    }

    /// The total length of all payloads.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Takes all pushes, in buffers of exactly their size. The list is empty afterwards but keeps its buffers.
    pub fn take(&mut self) -> Arc<PushList> {
        if self.texts.capacity().max(self.binary.capacity()) > WORTH_KEEPING {
            return Arc::new(std::mem::take(self));
        }
        let taken = Arc::new(self.clone());
        self.pushes.clear();
        self.texts.clear();
        self.binary.clear();
        self.payload_bytes = 0;
        taken
    }

    /// Copies a message from the list.
    #[must_use]
    #[inline]
    pub fn message(&self, parts: &MessageParts) -> Message {
        let &MessageParts { target, from, mid, mtype, body, attrs, mtime } = parts;
        let body = match body {
            Body::Text(text) => MessageBody::Text(self.text(text)),
            Body::Binary(bytes) => MessageBody::Binary(self.binary.get(bytes.range()).unwrap_or_default().to_owned()),
        };
        Message { target, from, mid, mtype, body, attrs: self.text(attrs), mtime }
    }

    /// Copies an event from the list.
    #[must_use]
    pub fn event(&self, parts: &EventParts) -> Event {
        let &EventParts { pid, name, uid, time, endpoint, data } = parts;
        let data = data.map(|data| self.text(data));
        Event { pid, name: self.text(name), uid, time, endpoint: self.text(endpoint), data }
    }

    #[inline]
    fn text(&self, span: Span) -> String {
        self.texts.get(span.range()).unwrap_or_default().to_owned()
    }

    fn add_message(&mut self, message: MessageRef<'_>) -> MessageParts {
        let MessageRef { target, from, mid, mtype, body, attrs, mtime } = message;
        let body = match body {
            RawString::Str(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Body::Text(self.add_text(text)),
                // Clients without a type for bytes send them as text.
                Err(_) => Body::Binary(self.add_binary(bytes)),
            },
            RawString::Bin(bytes) => Body::Binary(self.add_binary(bytes)),
        };
        MessageParts { target, from, mid, mtype, body, attrs: self.add_lossy(attrs), mtime }
    }

    fn add_event(&mut self, event: EventRef<'_>) -> EventParts {
        let EventRef { pid, name, uid, time, endpoint, data } = event;
        let (name, endpoint) = (self.add_lossy(name), self.add_lossy(endpoint));
        EventParts { pid, name, uid, time, endpoint, data: data.map(|data| self.add_lossy(data)) }
    }

    /// Adds a text. Bytes that are not UTF-8 become replacement characters.
    fn add_lossy(&mut self, bytes: &[u8]) -> Span {
        self.add_text(&String::from_utf8_lossy(bytes))
    }

    fn add_text(&mut self, text: &str) -> Span {
        let start = self.texts.len();
        self.texts.push_str(text);
        Span { start: start as u32, end: self.texts.len() as u32 }
    }

    fn add_binary(&mut self, bytes: &[u8]) -> Span {
        let start = self.binary.len();
        self.binary.extend_from_slice(bytes);
        Span { start: start as u32, end: self.binary.len() as u32 }
    }
}

impl Span {
    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(body: RawString<'a>, attrs: &'a [u8]) -> PushRef<'a> {
        let (target, mtype) = (Target::Room(42), MessageType::CHAT);
        PushRef::Message(MessageRef { target, from: 7, mid: 9, mtype, body, attrs, mtime: Some(1000) })
    }

    fn event<'a>(name: &'a [u8], data: Option<&'a [u8]>) -> PushRef<'a> {
        PushRef::Event(EventRef { pid: 1, name, uid: 2, time: 3, endpoint: b"here", data })
    }

    fn list(pushes: &[PushRef<'_>]) -> PushList {
        let mut list = PushList::default();
        pushes.iter().for_each(|push| list.add(push, 10));
        list
    }

    fn message_at(list: &PushList, at: usize) -> Message {
        match &list.pushes()[at].parts {
            PushParts::Message(parts) => list.message(parts),
            parts => panic!("{parts:?}"),
        }
    }

    fn event_at(list: &PushList, at: usize) -> Event {
        match &list.pushes()[at].parts {
            PushParts::Event(parts) => list.event(parts),
            parts => panic!("{parts:?}"),
        }
    }

    #[test]
    fn each_push_is_returned_as_it_arrived() {
        let pushes = [
            message(RawString::Str("größer".as_bytes()), b"{}"),
            event(b"login", None),
            message(RawString::Bin(b"a"), b""),
            event(b"logout", Some(b"more")),
            message(RawString::Str(b""), b""),
        ];
        let list = list(&pushes);
        assert_eq!((list.pushes().len(), list.payload_bytes()), (5, 50));
        let message = message_at(&list, 0);
        assert_eq!((message.target, message.from, message.mid), (Target::Room(42), 7, 9));
        assert_eq!((message.mtype, message.mtime, &*message.attrs), (MessageType::CHAT, Some(1000), "{}"));
        assert_eq!(message.body, MessageBody::Text("größer".into()));
        assert_eq!(message_at(&list, 2).body, MessageBody::Binary(b"a".to_vec()));
        assert_eq!(message_at(&list, 4).body, MessageBody::Text(String::new()));
        let event = event_at(&list, 3);
        assert_eq!((event.pid, event.uid, event.time), (1, 2, 3));
        assert_eq!((&*event.name, &*event.endpoint, event.data.as_deref()), ("logout", "here", Some("more")));
        assert_eq!((&*event_at(&list, 1).name, event_at(&list, 1).data), ("login", None));
    }

    #[test]
    fn invalid_utf8_becomes_bytes_in_a_body_and_is_replaced_elsewhere() {
        let list = list(&[message(RawString::Str(b"\xff"), b"\xff{}"), event(b"log\xff", None)]);
        let message = message_at(&list, 0);
        assert_eq!((message.body, &*message.attrs), (MessageBody::Binary(vec![0xff]), "\u{fffd}{}"));
        assert_eq!(event_at(&list, 1).name, "log\u{fffd}");
    }

    #[test]
    fn taken_list_leaves_an_empty_one() {
        let large = vec![b'a'; WORTH_KEEPING + 1];
        for body in [&b"hello"[..], &large] {
            let mut list = list(&[message(RawString::Str(body), b"")]);
            let taken = list.take();
            assert_eq!(message_at(&taken, 0).body.as_bytes(), body);
            assert!(list.pushes().is_empty() && list.payload_bytes() == 0);
            assert!(list.texts.is_empty() && list.texts.capacity() <= WORTH_KEEPING);
            list.add(&message(RawString::Bin(b"next"), b""), 10);
            assert_eq!(message_at(&list.take(), 0).body, MessageBody::Binary(b"next".to_vec()));
        }
    }
}
