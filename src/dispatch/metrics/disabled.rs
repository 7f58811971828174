//! Call metrics without the feature `metrics`: nothing is recorded.

use std::time::{Duration, Instant};

use super::ClientLabels;
use crate::dispatch::call_outcome::CallOutcome;

#[derive(Debug)]
pub(crate) struct CallMetrics;

#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodLabel;

#[derive(Debug)]
pub(crate) struct CallTimer;

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
