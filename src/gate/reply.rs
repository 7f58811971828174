//! Writes the answer to a quest.

use super::failure::ErrorAnswer;
use crate::fpnn::{FrameWriter, HEADER_LEN, Header, MapWriter, PayloadWriter, SEQ_LEN};
use crate::rtm::MessageBody;

/// Where the payload of an answer begins.
const PAYLOAD_AT: usize = HEADER_LEN + SEQ_LEN;

/// An answer, written pair by pair into its own buffer.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    out: &'a mut Vec<u8>,
    seq: u32,
}

impl<'a> Reply<'a> {
    /// Begins the answer to the quest `seq`, and replaces the content of `out`. Without any pairs, it is `{}`.
    pub(super) fn new(out: &'a mut Vec<u8>, seq: u32) -> Reply<'a> {
        out.clear();
        FrameWriter::answer(out, seq, 0).finish();
        Reply { out, seq }
    }

    /// Writes `key: value`.
    pub(super) fn int(&mut self, key: &str, value: i64) {
        self.results().int(key, value);
    }

    /// Writes `key: value`.
    pub(super) fn bool(&mut self, key: &str, value: bool) {
        self.results().bool(key, value);
    }

    /// Writes `key: value`.
    pub(super) fn str(&mut self, key: &str, value: &str) {
        self.results().str(key, value);
    }

    /// Writes `key: [value, …]`.
    pub(super) fn ints(&mut self, key: &str, values: impl ExactSizeIterator<Item = i64>) {
        self.results().ints(key, values);
    }

    /// Writes `key`; the caller writes the value.
    pub(super) fn pair(&mut self, key: &str) -> PayloadWriter<'_> {
        self.results().value(key)
    }

    fn results(&mut self) -> MapWriter<'_> {
        MapWriter::resume(self.out, PAYLOAD_AT)
    }

    /// Completes the answer.
    pub(super) fn finish(self) {
        let payload_len = self.out.len() - PAYLOAD_AT;
        Header::patch_payload_len(self.out, payload_len);
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

/// Converts a count to an integer of an answer.
pub(super) fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
