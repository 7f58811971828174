//! What every call of a client needs on its way out and back.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::callbacks::Callbacks;
use super::clock::ServerClock;
use super::listeners::Listeners;
use super::metrics::CallMetrics;
use super::permits::Permits;
use super::undelivered::Undelivered;
use super::unfinished::UnfinishedCallbacks;
use crate::engine::Counters;
use crate::error::Stage;

/// The state that the callers, the I/O thread and every call under way share.
pub(crate) struct Shared {
    pub state: Arc<ClientState>,
    pub call_metrics: CallMetrics,
    pub callbacks: Callbacks,
    pub listeners: Arc<Listeners>,
    pub undelivered: Arc<Undelivered>,
    /// What calls are signed with, wherever they are signed.
    pub clock: ServerClock,
}

/// The part of [`Shared`] that a `Pending` or a callback needs when the client may be long gone. It keeps no thread alive.
pub(crate) struct ClientState {
    pub permits: CachePadded<Permits>,
    pub unfinished_callbacks: CachePadded<UnfinishedCallbacks>,
    pub counters: Arc<Counters>,
    /// What calls that were not sent are waiting for now.
    pub unsent_stage: Mutex<Stage>,
}
