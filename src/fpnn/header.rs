//! The twelve-byte header of every FPNN packet (section 1).

use byteorder::{ByteOrder, LittleEndian};

use crate::error::ProtocolError;

/// Length of a packet's header, in bytes.
pub const HEADER_LEN: usize = 12;
/// Length of the sequence number that follows the header of two-way quests and answers, in bytes.
pub const SEQ_LEN: usize = 4;
/// The flag of a plain msgpack payload: the only one sent, and the only one read.
pub const FLAG_MSGPACK: u8 = 0x80;

const MAGIC: [u8; 4] = *b"FPNN";
const VERSION: u8 = 1;
const SS_AT: usize = 7;
const PAYLOAD_LEN_AT: usize = 8;

/// The kind of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A quest without an answer.
    OneWay = 0,
    /// A quest that must be answered.
    TwoWay = 1,
    /// The answer to a two-way quest.
    Answer = 2,
}

/// A packet's header. The version byte is omitted, because nothing checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How the payload is encoded.
    pub flag: u8,
    /// The kind of the packet.
    pub kind: Kind,
    /// The length of a quest's method name, or the status of an answer.
    pub ss: u8,
    /// Length of the payload, in bytes.
    pub payload_len: usize,
}

impl Header {
    /// Reads the header at the front of `bytes`. Returns `None` while it is incomplete.
    ///
    /// # Errors
    ///
    /// Refuses bytes that cannot become a header as soon as they are seen, and an announced payload of more than
    /// `max_payload` bytes.
    pub fn parse(bytes: &[u8], max_payload: usize) -> Result<Option<Header>, ProtocolError> {
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            let mut magic = [0; 4];
            magic[..seen].copy_from_slice(&bytes[..seen]);
            return Err(ProtocolError::BadMagic(magic));
        }
        if bytes.len() < HEADER_LEN {
            return Ok(None);
        }
        let kind = match bytes[6] {
            0 => Kind::OneWay,
            1 => Kind::TwoWay,
            2 => Kind::Answer,
            other => return Err(ProtocolError::BadMessageType(other)),
        };
        let size = LittleEndian::read_u32(&bytes[PAYLOAD_LEN_AT..]);
        match usize::try_from(size) {
            Ok(payload_len) if payload_len <= max_payload => {
                Ok(Some(Header { flag: bytes[5], kind, ss: bytes[SS_AT], payload_len }))
            }
            _ => Err(ProtocolError::PayloadTooLarge { size: size.into(), limit: max_payload }),
        }
    }

    /// Length of the whole packet, header included, in bytes.
    #[must_use]
    pub fn frame_len(&self) -> usize {
        HEADER_LEN + self.seq_len() + self.method_len() + self.payload_len
    }

    pub(super) fn seq_len(&self) -> usize {
        if self.kind == Kind::OneWay { 0 } else { SEQ_LEN }
    }

    pub(super) fn method_len(&self) -> usize {
        if self.kind == Kind::Answer { 0 } else { self.ss.into() }
    }

    /// Writes a header with an empty payload; [`patch_payload_len`] completes it.
    pub(super) fn write(out: &mut Vec<u8>, kind: Kind, ss: u8) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, FLAG_MSGPACK, kind as u8, ss, 0, 0, 0, 0]);
    }

    /// Returns the method name in a complete two-way quest.
    #[must_use]
    pub fn method_of_quest(frame: &[u8]) -> &[u8] {
        let name_at = HEADER_LEN + SEQ_LEN;
        &frame[name_at..name_at + usize::from(frame[SS_AT])]
    }

    /// Fills in the payload's length.
    pub fn patch_payload_len(frame: &mut [u8], payload_len: usize) {
        let size = u32::try_from(payload_len).unwrap_or(u32::MAX);
        LittleEndian::write_u32(&mut frame[PAYLOAD_LEN_AT..HEADER_LEN], size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, ss: u8, payload_len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        Header::write(&mut out, kind, ss);
        Header::patch_payload_len(&mut out, payload_len);
        out
    }

    #[test]
    fn written_header_is_read_back() {
        let bytes = written(Kind::TwoWay, 13, 85);
        let header = Header::parse(&bytes, 100).unwrap().unwrap();
        assert_eq!(header, Header { flag: FLAG_MSGPACK, kind: Kind::TwoWay, ss: 13, payload_len: 85 });
        assert_eq!(header.frame_len(), 12 + 4 + 13 + 85);
    }

    #[test]
    fn length_depends_on_the_kind() {
        let len = |kind| Header::parse(&written(kind, 3, 10), 100).unwrap().unwrap().frame_len();
        assert_eq!((len(Kind::OneWay), len(Kind::TwoWay), len(Kind::Answer)), (25, 29, 26));
    }

    #[test]
    fn wrong_first_byte_is_refused_before_the_header_is_whole() {
        assert_eq!(Header::parse(b"H", 100), Err(ProtocolError::BadMagic([b'H', 0, 0, 0])));
        assert_eq!(Header::parse(b"FPN", 100), Ok(None));
    }

    #[test]
    fn announced_size_is_checked_against_the_limit() {
        let bytes = written(Kind::Answer, 0, 101);
        assert_eq!(Header::parse(&bytes, 100), Err(ProtocolError::PayloadTooLarge { size: 101, limit: 100 }));
    }
}
