//! The state that every call of a client needs.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::callback_threads::Callbacks;
use super::listeners::Listeners;
use super::metrics::CallMetrics;
use super::permits::Permits;
use super::server_clock::ServerClock;
use super::undelivered::Undelivered;
use super::unfinished::UnfinishedCallbacks;
use crate::engine::Counters;
use crate::error::Stage;

/// The state shared by callers, the I/O thread and every call in flight.
pub(crate) struct Shared {
    pub state: Arc<ClientState>,
    pub call_metrics: CallMetrics,
    pub callbacks: Callbacks,
    pub listeners: Arc<Listeners>,
    pub undelivered: Arc<Undelivered>,
    /// The clock that calls are signed with.
    pub clock: ServerClock,
}

/// The part of [`Shared`] that a `Pending` or a callback may need long after the client is gone. It keeps no thread
/// alive.
pub(crate) struct ClientState {
    pub permits: CachePadded<Permits>,
    pub unfinished_callbacks: CachePadded<UnfinishedCallbacks>,
    pub counters: Arc<Counters>,
    /// What unsent calls are waiting for at the moment.
    pub unsent_stage: Mutex<Stage>,
}
