//! The output of a connection: whole frames, enciphered when they are added, taken out in pieces of any size.

use crate::fpnn::{Encryptor, patch_seq};

/// An outbox with more capacity than this, in bytes, frees its memory.
const KEPT_CAPACITY: usize = 256 * 1024;

/// The output of a connection.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    encryptor: Encryptor,
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Enciphers everything that is appended from now on.
    pub(super) fn set_encryptor(&mut self, encryptor: Encryptor) {
        self.encryptor = encryptor;
    }

    /// Appends a frame.
    pub(super) fn append(&mut self, frame: &[u8]) {
        self.append_patched(frame, |_| ());
    }

    /// Appends a frame with another sequence number.
    pub(super) fn append_as(&mut self, frame: &[u8], seq: u32) {
        self.append_patched(frame, |frame| patch_seq(frame, seq));
    }

    fn append_patched(&mut self, frame: &[u8], patch: impl FnOnce(&mut [u8])) {
        let start = self.bytes.len();
        let frame_start = start + self.encryptor.prefix_len();
        self.bytes.resize(frame_start, 0);
        self.bytes.extend_from_slice(frame);
        patch(&mut self.bytes[frame_start..]);
        self.encryptor.encrypt(&mut self.bytes[start..]);
    }

    /// The bytes to send.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The number of bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Marks the first `sent` bytes of [`unsent`](Outbox::unsent) as sent.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.sent += sent;
    }

    /// Frees the memory of what was sent.
    pub(super) fn drop_sent(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
        } else if self.sent > 0 {
            self.bytes.drain(..self.sent);
        }
        self.sent = 0;
    }
}
