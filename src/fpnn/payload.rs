//! [`Payload`]: the bytes of a received payload, on their way to the thread that reads them.

use std::fmt;
use std::ops::Deref;

/// The payload of a received frame. A large one keeps the buffer in which it was received, including the bytes in front
/// of it.
#[derive(Default)]
pub struct Payload {
    bytes: Vec<u8>,
    start: usize,
}

impl Payload {
    /// Creates a payload of the bytes from `start` on.
    pub(super) fn behind(bytes: Vec<u8>, start: usize) -> Payload {
        Payload { bytes, start }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Payload {
        Payload { bytes, start: 0 }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("len", &self.len()).finish_non_exhaustive()
    }
}
