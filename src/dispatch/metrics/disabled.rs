//! The metrics of a library without the feature `metrics`: nothing.

use std::time::{Duration, Instant};

use super::ClientLabels;
use crate::dispatch::call_outcome::CallOutcome;
use crate::dispatch::shared::Shared;

#[derive(Debug)]
pub(crate) struct CallMetrics;

#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodLabel;

#[derive(Debug)]
pub(crate) struct CallTimer;

#[derive(Debug)]
pub(crate) struct Sampler;

impl CallMetrics {
    pub(crate) fn new(_: &ClientLabels<'_>) -> CallMetrics {
        CallMetrics
    }

    pub(crate) fn method_label(&self, _: &str) -> MethodLabel {
        MethodLabel
    }

    pub(crate) fn start(&self, _: MethodLabel, _: Instant, _: Duration) -> CallTimer {
        CallTimer
    }

    pub(crate) fn record(&self, _: CallTimer, _: CallOutcome) {}
}

impl CallTimer {
    pub(crate) const NONE: CallTimer = CallTimer;
}

impl Sampler {
    pub(crate) fn new(_: &ClientLabels<'_>) -> Sampler {
        Sampler
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        None
    }

    pub(crate) fn publish(&mut self, _: Instant, _: &Shared, _: bool) {}

    pub(crate) fn finish(self, _: &Shared) {}
}
