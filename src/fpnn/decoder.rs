//! Cuts a stream of received bytes into frames, however it was cut in transit.

use byteorder::{ByteOrder, LittleEndian};

use super::cipher::{Decryptor, PACKAGE_PREFIX};
use super::frame::Frame;
use super::header::{HEADER_LEN, Header, SEQ_LEN};
use super::payload::Payload;
use crate::error::ProtocolError;

/// The room for the next read is at least half of this, and never more.
const CHUNK: usize = 64 * 1024;
/// A payload of at least this size is moved out with the buffer that it fills.
const WORTH_MOVING: usize = 4 * CHUNK;
/// A method's name has at most this many bytes.
const MAX_METHOD: usize = u8::MAX as usize;

/// An incremental decoder: bytes go in by [`space`](Decoder::space) and [`advance`](Decoder::advance), frames come
/// out by [`next_frame`](Decoder::next_frame), without a copy.
///
/// The buffer grows with the bytes that came, not with those that were announced: its capacity is at most twice what was
/// received, and little more than the frame under way takes.
#[derive(Debug)]
pub struct Decoder {
    /// Received and not yet handed out: `buffer[start..end]`. The rest is room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    max_payload: usize,
    max_frame: usize,
    decryptor: Decryptor,
    /// How much of the package at `start` was deciphered, its length in front not counted.
    deciphered: usize,
    /// What the frame at `start` takes on the wire, or zero while that is unknown.
    announced: usize,
}

impl Decoder {
    /// A decoder of plain frames that refuses payloads of more than `max_payload` bytes.
    #[must_use]
    pub fn new(max_payload: usize) -> Decoder {
        Decoder {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            max_payload,
            max_frame: usize::MAX,
            decryptor: Decryptor::Plain,
            deciphered: 0,
            announced: 0,
        }
    }

    /// A decoder of plain frames that refuses whole frames, header and method included, of more than `max_frame` bytes.
    #[must_use]
    #[allow(dead_code, reason = "used by the feature `gate`")]
    pub fn with_max_frame(max_frame: usize) -> Decoder {
        Decoder { max_frame, ..Decoder::new(max_frame) }
    }

    /// From here on, what was received and not yet handed out included, the bytes are enciphered.
    pub fn set_decryptor(&mut self, decryptor: Decryptor) {
        self.decryptor = decryptor;
        self.decryptor.decrypt_stream(&mut self.buffer[self.start..self.end]);
    }

    /// Room for the next read; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.rewind();
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.make_room();
        }
        &mut self.buffer[self.end..]
    }

    /// The first `received` bytes of [`space`](Decoder::space) were filled in.
    pub fn advance(&mut self, received: usize) {
        let new = self.end..self.end + received;
        self.decryptor.decrypt_stream(&mut self.buffer[new.clone()]);
        self.end = new.end;
    }

    /// The next whole frame, or `None` until more bytes came.
    ///
    /// # Errors
    ///
    /// Where the next frame begins is unknown from here on: close the connection.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ProtocolError> {
        let frame = if self.decryptor.is_packaged() { self.find_package()? } else { self.find_frame()? };
        let Some((header, start)) = frame else { return Ok(None) };
        let end = start + header.frame_len();
        self.start = end;
        self.announced = 0;
        Ok(Some(Frame::parse(header, &self.buffer[start..end])))
    }

    /// Takes the payload, `len` bytes, of the frame that [`next_frame`](Decoder::next_frame) gave last: a copy in the memory
    /// of `spare`, or, if it is large and fills most of the buffer, the buffer itself.
    #[must_use]
    pub fn take_payload(&mut self, len: usize, mut spare: Vec<u8>) -> Payload {
        let start = self.start - len;
        if len < WORTH_MOVING || len < self.buffer.capacity() / 2 {
            spare.clear();
            spare.extend_from_slice(&self.buffer[start..self.start]);
            return spare.into();
        }
        let rest = self.buffer[self.start..self.end].to_vec();
        let mut payload = std::mem::replace(&mut self.buffer, rest);
        payload.truncate(self.start);
        self.start = 0;
        self.end = self.buffer.len();
        Payload::behind(payload, start)
    }

    /// How many bytes were received and not handed out.
    #[must_use]
    #[allow(dead_code, reason = "used by the feature `gate`")]
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Whether a frame has begun to arrive and is not whole.
    #[cfg(test)]
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.end
    }

    fn find_frame(&mut self) -> Result<Option<(Header, usize)>, ProtocolError> {
        let received = &self.buffer[self.start..self.end];
        let Some(header) = Header::parse(received, self.max_payload)? else { return Ok(None) };
        let frame_len = header.frame_len();
        if frame_len > self.max_frame {
            return Err(ProtocolError::PayloadTooLarge { size: header.payload_len as u64, limit: self.max_frame });
        }
        self.announced = frame_len;
        Ok((frame_len <= received.len()).then_some((header, self.start)))
    }

    fn find_package(&mut self) -> Result<Option<(Header, usize)>, ProtocolError> {
        let received = &self.buffer[self.start..self.end];
        if received.len() < PACKAGE_PREFIX {
            return Ok(None);
        }
        let package = u64::from(LittleEndian::read_u32(received));
        let frame_len = self.checked_package_len(package)?;
        self.announced = PACKAGE_PREFIX + frame_len;
        let arrived = frame_len.min(received.len() - PACKAGE_PREFIX);
        let start = self.start + PACKAGE_PREFIX;
        let frame = &mut self.buffer[start..start + arrived];
        // What has arrived is deciphered at once: a large frame must not take its time when it is whole.
        if self.deciphered == 0 {
            self.decryptor.begin_package();
        }
        self.decryptor.decrypt_package(&mut frame[self.deciphered..]);
        self.deciphered = arrived;
        match Header::parse(frame, self.max_payload)? {
            Some(header) if header.frame_len() != frame_len => Err(ProtocolError::BadPackage { package }),
            Some(header) if arrived == frame_len => {
                self.deciphered = 0;
                Ok(Some((header, start)))
            }
            _ => Ok(None),
        }
    }

    fn checked_package_len(&self, package: u64) -> Result<usize, ProtocolError> {
        let largest = (HEADER_LEN + SEQ_LEN + MAX_METHOD).saturating_add(self.max_payload).min(self.max_frame);
        match usize::try_from(package) {
            Ok(len) if len < HEADER_LEN => Err(ProtocolError::BadPackage { package }),
            Ok(len) if len <= largest => Ok(len),
            _ => Err(ProtocolError::PayloadTooLarge { size: package, limit: self.max_payload }),
        }
    }

    /// Nothing is left to hand out: the room begins at the front again, and what a large frame needed is given back.
    fn rewind(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.buffer.len() > 4 * CHUNK {
            self.buffer = Vec::new();
        }
    }

    /// Moves what is left to the front, and grows the buffer only if that did not make enough room.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            let wanted = self.end + CHUNK;
            self.reserve(wanted);
            self.buffer.resize(wanted, 0);
        }
    }

    /// Has the buffer hold `wanted` bytes. It doubles, since other memory may have to be found and the bytes moved there,
    /// but not beyond the frame under way.
    fn reserve(&mut self, wanted: usize) {
        if self.buffer.capacity() < wanted {
            let capacity = wanted.max(self.end.saturating_mul(2).min(self.announced.saturating_add(CHUNK)));
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }
}

#[cfg(test)]
mod tests;
