//! The seeds of the fuzz targets, made from the golden bytes of `tests/vectors`.

use serde_json::Value;

use super::golden_files::{load, unhex};
use super::keys::SERVER_KEYS;

/// Short inputs work better for a fuzzer.
const LONGEST: usize = 2048;

/// Streams of frames, from both sides, with a byte in front that says where they are cut.
pub fn streams() -> Vec<Vec<u8>> {
    let files = ["streams", "invalid", "answers", "room_answers", "requests", "room_requests", "pushes"];
    files.iter().flat_map(|file| frames_in(file)).map(cut_somewhere).collect()
}

/// What a gate is sent, one frame a seed, then all frames of a file in a row.
pub fn quests() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = ["requests", "room_requests", "invalid"].iter().flat_map(|file| frames_in(file)).collect();
    seeds.extend(["requests", "room_requests"].iter().map(|file| frames_in(file).concat()));
    seeds.extend(hex_fields(&load("encryption.json"), "key_quest_bin_hex"));
    seeds.into_iter().map(cut_somewhere).collect()
}

/// Pushes, one a seed, and random sequences of what can happen to listeners.
pub fn pushes() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(14);
    // Few kinds of events per sequence, and few variants of each, so that they meet more often.
    let sequence = |settings: u8| {
        let mut some = |most: usize| -> Vec<u8> { (0..random.usize(3..most)).map(|_| random.u8(..)).collect() };
        let (kinds, details) = (some(12), some(40));
        let mut event = || [kinds[random.usize(..kinds.len())], details[random.usize(..details.len())]];
        let events: Vec<u8> = (0..200).flat_map(|_| event()).collect();
        [&[settings][..], &events].concat()
    };
    let sequences: Vec<_> = (0..250).map(sequence).collect();
    // A listener fills a room. During an outage a message is missed, and the next one is pushed.
    let missed = [0, 0, 176, 3, 0, 14, 2, 13, 0, 3, 0, 14, 66, 12, 13, 3, 0, 8, 0xf0, 10, 0, 8, 0xf0].to_vec();
    // A listener leaves while a larger subscription is requested, which is refused, or not answered but granted.
    let refused = [6, 0, 0, 11, 0, 14, 13, 0, 5, 2, 0, 11, 0].to_vec();
    let granted = [6, 0, 0, 11, 0, 0, 5, 2, 1, 11, 0x87, 12, 13, 12, 13].to_vec();
    [frames_in("pushes"), sequences, vec![missed, refused, granted]].concat()
}

/// What can happen to an engine: at random, but after a connection was made, since chance alone makes few.
pub fn events() -> Vec<Vec<u8>> {
    let connect = [4, 0, 5, 1, 6, 1, 8, 255];
    let mut random = fastrand::Rng::with_seed(14);
    let mut seed = |settings: u8| {
        let events: Vec<u8> = (0..random.usize(40..400)).map(|_| random.u8(..)).collect();
        [&[settings][..], &connect, &events].concat()
    };
    (0..100).map(|number| seed(number % 16)).collect()
}

/// Both modes with both lengths of key, without and with damage.
pub fn packages() -> Vec<Vec<u8>> {
    let content = b"\x05hello\x00\x08security\xffthe last one is shorter than it says";
    let headers = (0..8_u8).map(|settings| [settings, 7 * settings, settings / 4, 40, 0]);
    headers.map(|header| [&header[..], content].concat()).collect()
}

/// Keys in PEM and DER, public, private and broken, and points.
pub fn keys() -> Vec<Vec<u8>> {
    let vectors: Value = load("encryption.json");
    let mut seeds: Vec<_> = SERVER_KEYS.iter().map(|pem| pem.as_bytes().to_vec()).collect();
    seeds.extend(text_fields(&vectors, "server_public_pem").into_iter().map(String::into_bytes));
    seeds.extend(hex_fields(&vectors, "server_public_der_hex"));
    seeds.extend(hex_fields(&vectors, "client_public_hex"));
    seeds
}

fn cut_somewhere(stream: Vec<u8>) -> Vec<u8> {
    [&[stream.len() as u8][..], &stream].concat()
}

/// The frames of a golden file that are short enough.
fn frames_in(file: &str) -> Vec<Vec<u8>> {
    let vectors: Value = load(&format!("{file}.json"));
    let mut frames = hex_fields(&vectors, "frame_hex");
    frames.extend(hex_fields(&vectors, "stream_hex"));
    frames.retain(|frame| frame.len() <= LONGEST);
    frames
}

fn hex_fields(value: &Value, name: &str) -> Vec<Vec<u8>> {
    text_fields(value, name).iter().map(|hex| unhex(hex)).collect()
}

/// The texts of all fields `name`, however deep.
fn text_fields(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(|value| text_fields(value, name)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == name => vec![text.to_owned()],
                _ => text_fields(value, name),
            })
            .collect(),
        _ => Vec::new(),
    }
}
