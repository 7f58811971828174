//! Enciphered frames come out as they went in, in both modes, however they are split; damage affects nothing before it.

use rtm_server_sdk::fpnn::{Decoder, Decryptor, Encryptor, FrameWriter, session_of_secret};
use rtm_server_sdk::{CipherMode, KeyBits};

use super::cut::pieces;
use super::stream::frames;

const MAX_PAYLOAD: usize = 4096;
const SECRET: &[u8; 32] = b"what both sides of a key share..";

/// An input: one byte each for the settings, the cuts and the kind of damage, two for its place, then the content.
pub fn check(data: &[u8]) {
    let [settings, cuts, damage, at_low, at_high, content @ ..] = data else { return };
    let mode = if settings & 1 == 0 { CipherMode::Stream } else { CipherMode::Package };
    let bits = if settings & 2 == 0 { KeyBits::Aes128 } else { KeyBits::Aes256 };
    let sent = plain_frames(content);
    let (mut wire, ends) = encipher(&sent, mode, bits);
    let expected = frames(&mut Decoder::new(MAX_PAYLOAD), sent.iter().map(Vec::as_slice));

    let whole = frames(&mut decoder(mode, bits), [&wire[..]]);
    let cut = frames(&mut decoder(mode, bits), pieces(&wire, u64::from(*cuts)));
    assert_eq!((&whole, &cut), (&expected, &expected));

    if wire.is_empty() || *damage == 0 {
        return;
    }
    let at = usize::from(u16::from_le_bytes([*at_low, *at_high])) % wire.len();
    wire[at] ^= damage;
    let damaged = frames(&mut decoder(mode, bits), pieces(&wire, u64::from(*cuts)));
    let intact = ends.iter().filter(|end| **end <= at).count();
    assert_eq!(damaged[..intact], expected[..intact]);
}

/// Splits the content into frames. The first byte of each piece is its length.
fn plain_frames(mut content: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [len, rest @ ..] = content {
        let (piece, after) = rest.split_at(usize::from(*len).min(rest.len()));
        let mut frame = Vec::new();
        let mut writer = FrameWriter::answer(&mut frame, u32::from(*len), 0);
        let _ = writer.params().bin("piece", piece);
        writer.finish();
        frames.push(frame);
        content = after;
    }
    frames
}

/// The frames on the wire, and the end of each.
fn encipher(frames: &[Vec<u8>], mode: CipherMode, bits: KeyBits) -> (Vec<u8>, Vec<usize>) {
    let (mut encryptor, _) = session(mode, bits);
    let (mut wire, mut ends) = (Vec::new(), Vec::new());
    for frame in frames {
        let start = wire.len();
        wire.resize(start + encryptor.prefix_len(), 0);
        wire.extend_from_slice(frame);
        encryptor.encrypt(&mut wire[start..]);
        ends.push(wire.len());
    }
    (wire, ends)
}

fn decoder(mode: CipherMode, bits: KeyBits) -> Decoder {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    decoder.set_decryptor(session(mode, bits).1);
    decoder
}

/// Both sides of a session are alike, so a side's decryptor can read what its own encryptor wrote.
fn session(mode: CipherMode, bits: KeyBits) -> (Encryptor, Decryptor) {
    session_of_secret(SECRET, bits, mode)
}
