//! What RTM says over FPNN: signed quests, and the methods with their answers. Bytes in memory, like the layer below.

#![cfg_attr(
    not(feature = "gate"),
    allow(dead_code, unused_imports, reason = "parts of this layer serve the gate alone")
)]

mod ids;
mod message;
pub mod methods;
mod quest;
mod request;
mod salt;
mod sign;

pub use ids::{MessageId, RoomId, UserId};
pub use message::{Message, MessageBody, MessageType, NewMessage, Target};
pub use quest::UnsignedQuest;
pub use request::{AnswerReader, Request};
pub use salt::next_salt;
pub use sign::{SIGN_LEN, Signer};
