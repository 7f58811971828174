//! Connects callers with the I/O thread: permits on the way in, outcomes and pushes on the way back.
//!
//! - A call acquires a permit (`permits`) and has a `Completion`, which returns its outcome: to a waiting thread
//!   (`reply`), or as a job (`callback`) to the callback threads (`callback_threads`).
//! - `progress` settles whether a call is sent whose caller gives up. `undelivered` counts the answers that nobody has
//!   taken yet, `unfinished` the callbacks that have not finished.
//! - `listeners` route pushes, `hooks` report connections, `metrics` record calls and publish counters.
//!
//! Three rules hold here. An outcome is delivered exactly once, on every path. The I/O thread never runs the user's
//! code and never blocks on it. Replies to blocking calls do not pass through the callback threads, so a callback may
//! make blocking calls.

mod call_outcome;
mod callback;
mod callback_threads;
mod completion;
mod hooks;
mod listeners;
mod metrics;
mod permits;
mod poll_record;
mod progress;
mod reply;
mod server_clock;
mod shared;
mod undelivered;
mod unfinished;

pub(crate) use callback::Callback;
pub(crate) use callback_threads::{CallbackThreads, Callbacks, Executor, Job};
pub(crate) use completion::{Completion, Route};
pub(crate) use hooks::{Event, Hooks, OnClosed, OnConnected};
#[cfg(feature = "unstable-internals")]
pub use listeners::internals as listeners_internals;
pub use listeners::{Gap, GapReason, Push};
pub(crate) use listeners::{Handler, Listeners, PageOutcome, Queue, Ready, Sink, Taken, retry_delay};
pub(crate) use metrics::{CallMetrics, ClientLabels, MethodLabel, Sampler};
pub(crate) use permits::{Limits, Permits};
pub(crate) use poll_record::PollRecord;
pub(crate) use progress::GaveUp;
pub(crate) use reply::{CallReply, PendingReply};
pub(crate) use server_clock::ServerClock;
pub(crate) use shared::{ClientState, Shared};
pub(crate) use undelivered::Undelivered;
