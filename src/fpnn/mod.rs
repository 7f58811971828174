//! The wire format of FPNN: packets, payloads and encrypted sessions, as bytes in memory. It has no sockets, clocks or
//! threads, and knows nothing about rooms.
//!
//! `docs/protocol.md` describes the facts; the sections named in this module are its sections.

#![cfg_attr(
    not(all(feature = "gate", feature = "encryption", feature = "serde")),
    allow(
        dead_code,
        unused_imports,
        reason = "parts of the codec serve the gate, encrypted sessions, or calls by name alone"
    )
)]

mod cipher;
mod decoder;
mod frame;
mod frame_writer;
mod header;
mod map_writer;
mod method;
mod payload;
mod reader;
#[cfg(feature = "encryption")]
mod session;
mod writer;

pub use cipher::{Decryptor, Encryptor};
pub use decoder::Decoder;
pub use frame::{Answer, Frame, Quest, read_answer};
pub use frame_writer::{FrameWriter, patch_seq};
pub use header::{FLAG_MSGPACK, HEADER_LEN, Header, SEQ_LEN};
pub use map_writer::MapWriter;
pub use method::MethodName;
pub use payload::Payload;
pub use reader::{PayloadReader, RawString};
#[cfg(feature = "encryption")]
pub use session::*;
pub use writer::PayloadWriter;
