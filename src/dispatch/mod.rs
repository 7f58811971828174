//! The way back: from the I/O thread to blocked callers, to `Pending`s and to the user's callbacks.
//!
//! Three rules hold here. An outcome is delivered exactly once, on every path. The I/O thread never runs the user's
//! code and never blocks on it. Replies to blocking calls do not pass through the callback threads, so that a callback
//! may make one.

mod admission;
mod completion;
mod hooks;
mod pool;
mod reply;

pub use admission::Admission;
pub use completion::{Completion, Patience, Route};
pub use hooks::{Event, Hooks, OnClosed, OnConnected};
pub use pool::{CallbackThreads, Callbacks, Executor, is_inside_callback};
pub use reply::ReplyChannel;

use std::sync::Arc;

use crate::engine::Counters;

/// What every call of a client needs on its way out and back.
pub struct Shared {
    pub admission: Admission,
    pub counters: Arc<Counters>,
    pub callbacks: Callbacks,
}
