//! Quests and answers in a received frame.

use byteorder::{ByteOrder, LittleEndian};

use super::header::{FLAG_MSGPACK, HEADER_LEN, Header, Kind};
use super::reader::PayloadReader;
use crate::code::ErrorCode;
use crate::error::{AnswerError, DecodeError};

/// One received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A request, in FPNN's terms.
    Quest(Quest<'a>),
    /// A reply, in FPNN's terms.
    Answer(Answer<'a>),
}

/// A received quest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quest<'a> {
    /// The sequence number that the answer must carry; `None` for a one-way quest.
    pub seq: Option<u32>,
    /// The method's name: any bytes.
    pub method: &'a [u8],
    /// How the payload is encoded.
    pub flag: u8,
    /// The parameters, still encoded.
    pub payload: &'a [u8],
}

/// A received answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The sequence number of the quest that it answers.
    pub seq: u32,
    /// 0 for a result, anything else for an error.
    pub status: u8,
    /// How the payload is encoded.
    pub flag: u8,
    /// The result or the error, still encoded.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Splits a complete frame. `frame` is as long as `header` says.
    pub(super) fn parse(header: Header, frame: &'a [u8]) -> Frame<'a> {
        let (seq, rest) = frame[HEADER_LEN..].split_at(header.seq_len());
        let (method, payload) = rest.split_at(header.method_len());
        let flag = header.flag;
        match header.kind {
            Kind::OneWay => Frame::Quest(Quest { seq: None, method, flag, payload }),
            Kind::TwoWay => Frame::Quest(Quest { seq: Some(LittleEndian::read_u32(seq)), method, flag, payload }),
            Kind::Answer => {
                Frame::Answer(Answer { seq: LittleEndian::read_u32(seq), status: header.ss, flag, payload })
            }
        }
    }
}

impl<'a> Quest<'a> {
    /// Opens the parameters. Tolerates bytes after the map, as the vendor's server does.
    ///
    /// # Errors
    ///
    /// The payload is not plain msgpack, or not a map.
    pub fn params(&self) -> Result<PayloadReader<'a>, DecodeError> {
        check_flag(self.flag)?;
        PayloadReader::open(self.payload)
    }
}

/// Checks that `flag` announces plain msgpack, neither compressed nor marked as encrypted.
fn check_flag(flag: u8) -> Result<(), DecodeError> {
    if flag & 0xf0 == FLAG_MSGPACK { Ok(()) } else { Err(DecodeError::NotMsgpack(flag)) }
}

/// Reads the payload of an answer; `read` reads a result. Any status other than 0 makes it an error, whatever the
/// payload contains.
///
/// # Errors
///
/// The payload makes no sense. The server's own error is the inner `Err`.
pub fn read_answer<T>(
    status: u8,
    flag: u8,
    payload: &[u8],
    read: impl FnOnce(&mut PayloadReader<'_>) -> Result<T, DecodeError>,
) -> Result<Result<T, AnswerError>, DecodeError> {
    check_flag(flag)?;
    let mut reader = PayloadReader::open(payload)?;
    if status != 0 {
        let error = read_error(&mut reader)?;
        reader.finish()?;
        return Ok(Err(error));
    }
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(Ok(value))
}

/// Reads `{code, ex, raiser}`. An official server also puts the code under `ex`, so `ex` may have any type.
fn read_error(reader: &mut PayloadReader<'_>) -> Result<AnswerError, DecodeError> {
    let mut code = ErrorCode::FPNN_EC_PROTO_UNKNOWN_ERROR;
    let mut message = None;
    let mut raiser = None;
    while let Some(key) = reader.next_key()? {
        match key {
            b"code" => {
                if let Some(value) = reader.optional_int("code")? {
                    let value = i32::try_from(value)
                        .map_err(|_| DecodeError::WrongType { key: "code", expected: "a 32-bit integer" })?;
                    code = value.into();
                }
            }
            b"ex" => message = reader.any_as_text()?,
            b"raiser" => raiser = reader.any_as_text()?,
            _ => reader.skip()?,
        }
    }
    Ok(AnswerError::new(code, message, raiser))
}
