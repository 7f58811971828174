//! Delivers outcomes: from the I/O thread to blocked callers, to `Pending`s and to the user's callbacks.
//!
//! Three rules hold here. An outcome is delivered exactly once, on every path. The I/O thread never runs the user's
//! code and never blocks on it. Replies to blocking calls do not pass through the callback threads, so a callback may
//! make blocking calls.

mod call_outcome;
mod callbacks;
mod clock;
mod completion;
mod hooks;
mod listeners;
mod metrics;
mod permits;
mod progress;
mod reply;
mod shared;
mod undelivered;
mod unfinished;

pub(crate) use callbacks::{CallbackThreads, Callbacks, Executor, Job};
pub(crate) use clock::ServerClock;
pub(crate) use completion::{Callback, Completion, Route};
pub(crate) use hooks::{Event, Hooks, OnClosed, OnConnected};
#[cfg(feature = "unstable-internals")]
pub use listeners::internals as listeners_internals;
pub use listeners::{Gap, GapReason, Push};
pub(crate) use listeners::{Handler, Listeners, PageOutcome, Queue, Ready, Sink, Taken, retry_delay};
pub(crate) use metrics::{CallMetrics, ClientLabels, MethodLabel, Sampler};
pub(crate) use permits::{Limits, Permits};
pub(crate) use progress::GaveUp;
pub(crate) use reply::{CallReply, PendingReply};
pub(crate) use shared::{ClientState, Shared};
pub(crate) use undelivered::Undelivered;
