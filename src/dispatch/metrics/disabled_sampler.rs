//! The sampler without the feature `metrics`: nothing is sampled.

use std::time::Instant;

use super::ClientLabels;
use crate::dispatch::shared::Shared;

#[derive(Debug)]
pub(crate) struct Sampler;

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
