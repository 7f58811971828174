//! A quest before it is signed: everything except the sequence number and the four values of the signature.

use byteorder::{BigEndian, ByteOrder};

use super::sign::{SIGN_LEN, Signer};
use crate::fpnn::{HEADER_LEN, Header, MapWriter, MethodName, SEQ_LEN};

/// The frame of nearly every call fits, so it is allocated only once. Every call in flight takes this much memory.
const USUAL_LEN: usize = 136;

/// The four pairs of a signature, without their values. They come first in the map and have a fixed width, so signing
/// only overwrites them.
const BLANK_SIGNATURE: &[u8; SIGNATURE_LEN] = b"\
    \xa3pid\xd2\0\0\0\0\
    \xa4sign\xd9\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \xa4salt\xcf\0\0\0\0\0\0\0\0\
    \xa2ts\xce\0\0\0\0";
const SIGNATURE_PAIRS: u32 = 4;
/// Where each value begins, after its key and its marker.
const PID_AT: usize = "_pid_".len();
const SIGN_AT: usize = PID_AT + 4 + "_sign__".len();
const SALT_AT: usize = SIGN_AT + SIGN_LEN + "_salt_".len();
const TS_AT: usize = SALT_AT + 8 + "_ts_".len();
const SIGNATURE_LEN: usize = TS_AT + 4;

/// A two-way RTM quest (section 2). It is signed at the last moment, so that its time stamp is fresh.
#[derive(Debug)]
pub struct UnsignedQuest {
    frame: Vec<u8>,
    payload_at: usize,
}

impl UnsignedQuest {
    /// Begins a quest without parameters; [`params`](UnsignedQuest::params) adds some.
    #[must_use]
    pub fn new(method: MethodName<'_>) -> UnsignedQuest {
        let mut frame = Vec::with_capacity(USUAL_LEN);
        let mut writer = crate::fpnn::FrameWriter::two_way_quest(&mut frame, 0, method);
        writer.params().encoded_pairs(SIGNATURE_PAIRS, BLANK_SIGNATURE);
        UnsignedQuest { frame, payload_at: HEADER_LEN + SEQ_LEN + method.as_str().len() }
    }

    /// The writer of the parameters.
    pub fn params(&mut self) -> MapWriter<'_> {
        MapWriter::resume(&mut self.frame, self.payload_at)
    }

    /// The length of the whole frame so far, in bytes.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        self.frame.len()
    }

    /// Fills in the signature. The frame is then complete except for its sequence number, which is 0.
    #[must_use]
    pub fn sign(mut self, signer: &Signer, salt: u64, ts: u32) -> Vec<u8> {
        let payload_len = self.frame.len() - self.payload_at;
        Header::patch_payload_len(&mut self.frame, payload_len);
        let signature_at = self.params().first_pair_at();
        let method = &self.frame[HEADER_LEN + SEQ_LEN..self.payload_at];
        let sign = signer.sign(salt, method, ts);
        let signature = &mut self.frame[signature_at..];
        BigEndian::write_i32(&mut signature[PID_AT..], signer.pid());
        signature[SIGN_AT..][..SIGN_LEN].copy_from_slice(&sign);
        BigEndian::write_u64(&mut signature[SALT_AT..], salt);
        BigEndian::write_u32(&mut signature[TS_AT..], ts);
        self.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpnn::{Decoder, Frame, PayloadReader};

    fn read_signed(quest: UnsignedQuest, check: impl FnOnce(&str, &mut PayloadReader<'_>)) {
        let frame = quest.sign(&Signer::new(-7, "secret"), u64::MAX >> 1, u32::MAX);
        let mut decoder = Decoder::new(1024 * 1024);
        for chunk in frame.chunks(64) {
            decoder.space()[..chunk.len()].copy_from_slice(chunk);
            decoder.advance(chunk.len());
        }
        let Ok(Some(Frame::Quest(quest))) = decoder.next_frame() else { panic!("no quest came out") };
        let mut reader = quest.params().unwrap();
        check(std::str::from_utf8(quest.method).unwrap(), &mut reader);
    }

    fn check_signature(method: &str, reader: &mut PayloadReader<'_>) {
        let expected = Signer::new(-7, "secret").sign(u64::MAX >> 1, method.as_bytes(), u32::MAX);
        assert_eq!(reader.next_key(), Ok(Some(&b"pid"[..])));
        assert_eq!(reader.int("pid"), Ok(-7));
        assert_eq!(reader.next_key(), Ok(Some(&b"sign"[..])));
        assert_eq!(reader.bytes("sign"), Ok(&expected[..]));
        assert_eq!(reader.next_key(), Ok(Some(&b"salt"[..])));
        assert_eq!(reader.int("salt"), Ok(i64::MAX));
        assert_eq!(reader.next_key(), Ok(Some(&b"ts"[..])));
        assert_eq!(reader.int("ts"), Ok(u32::MAX.into()));
    }

    #[test]
    fn signature_is_filled_in_whatever_the_number_of_parameters() {
        for params in [0, 11, 12, 300] {
            let mut quest = UnsignedQuest::new(MethodName::literal("getroominfo"));
            for value in 0..params {
                quest.params().int("rid", value);
            }
            read_signed(quest, |method, reader| {
                assert_eq!(method, "getroominfo");
                check_signature(method, reader);
                for value in 0..params {
                    assert_eq!(reader.next_key(), Ok(Some(&b"rid"[..])));
                    assert_eq!(reader.int("rid"), Ok(value));
                }
                assert_eq!(reader.next_key(), Ok(None));
                assert_eq!(reader.clone().finish(), Ok(()));
            });
        }
    }

    #[test]
    fn longest_method_name_is_signed() {
        let name = "m".repeat(255);
        read_signed(UnsignedQuest::new(MethodName::new(&name).unwrap()), |method, reader| {
            assert_eq!(method, name);
            check_signature(method, reader);
        });
    }

    #[test]
    fn usual_call_is_written_in_one_allocation() {
        let mut quest = UnsignedQuest::new(MethodName::literal("delroommember"));
        quest.params().int("rid", i64::MAX).int("uid", i64::MIN);
        assert_eq!(quest.frame.capacity(), USUAL_LEN);
    }
}
