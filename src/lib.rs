//! A blocking client for the RTM Room API.

mod code;
mod config;
mod dispatch;
mod engine;
pub mod error;
#[cfg(not(feature = "unstable-internals"))]
mod proto;
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod proto;

pub use code::ErrorCode;
pub use config::{KeepAlive, ReconnectPolicy};
pub use error::Error;
