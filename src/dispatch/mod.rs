//! The way back: from the I/O thread to blocked callers, to `Pending`s and to the user's callbacks.
//!
//! Three rules hold here. An outcome is delivered exactly once, on every path. The I/O thread never runs the user's
//! code and never blocks on it. Replies to blocking calls do not pass through the callback threads, so that a callback
//! may make one.

mod callbacks;
mod completion;
mod hooks;
mod listeners;
mod permits;
mod progress;
mod reply;
mod shared;
mod undelivered;
mod unfinished;

pub use callbacks::{CallbackThreads, Callbacks, Executor};
pub use completion::{Callback, Completion, Route};
pub use hooks::{Event, Hooks, OnClosed, OnConnected};
pub use listeners::{CatchUp, Gap, GapReason, Handler, Listeners, OVERLAP_MS, Progress, Push, Sink, Taken, Work};
pub use permits::{Limits, Permits};
pub use progress::GaveUp;
pub use reply::{CallReply, PendingReply};
pub use shared::Shared;
pub use undelivered::Undelivered;
pub use unfinished::UnfinishedCallbacks;
