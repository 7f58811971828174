//! A stream of received bytes yields the same frames however it is split, and every reader survives their payloads.

use std::fmt::Debug;

use rtm_server_sdk::fpnn::{Decoder, Frame};

use super::cut::{pieces, split_seed};
use super::readers;

/// Small enough that an input can announce more.
const MAX_PAYLOAD: usize = 4096;

pub fn check(data: &[u8]) {
    let (seed, stream) = split_seed(data);
    let whole = frames(&mut Decoder::new(MAX_PAYLOAD), [stream]);
    let cut = frames(&mut Decoder::new(MAX_PAYLOAD), pieces(stream, seed));
    assert_eq!(whole, cut);
}

/// What comes out of the decoder: each frame as text, then the name of the error, if there is one. What else the error
/// says may depend on how much had come.
pub fn frames<'a>(decoder: &mut Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut seen = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            let space = decoder.space();
            let taken = space.len().min(piece.len());
            space[..taken].copy_from_slice(&piece[..taken]);
            decoder.advance(taken);
            piece = &piece[taken..];
            if !take_frames(decoder, &mut seen) {
                return seen;
            }
        }
    }
    seen
}

/// Takes out every complete frame. Returns whether the stream can continue.
fn take_frames(decoder: &mut Decoder, seen: &mut Vec<String>) -> bool {
    loop {
        match decoder.next_frame() {
            Ok(None) => return true,
            Ok(Some(frame)) => {
                read(&frame);
                seen.push(format!("{frame:?}"));
            }
            Err(error) => {
                seen.push(name_of(&error));
                return false;
            }
        }
    }
}

/// The variant that `error` is.
pub fn name_of(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn read(frame: &Frame<'_>) {
    let (status, flag, payload) = match frame {
        Frame::Quest(quest) => (0, quest.flag, quest.payload),
        Frame::Answer(answer) => (answer.status, answer.flag, answer.payload),
    };
    readers::read_values(payload);
    readers::read_as_every_answer(status, flag, payload);
}
