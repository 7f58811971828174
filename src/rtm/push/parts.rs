//! A push that was read and is kept: its parts, apart from the payload.

use super::{EventRef, MessageRef, PushRef};
use crate::fpnn::RawString;
use crate::rtm::{MessageType, Target};

/// A push that was read, apart from its payload: it says where in the payload its texts stand. So it can be kept beside the
/// payload, and need not be read again.
#[derive(Debug, Clone, Copy)]
pub enum PushParts {
    Message { target: Target, from: i64, mid: i64, mtype: MessageType, body: Body, attrs: Span, mtime: Option<i64> },
    Event { pid: i32, name: Span, uid: i64, time: i64, endpoint: Span, data: Option<Span> },
}

/// The body of a message, by its msgpack kind.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    Str(Span),
    Bin(Span),
}

/// A part of a payload. Payloads have 32 bits of length.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Where `part`, which was read from the payload, stands in it.
    #[inline]
    fn of(part: &[u8], payload: &[u8]) -> Span {
        let start = (part.as_ptr() as usize).saturating_sub(payload.as_ptr() as usize);
        // What was not in the payload is empty, and stands anywhere.
        Span { start: start.min(payload.len()) as u32, len: part.len() as u32 }
    }

    fn within(self, payload: &[u8]) -> &[u8] {
        let (start, len) = (self.start as usize, self.len as usize);
        payload.get(start..start + len).unwrap_or_default()
    }
}

impl PushRef<'_> {
    /// The push apart from the payload that it was read from.
    #[must_use]
    #[inline]
    pub fn to_parts(self, payload: &[u8]) -> PushParts {
        let span = |part| Span::of(part, payload);
        match self {
            PushRef::Message(MessageRef { target, from, mid, mtype, body, attrs, mtime }) => {
                let body = match body {
                    RawString::Str(text) => Body::Str(span(text)),
                    RawString::Bin(bytes) => Body::Bin(span(bytes)),
                };
                PushParts::Message { target, from, mid, mtype, body, attrs: span(attrs), mtime }
            }
            PushRef::Event(EventRef { pid, name, uid, time, endpoint, data }) => {
                PushParts::Event { pid, name: span(name), uid, time, endpoint: span(endpoint), data: data.map(span) }
            }
        }
    }
}

impl PushParts {
    /// The push in the payload that it was read from.
    #[must_use]
    #[inline]
    pub fn within(self, payload: &[u8]) -> PushRef<'_> {
        match self {
            PushParts::Message { target, from, mid, mtype, body, attrs, mtime } => {
                let body = match body {
                    Body::Str(text) => RawString::Str(text.within(payload)),
                    Body::Bin(bytes) => RawString::Bin(bytes.within(payload)),
                };
                PushRef::Message(MessageRef { target, from, mid, mtype, body, attrs: attrs.within(payload), mtime })
            }
            PushParts::Event { pid, name, uid, time, endpoint, data } => {
                let [name, endpoint] = [name, endpoint].map(|span| span.within(payload));
                let data = data.map(|span| span.within(payload));
                PushRef::Event(EventRef { pid, name, uid, time, endpoint, data })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpnn::MapWriter;
    use crate::rtm::PushMethod;

    fn assert_survives(method: PushMethod, payload: &[u8]) {
        let push = PushRef::read(method, payload).unwrap().unwrap();
        let moved = payload.to_vec();
        assert_eq!(push.to_parts(payload).within(&moved), push);
    }

    #[test]
    fn push_is_the_same_within_a_copy_of_its_payload() {
        let message = |write: fn(MapWriter<'_>) -> MapWriter<'_>| {
            let mut payload = Vec::new();
            let map = MapWriter::begin(&mut payload).int("from", 1).int("rid", 2).int("mid", 3).int("mtype", 30);
            let _ = write(map);
            payload
        };
        assert_survives(
            PushMethod::RoomMessage,
            &message(|map| map.str("msg", "hello").str("attrs", "{}").int("mtime", 4)),
        );
        assert_survives(PushMethod::RoomMessage, &message(|map| map.str("msg", "")));
        let mut event = Vec::new();
        let map = MapWriter::begin(&mut event).int("pid", 1).str("event", "login").int("uid", 2).int("time", 3);
        let _ = map.str("endpoint", "here").str("data", "more");
        assert_survives(PushMethod::Event, &event);
    }
}
