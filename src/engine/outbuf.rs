//! Bytes on their way to the socket.

use std::collections::VecDeque;

use crate::fpnn::Encryptor;

/// At this many bytes, the buffer stops accepting calls.
pub(super) const HIGH_WATER: usize = 256 * 1024;
/// Below this many bytes, it accepts calls again.
const LOW_WATER: usize = 128 * 1024;
/// An empty buffer with more capacity than this, left by a large frame, is freed.
const USUAL_CAPACITY: usize = 2 * HIGH_WATER;
/// A frame of this size or more is enciphered in pieces, and becomes the buffer instead of being copied.
const LARGE: usize = HIGH_WATER;
/// The most that is enciphered or offered for writing at once. Takes a third of a millisecond.
const PIECE: usize = HIGH_WATER;

/// The frames being sent, and the progress. Frames are enciphered when they are added, except for large ones and those
/// behind them.
///
/// A position counts bytes since the start of the connection, so it stays valid while bytes leave.
#[derive(Debug, Default)]
pub(super) struct OutBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` have been written.
    gone: usize,
    /// How many of `bytes` are enciphered, so that they may be written.
    ready: usize,
    /// How many bytes behind `ready` belong to a partly enciphered frame.
    begun: usize,
    /// The lengths of the frames that follow.
    untouched: VecDeque<usize>,
    /// The position of `bytes[0]`.
    base: u64,
    /// Whether the high-water mark was reached, and the low one has not been since.
    is_full: bool,
    encryptor: Encryptor,
}

impl OutBuffer {
    /// Enciphers all frames added from now on.
    #[cfg(feature = "encryption")]
    pub(super) fn set_encryptor(&mut self, encryptor: Encryptor) {
        self.encryptor = encryptor;
    }

    /// Adds a frame, and returns its position. Also returns a frame that was copied, so that its memory can be reused.
    pub(super) fn push(&mut self, frame: Vec<u8>) -> (u64, Vec<u8>) {
        if frame.len() < LARGE {
            return (self.push_with(|bytes| bytes.extend_from_slice(&frame)), frame);
        }
        let take_over = |bytes: &mut Vec<u8>| {
            // Little waits in front of a large frame: above the high-water mark no other is added.
            let waiting = std::mem::replace(bytes, frame);
            bytes.reserve_exact(waiting.len());
            bytes.splice(0..0, waiting);
        };
        self.forget_gone();
        (self.push_with(take_over), Vec::new())
    }

    /// Adds the frame that `write` appends, and returns its position.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        if self.gone > self.bytes.len() / 2 {
            self.forget_gone();
        }
        let start = self.bytes.len();
        self.bytes.resize(start + self.encryptor.prefix_len(), 0);
        write(&mut self.bytes);
        self.encipher_frame(start);
        self.is_full |= self.len() >= HIGH_WATER;
        self.base + start as u64
    }

    /// Enciphers the frame from `start` to the end of the buffer, at once if possible.
    fn encipher_frame(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        if self.ready == start && (len < LARGE || self.encryptor.is_plain()) {
            self.encryptor.encrypt(&mut self.bytes[start..]);
            self.ready = self.bytes.len();
        } else {
            self.untouched.push_back(len);
            self.encipher_ahead();
        }
    }

    /// Enciphers the next piece, if nothing else is ready to be written.
    fn encipher_ahead(&mut self) {
        if self.ready > self.gone {
            return;
        }
        if self.begun == 0 {
            let Some(len) = self.untouched.pop_front() else { return };
            self.encryptor.begin(&mut self.bytes[self.ready..self.ready + len]);
            self.ready += self.encryptor.prefix_len();
            self.begun = len - self.encryptor.prefix_len();
        }
        let piece = self.begun.min(PIECE);
        self.encryptor.encrypt_next(&mut self.bytes[self.ready..self.ready + piece]);
        self.ready += piece;
        self.begun -= piece;
    }

    /// The bytes to write next. Empty only if the buffer is.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.gone..self.ready.min(self.gone + PIECE)]
    }

    /// The number of bytes to write in all.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }

    /// Whether the buffer accepts calls. It fills to the high-water mark, then drains to the low one.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full
    }

    /// Whether any byte behind `position` has been written.
    pub(super) fn has_left(&self, position: u64) -> bool {
        self.base + self.gone as u64 > position
    }

    /// Handles that the first `written` bytes of [`unsent`](OutBuffer::unsent) were written.
    pub(super) fn consume(&mut self, written: usize) {
        self.gone += written;
        self.is_full &= self.len() >= LOW_WATER;
        if self.gone == self.bytes.len() {
            self.forget_gone();
            if self.bytes.capacity() > USUAL_CAPACITY {
                self.bytes = Vec::new();
            }
        }
        self.encipher_ahead();
    }

    fn forget_gone(&mut self) {
        self.bytes.drain(..self.gone);
        self.base += self.gone as u64;
        self.ready -= self.gone;
        self.gone = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(out: &mut OutBuffer, frame: &[u8]) -> u64 {
        out.push(frame.to_vec()).0
    }

    #[test]
    fn large_frame_becomes_the_buffer_behind_waiting_bytes() {
        let mut out = OutBuffer::default();
        push(&mut out, b"gone waiting");
        out.consume(5);
        let mut large = Vec::with_capacity(2 * LARGE);
        large.resize(LARGE, 7);
        let place = large.as_ptr();
        let (position, spare) = out.push(large);
        assert_eq!((position, spare.capacity()), (12, 0));
        assert!(out.unsent().starts_with(b"waiting\x07") && out.len() == 7 + LARGE && out.unsent().len() == PIECE);
        assert_eq!(out.bytes.as_ptr(), place, "the frame was copied");
        out.consume(7);
        assert!(!out.has_left(position));
        out.consume(LARGE);
        assert!(out.has_left(position) && out.len() == 0);
        assert!(out.bytes.capacity() <= USUAL_CAPACITY);
    }

    /// Decodes the frames as the server would if they arrive `step` bytes at a time.
    #[cfg(feature = "encryption")]
    fn arriving(mode: crate::fpnn::CipherMode, frames: &[Vec<u8>], step: usize) -> Vec<Vec<u8>> {
        use crate::fpnn::{Decoder, Encryption, Frame, KeyExchange};
        let encryption = Encryption::from_pem(include_bytes!("tests/public_key.pem")).unwrap().mode(mode);
        // Both directions start alike, so the client's decryptor can act as the server's.
        let (encryptor, decryptor) = KeyExchange::begin(&encryption).unwrap().into_session();
        let (mut out, mut decoder) = (OutBuffer::default(), Decoder::new(64 << 20));
        out.set_encryptor(encryptor);
        decoder.set_decryptor(decryptor);
        frames.iter().for_each(|frame| _ = push(&mut out, frame));
        let mut arrived = Vec::new();
        while !out.unsent().is_empty() {
            assert!(out.ready - out.gone <= 2 * PIECE, "{} bytes were enciphered at once", out.ready - out.gone);
            let piece = out.unsent();
            let len = piece.len().min(step).min(decoder.space().len());
            decoder.space()[..len].copy_from_slice(&piece[..len]);
            decoder.advance(len);
            out.consume(len);
            while let Some(Frame::Answer(answer)) = decoder.next_frame().unwrap() {
                arrived.push(answer.payload.to_vec());
            }
        }
        assert_eq!(out.len(), 0);
        arrived
    }

    #[cfg(feature = "encryption")]
    #[test]
    fn large_frames_are_enciphered_in_pieces_and_arrive_among_small_ones() {
        use crate::fpnn::{CipherMode, FrameWriter};
        let frame = |len: usize| {
            let mut frame = Vec::new();
            let mut writer = FrameWriter::answer(&mut frame, 1, 0);
            let _ = writer.params().str("text", &"x".repeat(len));
            writer.finish();
            frame
        };
        let frames = [10, 3 * PIECE + 5, 20, LARGE, PIECE - 16, 2 * LARGE, 30].map(frame);
        let expected = frames.each_ref().map(|frame| frame[16..].to_vec());
        for mode in [CipherMode::Stream, CipherMode::Package] {
            for step in [usize::MAX, 10_007] {
                assert!(arriving(mode, &frames, step) == expected, "{mode:?}, {step} bytes at a time");
            }
        }
    }

    #[test]
    fn written_bytes_do_not_accumulate() {
        let mut out = OutBuffer::default();
        push(&mut out, &[0; 1000]);
        for _ in 0..1000 {
            push(&mut out, &[0; 1000]);
            out.consume(1000);
        }
        assert!(out.bytes.len() <= 4000, "{} bytes are kept", out.bytes.len());
    }

    #[test]
    fn full_buffer_accepts_calls_again_at_the_low_mark() {
        let mut out = OutBuffer::default();
        push(&mut out, &[0; HIGH_WATER]);
        assert!(!out.has_room());
        out.consume(HIGH_WATER - LOW_WATER);
        assert!(!out.has_room());
        out.consume(1);
        assert!(out.has_room());
    }

    #[test]
    fn positions_stay_valid_while_bytes_leave() {
        let mut out = OutBuffer::default();
        assert_eq!((push(&mut out, b"first"), push(&mut out, b"second")), (0, 5));
        out.consume(4);
        assert!(out.has_left(0) && !out.has_left(5));
        assert_eq!(out.unsent(), b"tsecond");
        out.consume(2);
        assert!(out.has_left(5));
        out.consume(5);
        assert_eq!((out.len(), push(&mut out, b"third")), (0, 11));
        assert!(!out.has_left(11));
    }
}
