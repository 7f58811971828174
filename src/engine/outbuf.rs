//! Bytes on their way to the socket.

use crate::fpnn::Encryptor;

/// From this many bytes on, no more calls are taken.
pub(super) const HIGH_WATER: usize = 256 * 1024;
/// Below this many bytes, calls are taken again.
const LOW_WATER: usize = 128 * 1024;
/// What a large frame made of the buffer is given back above this capacity.
const USUAL_CAPACITY: usize = 2 * HIGH_WATER;

/// The frames that are being sent, enciphered already, and how far they have got.
///
/// A position is a count of bytes since the connection began, so that it stays valid while bytes leave.
#[derive(Debug, Default)]
pub(super) struct OutBuffer {
    bytes: Vec<u8>,
    /// How many of `bytes` have left.
    gone: usize,
    /// The position of `bytes[0]`.
    base: u64,
    /// The high-water mark was reached, and the low one was not since.
    is_full: bool,
    encryptor: Encryptor,
}

impl OutBuffer {
    /// From here on, frames are enciphered.
    #[cfg(feature = "encryption")]
    pub(super) fn set_encryptor(&mut self, encryptor: Encryptor) {
        self.encryptor = encryptor;
    }

    /// Adds one frame, and says at which position it begins.
    pub(super) fn push(&mut self, frame: &[u8]) -> u64 {
        self.push_with(|bytes| bytes.extend_from_slice(frame))
    }

    /// Adds the one frame that `write` appends, and says at which position it begins.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let start = self.bytes.len();
        self.bytes.resize(start + self.encryptor.prefix_len(), 0);
        write(&mut self.bytes);
        self.encryptor.encrypt(&mut self.bytes[start..]);
        self.is_full |= self.len() >= HIGH_WATER;
        self.base + start as u64
    }

    /// What is to be written next.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    /// How many bytes are to be written.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }

    /// Whether more calls are taken: the buffer is filled to the high-water mark, then emptied to the low one.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full
    }

    /// Whether any byte behind `position` has left.
    pub(super) fn has_left(&self, position: u64) -> bool {
        self.base + self.gone as u64 > position
    }

    /// The first `written` bytes of [`unsent`](OutBuffer::unsent) have left.
    pub(super) fn consume(&mut self, written: usize) {
        self.gone += written;
        self.is_full &= self.len() >= LOW_WATER;
        if self.gone == self.bytes.len() {
            self.forget_gone();
            if self.bytes.capacity() > USUAL_CAPACITY {
                self.bytes = Vec::new();
            }
        } else if self.gone > self.bytes.len() / 2 {
            self.forget_gone();
        }
    }

    fn forget_gone(&mut self) {
        self.bytes.drain(..self.gone);
        self.base += self.gone as u64;
        self.gone = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_buffer_takes_calls_again_once_it_has_run_low() {
        let mut out = OutBuffer::default();
        out.push(&[0; HIGH_WATER]);
        assert!(!out.has_room());
        out.consume(HIGH_WATER - LOW_WATER);
        assert!(!out.has_room());
        out.consume(1);
        assert!(out.has_room());
    }

    #[test]
    fn positions_outlive_the_bytes_before_them() {
        let mut out = OutBuffer::default();
        assert_eq!((out.push(b"first"), out.push(b"second")), (0, 5));
        out.consume(4);
        assert!(out.has_left(0) && !out.has_left(5));
        assert_eq!(out.unsent(), b"tsecond");
        out.consume(2);
        assert!(out.has_left(5));
        out.consume(5);
        assert_eq!((out.len(), out.push(b"third")), (0, 11));
        assert!(!out.has_left(11));
    }
}
