use super::*;
use crate::fpnn::PayloadWriter;

/// A key, and what writes its value.
type Pair<'a> = (&'a str, &'a dyn Fn(&mut PayloadWriter<'_>));

fn payload(pairs: &[Pair<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = PayloadWriter::new(&mut bytes);
    writer.map(pairs.len());
    for (key, write) in pairs {
        writer.str(key);
        write(&mut writer);
    }
    bytes
}

fn room_message(left_out: &str) -> Vec<u8> {
    let int = |value: i64| move |writer: &mut PayloadWriter<'_>| writer.int(value);
    let (from, rid, mid, mtype, mtime) = (int(7), int(42), int(9), int(51), int(1000));
    let body = |writer: &mut PayloadWriter<'_>| writer.str("hello");
    let attrs = |writer: &mut PayloadWriter<'_>| writer.str("{}");
    let pairs: [Pair<'_>; 7] = [
        ("from", &from),
        ("rid", &rid),
        ("mid", &mid),
        ("mtype", &mtype),
        ("mtime", &mtime),
        ("msg", &body),
        ("attrs", &attrs),
    ];
    let kept: Vec<_> = pairs.into_iter().filter(|(key, _)| *key != left_out).collect();
    payload(&kept)
}

fn read(payload: &[u8]) -> Result<MessageRef<'_>, DecodeError> {
    match PushRef::read(PushMethod::RoomMessage, payload)? {
        Some(PushRef::Message(message)) => Ok(message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn message_is_read_as_it_was_sent() {
    let payload = room_message("");
    let message = read(&payload).unwrap();
    assert_eq!((message.target, message.from, message.mid), (Target::Room(42), 7, 9));
    assert_eq!((message.mtype.value(), message.body, message.attrs), (51, RawString::Str(b"hello"), &b"{}"[..]));
    assert_eq!(message.mtime, Some(1000));
}

#[test]
fn only_attrs_and_mtime_of_a_message_may_be_missing() {
    assert_eq!(read(&room_message("attrs")).unwrap().attrs, b"");
    assert_eq!(read(&room_message("mtime")).unwrap().mtime, None);
    for key in ["from", "rid", "mid", "mtype", "msg"] {
        assert!(matches!(read(&room_message(key)), Err(DecodeError::MissingKey(missing)) if missing == key), "{key}");
    }
}

#[test]
fn room_message_is_not_read_as_one_to_a_group() {
    let payload = room_message("");
    let outcome = PushRef::read(PushMethod::GroupMessage, &payload);
    assert_eq!(outcome, Err(DecodeError::MissingKey("gid")));
}

#[test]
fn methods_are_found_by_their_exact_names() {
    assert_eq!(PushMethod::from_name(b"pushroommsg"), Some(PushMethod::RoomMessage));
    for unknown in [&b"PushRoomMsg"[..], b"pushroommsg2", b"pushroomchat", b"destroy", b"*ping", b"\xff\xfe"] {
        assert_eq!(PushMethod::from_name(unknown), None);
    }
}
