//! A blocking client for the RTM Room API.

mod client;
mod code;
mod config;
mod dispatch;
mod engine;
pub mod error;
#[cfg(feature = "gate")]
pub mod gate;
mod net;
#[cfg(not(feature = "unstable-internals"))]
mod proto;
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod proto;

pub use client::{Call, Client, ClientBuilder, Pending, RoomId, RoomInfo, UserId};
pub use code::ErrorCode;
pub use config::{KeepAlive, ReconnectPolicy};
pub use engine::{ConnectionInfo, Stats};
pub use error::{AnswerError, Error};
#[cfg(feature = "encryption")]
pub use proto::{CipherMode, Encryption, KeyBits};
