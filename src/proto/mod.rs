//! The wire: FPNN packets and the RTM fields in them, as bytes in memory. No sockets, clocks or threads.
//!
//! Facts of the wire are gathered in `docs/protocol.md`; the sections named in this module are its sections.

#![cfg_attr(
    not(all(feature = "gate", feature = "encryption")),
    allow(dead_code, unused_imports, reason = "parts of the codec serve the gate, or encrypted sessions, alone")
)]

mod cipher;
mod decoder;
mod draft;
mod header;
mod message;
mod reader;
mod room;
mod salt;
#[cfg(feature = "encryption")]
mod session;
mod sign;
mod writer;

pub use cipher::{Opener, Sealer};
pub use decoder::Decoder;
pub use draft::QuestDraft;
pub use header::FLAG_MSGPACK;
pub use message::{Answer, Message, Quest, read_answer};
pub use reader::PayloadReader;
pub use room::{RoomInfo, read_counts, read_infos, read_nothing, read_ok, read_uids};
pub use salt::next_salt;
#[cfg(feature = "encryption")]
pub use session::*;
pub use sign::{SIGN_LEN, Signer};
pub use writer::{FrameWriter, PayloadWriter, patch_seq};
