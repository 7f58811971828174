//! RTM over FPNN: signed quests, and the methods with their answers. Like the layer below, it only handles bytes in
//! memory.

#![cfg_attr(
    not(feature = "gate"),
    allow(dead_code, unused_imports, reason = "parts of this layer serve the gate alone")
)]

mod ids;
mod message;
pub mod methods;
mod push;
mod quest;
mod request;
mod salt;
mod sign;

pub use ids::{MessageId, RoomId, UserId};
pub use message::{Message, MessageBody, MessageType, NewMessage, Target};
pub(crate) use message::{read_attrs, read_body, read_mtype};
#[cfg(test)]
pub use push::EventRef;
pub use push::{Event, MessageRef, PushList, PushMethod, PushParts, PushRef};
pub use quest::UnsignedQuest;
pub use request::{AnswerReader, Request};
#[cfg(test)]
pub use salt::pretend_to_be_forked;
pub use salt::{next_salt, renew_after_fork};
pub use sign::{SIGN_LEN, Signer};
