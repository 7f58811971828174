//! Splits a stream of received bytes into frames, however it was split in transit.

use byteorder::{ByteOrder, LittleEndian};

use super::cipher::{Decryptor, PACKAGE_PREFIX};
use super::frame::Frame;
use super::header::{HEADER_LEN, Header, SEQ_LEN};
use super::payload::Payload;
use crate::error::ProtocolError;

/// The space for the next read is at least half of this, and at most this.
const CHUNK: usize = 64 * 1024;
/// A payload of this size or more is returned in the buffer that it fills, instead of being copied.
const WORTH_MOVING: usize = 4 * CHUNK;
/// The most bytes of a method's name.
const MAX_METHOD: usize = u8::MAX as usize;

/// An incremental decoder: bytes go in by [`space`](Decoder::space) and [`advance`](Decoder::advance), frames come
/// out by [`next_frame`](Decoder::next_frame), without a copy.
///
/// The buffer grows with the bytes received, not with those announced. Its capacity is at most twice what was received,
/// and little more than the current frame takes.
#[derive(Debug)]
pub struct Decoder {
    /// Received bytes not returned yet are in `buffer[start..end]`. The rest is free.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    max_payload: usize,
    max_frame: usize,
    decryptor: Decryptor,
    /// How many bytes of the package at `start` were deciphered, not counting its length prefix.
    deciphered: usize,
    /// The size on the wire of the frame at `start`, or zero while it is unknown.
    announced: usize,
}

impl Decoder {
    /// Creates a decoder of plain frames that refuses payloads of more than `max_payload` bytes.
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

    /// Creates a decoder of plain frames that refuses frames of more than `max_frame` bytes, including header and
    /// method.
    #[must_use]
    pub fn with_max_frame(max_frame: usize) -> Decoder {
        Decoder { max_frame, ..Decoder::new(max_frame) }
    }

    /// Deciphers all bytes from now on, including those received but not returned yet.
    pub fn set_decryptor(&mut self, decryptor: Decryptor) {
        self.decryptor = decryptor;
        self.decryptor.decrypt_stream(&mut self.buffer[self.start..self.end]);
    }

    /// Space for the next read; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.rewind();
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.make_room();
        }
        &mut self.buffer[self.end..]
    }

    /// Accepts `received` bytes that were read into [`space`](Decoder::space).
    pub fn advance(&mut self, received: usize) {
        let new = self.end..self.end + received;
        self.decryptor.decrypt_stream(&mut self.buffer[new.clone()]);
        self.end = new.end;
    }

    /// Returns the next complete frame, or `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The beginning of the next frame is unknown, so the connection must be closed.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ProtocolError> {
        let frame = if self.decryptor.is_packaged() { self.find_package()? } else { self.find_frame()? };
        let Some((header, start)) = frame else { return Ok(None) };
        let end = start + header.frame_len();
        self.start = end;
        self.announced = 0;
        Ok(Some(Frame::parse(header, &self.buffer[start..end])))
    }

    /// Takes the payload of `len` bytes of the frame that [`next_frame`](Decoder::next_frame) returned last. Copies it
    /// into the memory of `spare`, or, if it is large and fills most of the buffer, takes the buffer itself.
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

    /// The number of bytes received but not returned.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.end - self.start
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
        // Deciphers what has arrived at once. Otherwise a large frame would take long when it is complete.
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

    /// Restarts at the front of the empty buffer, and frees the memory that a large frame needed.
    fn rewind(&mut self) {
        self.start = 0;
        self.end = 0;
        if self.buffer.len() > 4 * CHUNK {
            self.buffer = Vec::new();
        }
    }

    /// Moves the rest to the front, and grows the buffer only if that does not free enough space.
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

    /// Grows the buffer to `wanted` bytes. It doubles, because growing may move all bytes, but not beyond the current
    /// frame.
    fn reserve(&mut self, wanted: usize) {
        if self.buffer.capacity() < wanted {
            let capacity = wanted.max(self.end.saturating_mul(2).min(self.announced.saturating_add(CHUNK)));
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }
}

#[cfg(test)]
mod tests;
