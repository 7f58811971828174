//! The parts of a client, made of its settings.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::ClientBuilder;
use crate::dispatch::{
    CallMetrics, Callbacks, ClientLabels, ClientState, Limits, Listeners, Permits, ServerClock, Shared, Undelivered,
};
use crate::engine::{Counters, Settings};
use crate::error::Stage;

impl ClientBuilder {
    /// The labels of the client's metrics.
    pub(super) fn labels(&self) -> ClientLabels<'_> {
        ClientLabels { pid: self.pid, endpoint: &self.endpoint, client: self.metrics_label.as_deref() }
    }

    /// What the callers, the I/O thread and every call share.
    pub(super) fn shared(&self, callbacks: Callbacks) -> Shared {
        let counters = Arc::new(Counters::default());
        let listeners = Arc::new(Listeners::new(Arc::clone(&counters)));
        let limits = Limits { calls: self.max_in_flight, unsent_bytes: self.max_unsent };
        let state = ClientState {
            permits: Permits::new(limits).into(),
            unfinished_callbacks: CachePadded::default(),
            counters,
            unsent_stage: Mutex::new(Stage::Connecting),
        };
        Shared {
            state: Arc::new(state),
            call_metrics: CallMetrics::new(&self.labels()),
            callbacks,
            listeners,
            undelivered: Arc::new(Undelivered::new(self.max_undelivered)),
            clock: ServerClock::default(),
        }
    }

    /// What the engine is told of the settings.
    pub(super) fn engine_settings(&self) -> Settings {
        Settings {
            endpoint: self.endpoint.as_str().into(),
            connect_timeout: self.connect_timeout,
            auto_connect: self.auto_connect,
            reconnect: self.reconnect.clone(),
            keep_alive: self.keep_alive.clone(),
            correct_clock: self.correct_clock,
            max_payload: self.max_payload,
            max_rate: self.max_rate,
            #[cfg(feature = "encryption")]
            encryption: self.encryption.clone(),
        }
    }
}
