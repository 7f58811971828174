//! Writes frames: the header, then a msgpack map, with the lengths filled in at the end.

use byteorder::{ByteOrder, LittleEndian};

use super::header::{HEADER_LEN, Header, Kind, SEQ_LEN};
use super::map_writer::MapWriter;
use super::method::MethodName;

/// A frame being written at the end of a buffer, which may hold others. If it is dropped without
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

    /// Begins an answer without results; [`params`](FrameWriter::params) adds some. Status 0 is a result, anything else an
    /// error.
    #[must_use]
    pub fn answer(out: &'a mut Vec<u8>, seq: u32, status: u8) -> FrameWriter<'a> {
        let start = out.len();
        Header::write(out, Kind::Answer, status);
        out.extend_from_slice(&seq.to_le_bytes());
        let payload_start = out.len();
        MapWriter::begin(out);
        FrameWriter { out, start, payload_start }
    }

    /// Writes a whole error answer: `{code, ex}`.
    pub fn error_answer(out: &mut Vec<u8>, seq: u32, code: i32, message: &str) {
        let mut frame = FrameWriter::answer(out, seq, 1);
        let _ = frame.params().int("code", code.into()).str("ex", message);
        frame.finish();
    }

    /// The writer of a quest's parameters or an answer's results.
    pub fn params(&mut self) -> MapWriter<'_> {
        MapWriter::resume(self.out, self.payload_start)
    }

    /// Completes the header.
    pub fn finish(self) {
        let payload_len = self.out.len() - self.payload_start;
        Header::patch_payload_len(&mut self.out[self.start..], payload_len);
    }
}

/// Changes the sequence number of a two-way quest or an answer.
pub fn patch_seq(frame: &mut [u8], seq: u32) {
    LittleEndian::write_u32(&mut frame[HEADER_LEN..HEADER_LEN + SEQ_LEN], seq);
}
