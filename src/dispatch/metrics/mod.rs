//! A client's metrics, through the facade `metrics` (feature `metrics`). `docs/metrics.md` lists them.
//!
//! Calls are recorded when they have an outcome; the I/O thread samples everything else. A client built without a
//! recorder records nothing, reads no clock and allocates nothing for metrics. Without the feature, the same types are
//! empty, so no other code has to check for it.

#[cfg(feature = "metrics")]
mod calls;
#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(not(feature = "metrics"))]
mod disabled_sampler;
#[cfg(feature = "metrics")]
mod labels;
#[cfg(feature = "metrics")]
mod sampler;

#[cfg(feature = "metrics")]
pub(crate) use calls::{CallMetrics, CallTimer, MethodLabel};
#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::{CallMetrics, CallTimer, MethodLabel};
#[cfg(not(feature = "metrics"))]
pub(crate) use disabled_sampler::Sampler;
#[cfg(feature = "metrics")]
pub(crate) use sampler::Sampler;

/// What distinguishes a client's metrics from those of other clients in the same process.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "nothing is labelled without metrics"))]
pub(crate) struct ClientLabels<'a> {
    pub(crate) pid: i32,
    pub(crate) endpoint: &'a str,
    /// `ClientBuilder::metrics_label`.
    pub(crate) client: Option<&'a str>,
}
