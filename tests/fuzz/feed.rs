//! Feeds bytes to a simulated server.

use rtm_server_sdk::fpnn::{Decoder, Frame};

/// Adds bytes of the engine to what has come, and takes out every whole frame.
pub fn feed(decoder: &mut Decoder, mut bytes: &[u8], mut take: impl FnMut(Frame<'_>)) {
    while !bytes.is_empty() {
        let space = decoder.space();
        let taken = space.len().min(bytes.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        decoder.advance(taken);
        bytes = &bytes[taken..];
        while let Some(frame) = decoder.next_frame().expect("the engine writes sound frames") {
            take(frame);
        }
    }
}
