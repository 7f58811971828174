//! Shows a message, as cells of a row or as JSON.

use std::time::{Duration, SystemTime};

use rtm_server_sdk::{Message, MessageBody, MessageType, Target};
use serde_json::{Value, json};

use crate::table::Screen;

/// How many bytes of a binary message are shown.
const SHOWN_BYTES: usize = 16;

pub(crate) fn as_json(message: &Message) -> Value {
    let (kind, id) = match message.target {
        Target::Room(id) => ("room", id),
        Target::Group(id) => ("group", id),
        Target::User(id) => ("user", id),
    };
    let mut json = json!({
        kind: id, "from": message.from, "mid": message.mid, "type": message.mtype.value(), "attrs": message.attrs,
        "time": message.mtime, "text": message.body.as_str(),
    });
    if let MessageBody::Binary(bytes) = &message.body {
        json["hex"] = Value::String(hex(bytes));
    }
    json
}

/// A time in milliseconds since the epoch, in UTC and to the second; `-` where the server does not say it.
pub(crate) fn utc(millis: Option<i64>) -> String {
    let time = millis.and_then(|millis| u64::try_from(millis).ok());
    let time = time.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    // Times beyond the year 9999 cannot be written.
    let is_writable = |time: &SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < 253_402_300_800)
    };
    time.filter(is_writable).map_or_else(|| "-".into(), |time| humantime::format_rfc3339_seconds(time).to_string())
}

/// The time, shortened to fit the terminal.
pub(crate) fn time_on(screen: Screen, millis: Option<i64>) -> String {
    if screen.is_narrow() { clock(millis) } else { utc(millis) }
}

/// The time of day in UTC.
fn clock(millis: Option<i64>) -> String {
    let time = utc(millis);
    time.get(11..19).map_or(time.clone(), str::to_owned)
}

/// The text, or the first bytes of a binary body. Any type other than chat is named first.
pub(crate) fn text_of(message: &Message) -> String {
    let body = match &message.body {
        MessageBody::Text(text) => text.clone(),
        MessageBody::Binary(bytes) => {
            let rest = if bytes.len() > SHOWN_BYTES { "…" } else { "" };
            format!("({} bytes: {}{rest})", bytes.len(), hex(&bytes[..bytes.len().min(SHOWN_BYTES)]))
        }
    };
    match message.mtype {
        MessageType::CHAT => body,
        other => format!("[{}] {body}", name_of(other)),
    }
}

fn name_of(mtype: MessageType) -> String {
    match mtype {
        MessageType::CMD => "cmd".into(),
        MessageType::IMAGE => "image".into(),
        MessageType::AUDIO => "audio".into(),
        MessageType::VIDEO => "video".into(),
        MessageType::FILE => "file".into(),
        other => format!("type {other}"),
    }
}

/// The fields for a program: time, sender, id, type and body.
pub(crate) fn columns_for_pipes(message: &Message) -> Vec<String> {
    let body = match &message.body {
        MessageBody::Text(text) => text.clone(),
        MessageBody::Binary(bytes) => hex(bytes),
    };
    vec![utc(message.mtime), message.from.to_string(), message.mid.to_string(), message.mtype.to_string(), body]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mtype: MessageType, body: impl Into<MessageBody>, mtime: Option<i64>) -> Message {
        Message { target: Target::Room(42), from: 1001, mid: 7, mtype, body: body.into(), attrs: String::new(), mtime }
    }

    #[test]
    fn time_is_utc_or_a_dash() {
        assert_eq!(utc(Some(1_700_000_000_123)), "2023-11-14T22:13:20Z");
        assert_eq!([utc(None), utc(Some(-1)), utc(Some(i64::MAX))], ["-", "-", "-"]);
        assert_eq!([clock(Some(1_700_000_000_123)), clock(None)], ["22:13:20", "-"]);
    }

    #[test]
    fn what_is_not_a_chat_is_named() {
        assert_eq!(text_of(&message(MessageType::CHAT, "hello", None)), "hello");
        assert_eq!(text_of(&message(MessageType::CMD, "mute", None)), "[cmd] mute");
        let binary = message(MessageType::new(100), vec![0xab; 20], None);
        assert_eq!(text_of(&binary), format!("[type 100] (20 bytes: {}…)", "ab".repeat(16)));
        assert_eq!(as_json(&binary)["hex"], "ab".repeat(20));
        assert!(as_json(&binary)["text"].is_null());
    }
}
