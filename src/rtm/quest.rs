//! A signed quest before its signature: everything but the sequence number, the salt, the time and the sign.

use std::ops::Range;

use byteorder::{BigEndian, ByteOrder};

use super::sign::{SIGN_LEN, Signer};
use crate::fpnn::{FrameWriter, HEADER_LEN, Header, PayloadWriter, SEQ_LEN};

/// The pairs that sign a quest: pid, sign, salt, ts.
const SIGNATURE_PAIRS: u32 = 4;
/// Room for everything but long parameters. Every call in flight holds this much.
const USUAL_LEN: usize = 136;

/// A two-way RTM quest (section 2) whose signature is filled in at the last moment, so that its time stamp is fresh.
///
/// The fields of the signature have a fixed width, which makes signing a matter of overwriting them.
#[derive(Debug)]
pub struct UnsignedQuest {
    frame: Vec<u8>,
    method: &'static str,
    sign: Range<usize>,
    salt: Range<usize>,
    ts: Range<usize>,
}

impl UnsignedQuest {
    /// Begins a quest with `params` parameters, each to be written as a key and a value by
    /// [`params`](UnsignedQuest::params).
    #[must_use]
    pub fn new(pid: i32, method: &'static str, params: u32) -> UnsignedQuest {
        let mut frame = Vec::with_capacity(USUAL_LEN);
        let mut writer = FrameWriter::two_way_quest(&mut frame, 0, method, SIGNATURE_PAIRS + params);
        let mut payload = writer.payload();
        payload.str("pid");
        payload.int(pid.into());
        let sign = blank_str(&mut frame, "sign", SIGN_LEN);
        let salt = blank_uint(&mut frame, "salt", rmp::Marker::U64, 8);
        let ts = blank_uint(&mut frame, "ts", rmp::Marker::U32, 4);
        UnsignedQuest { frame, method, sign, salt, ts }
    }

    /// Where the parameters go.
    pub fn params(&mut self) -> PayloadWriter<'_> {
        PayloadWriter::new(&mut self.frame)
    }

    /// Length of the whole frame so far, in bytes.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }

    /// Fills in the signature. The frame is complete but for its sequence number, which is 0.
    #[must_use]
    pub fn sign(mut self, signer: &Signer, salt: u64, ts: u32) -> Vec<u8> {
        let payload_len = self.frame.len() - HEADER_LEN - SEQ_LEN - self.method.len();
        Header::patch_payload_len(&mut self.frame, payload_len);
        self.frame[self.sign].copy_from_slice(&signer.sign(salt, self.method, ts.into()));
        BigEndian::write_u64(&mut self.frame[self.salt], salt);
        BigEndian::write_u32(&mut self.frame[self.ts], ts);
        self.frame
    }
}

fn blank_str(frame: &mut Vec<u8>, key: &str, len: usize) -> Range<usize> {
    PayloadWriter::new(frame).str(key);
    // The length is that of a sign, which fits a byte.
    frame.extend_from_slice(&[rmp::Marker::Str8.to_u8(), len as u8]);
    blank(frame, len)
}

fn blank_uint(frame: &mut Vec<u8>, key: &str, marker: rmp::Marker, width: usize) -> Range<usize> {
    PayloadWriter::new(frame).str(key);
    frame.push(marker.to_u8());
    blank(frame, width)
}

fn blank(frame: &mut Vec<u8>, len: usize) -> Range<usize> {
    let start = frame.len();
    frame.resize(start + len, 0);
    start..start + len
}
