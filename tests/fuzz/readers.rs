//! Reads a payload with every reader. None of them may panic, or consume more or less than its value.

use std::time::Duration;

use rtm_server_sdk::error::DecodeError;
use rtm_server_sdk::fpnn::PayloadReader;
use rtm_server_sdk::rtm::methods::{bans, history, info, members, messages};
use rtm_server_sdk::{History, NewMessage};

/// Reads each value of the payload's map in every way that there is.
pub fn read_values(payload: &[u8]) {
    let Ok(mut reader) = PayloadReader::open(payload) else { return };
    while let Ok(Some(_)) = reader.next_key() {
        let skipped = left_after(&reader, |reader| reader.skip());
        let readings = [
            left_after(&reader, |reader| reader.int("key").map(drop)),
            left_after(&reader, |reader| reader.optional_int("key").map(drop)),
            left_after(&reader, |reader| reader.integral("key").map(drop)),
            left_after(&reader, |reader| reader.bool("key").map(drop)),
            left_after(&reader, |reader| reader.bytes("key").map(drop)),
            left_after(&reader, |reader| reader.str_or_bin("key").map(drop)),
            left_after(&reader, |reader| reader.optional_str("key").map(drop)),
            left_after(&reader, |reader| reader.optional_raw_string("key").map(drop)),
            left_after(&reader, |reader| reader.int_or_digits("key").map(drop)),
            left_after(&reader, |reader| reader.any_as_text().map(drop)),
        ];
        for left in readings.into_iter().flatten() {
            assert_eq!(Some(left), skipped, "a reader took something else than the value");
        }
        // These consume only the front of their value.
        let _ = left_after(&reader, |reader| reader.array_len("key").map(drop));
        let _ = left_after(&reader, |reader| reader.map_len("key").map(drop));
        if reader.skip().is_err() {
            return;
        }
    }
}

/// How many bytes are left after a successful read.
fn left_after<'a>(
    reader: &PayloadReader<'a>,
    read: impl FnOnce(&mut PayloadReader<'a>) -> Result<(), DecodeError>,
) -> Option<usize> {
    let mut reader = reader.clone();
    read(&mut reader).ok()?;
    match reader.finish() {
        Ok(()) => Some(0),
        Err(DecodeError::TrailingBytes(left)) => Some(left),
        Err(error) => panic!("{error}"),
    }
}

/// Reads the payload as the answer to each of the methods.
pub fn read_as_every_answer(status: u8, flag: u8, payload: &[u8]) {
    macro_rules! read {
        ($($request:expr),* $(,)?) => { $(let _ = $request.answer.read(status, flag, payload);)* };
    }
    let message = NewMessage::chat("hello");
    read!(
        members::add_room_member(1, 2),
        members::get_room_members(1),
        members::get_room_count(&[1]),
        members::add_room_members(1, &[2]),
        members::add_user_rooms(&[1], 2),
        info::set_room_info(1, Some("o"), None),
        info::get_room_info(1),
        bans::add_room_ban(None, 2, None),
        bans::is_ban_of_room(1, 2),
        messages::send_room_message(1, 2, &message),
        messages::get_room_message_info(1, 2, 3),
        messages::edit_room_message(1, 2, &message, Duration::ZERO),
        messages::get_room_message_num(1, &History::latest()),
        history::get_room_message(1, &History::latest()),
        history::get_room_chat(1, &History::oldest()),
    );
}
