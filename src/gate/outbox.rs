//! What a connection has to send: whole frames, encrypted on their way in, taken out in pieces of any size.

use crate::fpnn::{Encryptor, patch_seq};

/// An outbox that was larger than this, in bytes, gives its memory back.
const KEPT_CAPACITY: usize = 256 * 1024;

/// The bytes that a connection is to send.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    encryptor: Encryptor,
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// What is appended from now on is encrypted.
    pub(super) fn set_encryptor(&mut self, encryptor: Encryptor) {
        self.encryptor = encryptor;
    }

    /// Appends a frame.
    pub(super) fn append(&mut self, frame: &[u8]) {
        self.append_patched(frame, |_| ());
    }

    /// Appends a frame under another sequence number.
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

    /// What is to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The first `sent` bytes of [`unsent`](Outbox::unsent) were sent.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.sent += sent;
    }

    /// Gives back the memory of what was sent.
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
