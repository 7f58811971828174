//! Writes frames: the header, then a msgpack map, with the lengths filled in at the end.

use std::fmt::Debug;

use byteorder::{ByteOrder, LittleEndian};
use rmp::encode;

use super::header::{HEADER_LEN, Header, Kind, SEQ_LEN};
use super::map_writer::MapWriter;
use super::method::MethodName;

/// One frame, being written at the end of a buffer that may hold others. Dropped without
/// [`finish`](FrameWriter::finish), it leaves a frame with an empty payload.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    payload_start: usize,
}

impl<'a> FrameWriter<'a> {
    /// Begins a two-way quest without parameters; [`params`](FrameWriter::params) adds some.
    #[must_use]
    pub fn two_way_quest(out: &'a mut Vec<u8>, seq: u32, method: MethodName<'_>) -> FrameWriter<'a> {
        let start = out.len();
        Header::write(out, Kind::TwoWay, method.len());
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(method.as_str().as_bytes());
        let payload_start = out.len();
        MapWriter::begin(out);
        FrameWriter { out, start, payload_start }
    }

    /// Begins an answer whose payload is a map of `pairs` pairs. Status 0 is a result, anything else an error.
    #[must_use]
    pub fn answer(out: &'a mut Vec<u8>, seq: u32, status: u8, pairs: u32) -> FrameWriter<'a> {
        let start = out.len();
        Header::write(out, Kind::Answer, status);
        out.extend_from_slice(&seq.to_le_bytes());
        let payload_start = out.len();
        let mut frame = FrameWriter { out, start, payload_start };
        frame.payload().map(pairs);
        frame
    }

    /// Writes a whole error answer: `{code, ex}`.
    pub fn error_answer(out: &mut Vec<u8>, seq: u32, code: i32, message: &str) {
        let mut frame = FrameWriter::answer(out, seq, 1, 2);
        let mut payload = frame.payload();
        payload.str("code");
        payload.int(code.into());
        payload.str("ex");
        payload.str(message);
        frame.finish();
    }

    /// Where a quest's parameters go.
    pub fn params(&mut self) -> MapWriter<'_> {
        MapWriter::resume(self.out, self.payload_start)
    }

    /// Where the payload goes on.
    pub fn payload(&mut self) -> PayloadWriter<'_> {
        PayloadWriter { out: self.out }
    }

    /// Completes the header.
    pub fn finish(self) {
        let payload_len = self.out.len() - self.payload_start;
        Header::patch_payload_len(&mut self.out[self.start..], payload_len);
    }
}

/// Gives a two-way quest or an answer another sequence number.
pub fn patch_seq(frame: &mut [u8], seq: u32) {
    LittleEndian::write_u32(&mut frame[HEADER_LEN..HEADER_LEN + SEQ_LEN], seq);
}

/// Writes msgpack values at the end of a buffer, each in its shortest form.
#[derive(Debug)]
pub struct PayloadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> PayloadWriter<'a> {
    /// Writes at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> PayloadWriter<'a> {
        PayloadWriter { out }
    }

    /// Begins a map: its pairs follow, key and value in turn.
    pub fn map(&mut self, pairs: u32) {
        written(encode::write_map_len(self.out, pairs));
    }

    /// Begins an array: its elements follow.
    pub fn array(&mut self, len: u32) {
        written(encode::write_array_len(self.out, len));
    }

    /// A string.
    pub fn str(&mut self, text: &str) {
        written(encode::write_str(self.out, text));
    }

    /// A string of bytes.
    pub fn bin(&mut self, bytes: &[u8]) {
        written(encode::write_bin(self.out, bytes));
    }

    /// An integer; one that is not negative in the unsigned forms, as the vendor's server does.
    pub fn int(&mut self, value: i64) {
        written(encode::write_sint(self.out, value));
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        written(encode::write_bool(self.out, value));
    }
}

#[allow(clippy::expect_used, reason = "the only writer here is a Vec, which takes every write")]
fn written<T, E: Debug>(result: Result<T, E>) {
    result.expect("a Vec takes every write");
}
