//! Writes the answer to a quest.

use super::failure::ErrorAnswer;
use crate::fpnn::{FrameWriter, HEADER_LEN, Header, PayloadWriter, SEQ_LEN};
use crate::rtm::MessageBody;

/// The most pairs of an answer, which is what the one-byte header of a small msgpack map can count.
const MOST_PAIRS: u8 = 15;

/// An answer, written pair by pair into its own buffer. It counts the pairs itself.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    out: &'a mut Vec<u8>,
    seq: u32,
    pairs: u8,
}

impl<'a> Reply<'a> {
    /// Begins the answer to the quest `seq`, and replaces the content of `out`. Without any pairs, it is `{}`.
    pub(super) fn new(out: &'a mut Vec<u8>, seq: u32) -> Reply<'a> {
        out.clear();
        FrameWriter::answer(out, seq, 0).finish();
        Reply { out, seq, pairs: 0 }
    }

    /// Writes `key: value`.
    pub(super) fn int(&mut self, key: &str, value: i64) {
        self.pair(key).int(value);
    }

    /// Writes `key: value`.
    pub(super) fn bool(&mut self, key: &str, value: bool) {
        self.pair(key).bool(value);
    }

    /// Writes `key: value`.
    pub(super) fn str(&mut self, key: &str, value: &str) {
        self.pair(key).str(value);
    }

    /// Writes `key: [value, …]`.
    pub(super) fn ints(&mut self, key: &str, values: impl ExactSizeIterator<Item = i64>) {
        let mut payload = self.pair(key);
        payload.array(count(values.len()));
        values.for_each(|value| payload.int(value));
    }

    /// Writes `key`; the caller writes the value.
    pub(super) fn pair(&mut self, key: &str) -> PayloadWriter<'_> {
        debug_assert!(self.pairs < MOST_PAIRS, "an answer has at most {MOST_PAIRS} pairs");
        self.pairs += 1;
        let mut payload = PayloadWriter::new(self.out);
        payload.str(key);
        payload
    }

    /// Completes the answer.
    pub(super) fn finish(self) {
        let frame = &mut self.out[..];
        let payload_start = HEADER_LEN + SEQ_LEN;
        frame[payload_start] |= self.pairs;
        let payload_len = frame.len() - payload_start;
        Header::patch_payload_len(frame, payload_len);
    }

    /// Replaces everything written so far with an error answer.
    pub(super) fn fail(self, error: &ErrorAnswer) {
        self.out.clear();
        FrameWriter::error_answer(self.out, self.seq, error.code.value(), &error.text);
    }
}

/// Writes the body of a message as it was sent, as a str or a bin.
pub(super) fn write_body(payload: &mut PayloadWriter<'_>, body: &MessageBody) {
    match body {
        MessageBody::Text(text) => payload.str(text),
        MessageBody::Binary(bytes) => payload.bin(bytes),
    }
}

/// A length for msgpack. Anything from one packet, or that fits in memory, has fewer than 2^32 elements.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
