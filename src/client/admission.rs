//! Admits a call: acquires its permits, signs it, and adds it to the I/O thread's queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Inner;
use crate::dispatch::{Completion, MethodLabel, Route, Shared};
use crate::engine::NewCall;
use crate::error::{ArgumentError, Error};
use crate::net::Command;
use crate::rtm::{Request, UnsignedQuest, next_salt};

/// The options of one call, and its label for metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallOptions {
    pub timeout: Duration,
    pub wait_for_ready: bool,
    label: MethodLabel,
}

impl CallOptions {
    /// Returns the client's own options.
    pub(super) fn new<T>(inner: &Inner, request: &Request<T>) -> CallOptions {
        let label = inner.shared.call_metrics.method_label(request.answer.method());
        CallOptions { timeout: inner.quest_timeout, wait_for_ready: inner.wait_for_ready, label }
    }
}

/// A call that has its permits and can be sent.
pub(super) struct Admitted {
    quest: UnsignedQuest,
    options: CallOptions,
    deadline: Instant,
    pub completion: Completion,
}

/// Submits a call. `route` gets the outcome, also if it cannot be sent.
pub(super) fn make(
    inner: &Inner,
    quest: Result<UnsignedQuest, ArgumentError>,
    options: CallOptions,
    deadline: Instant,
    route: Route,
) {
    if let Some(admitted) = admit(&inner.shared, quest, options, deadline, route) {
        admitted.send(inner);
    }
}

/// Acquires the permits of a call. On failure, `route` gets the outcome.
pub(super) fn admit(
    shared: &Arc<Shared>,
    quest: Result<UnsignedQuest, ArgumentError>,
    options: CallOptions,
    deadline: Instant,
    route: Route,
) -> Option<Admitted> {
    let timer = shared.call_metrics.start(options.label, deadline, options.timeout);
    let mut completion = Completion::new(Arc::clone(shared), route, timer);
    let admitted = quest.map_err(Error::from).and_then(|quest| {
        completion.acquire_permits(quest.frame_len(), deadline, options.timeout)?;
        Ok(quest)
    });
    match admitted {
        Ok(quest) => Some(Admitted { quest, options, deadline, completion }),
        Err(error) => {
            completion.complete(Err(error));
            None
        }
    }
}

impl Admitted {
    /// Signs the call and passes it to the I/O thread.
    pub(super) fn send(self, inner: &Inner) {
        let Admitted { quest, options, deadline, completion } = self;
        let CallOptions { timeout, wait_for_ready, .. } = options;
        let frame = quest.sign(&inner.signer, next_salt(), inner.shared.clock.unix_time());
        let call = NewCall { frame, deadline, timeout, wait_for_ready, token: completion };
        if let Err(Command::Call(call)) = inner.io_thread.send(Command::Call(call)) {
            call.token.complete(Err(Error::closed(false)));
        }
    }
}
