//! Counts calls by method and outcome, and times them. The thread that delivers the outcome records it: the I/O thread,
//! or the caller's if the call does not get that far.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, IntoF64, Label, Unit};

use super::ClientLabels;
use super::labels::is_recorded;
use crate::config::bounded;
use crate::dispatch::call_outcome::CallOutcome;
use crate::rtm::methods::NAMES;

const CALLS: &str = "rtm_calls_total";
const DURATION: &str = "rtm_call_duration_seconds";
/// The label for methods that the library has no function for. Names are free text, but labels must be few.
const OTHER: &str = "other";
const OUTCOMES: usize = CallOutcome::Closed as usize + 1;

/// The metrics of one client's calls.
#[derive(Debug)]
pub(crate) struct CallMetrics(Option<Box<Recorded>>);

/// The metrics, if there is a recorder.
#[derive(Debug)]
struct Recorded {
    pid: i32,
    endpoint: String,
    client: Option<String>,
    /// The time that timers count from, so that they are small.
    origin: Instant,
    /// In the order of [`NAMES`]. The last one counts all other methods.
    methods: [MethodMetrics; NAMES.len() + 1],
}

/// The metrics of one method, each registered on first use.
#[derive(Debug, Default)]
struct MethodMetrics {
    calls: [OnceLock<Counter>; OUTCOMES],
    duration: OnceLock<Histogram>,
}

/// The index of a method's metrics, if there is a recorder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodLabel(Option<u8>);

/// A call's method and start, if there is a recorder. Takes only eight bytes, because tens of thousands of calls may be
/// in flight: the index of the method, counted from 1, and below [`METHOD_SHIFT`] the microseconds since the origin.
#[derive(Debug)]
pub(crate) struct CallTimer(Option<NonZeroU64>);

/// Leaves enough bits for 2,000 years of microseconds.
const METHOD_SHIFT: u32 = 56;

impl CallMetrics {
    pub(crate) fn new(labels: &ClientLabels<'_>) -> CallMetrics {
        if !is_recorded(&metrics::gauge!("rtm_calls_in_flight", labels.with([]))) {
            return CallMetrics(None);
        }
        metrics::describe_counter!(CALLS, Unit::Count, "Calls that have ended, by method and outcome.");
        metrics::describe_histogram!(DURATION, Unit::Seconds, "The time from making a call to its outcome.");
        CallMetrics(Some(Box::new(Recorded {
            pid: labels.pid,
            endpoint: labels.endpoint.to_owned(),
            client: labels.client.map(str::to_owned),
            origin: Instant::now(),
            methods: std::array::from_fn(|_| MethodMetrics::default()),
        })))
    }

    /// Finds the index of a method.
    pub(crate) fn method_label(&self, method: &str) -> MethodLabel {
        MethodLabel(self.0.as_ref().map(|_| NAMES.binary_search(&method).unwrap_or(NAMES.len()) as u8))
    }

    /// Starts timing a call of `method` that times out at `deadline`, after `timeout`. These determine its start, so
    /// there is no need to read the clock.
    pub(crate) fn start(&self, method: MethodLabel, deadline: Instant, timeout: Duration) -> CallTimer {
        let (Some(recorded), MethodLabel(Some(method))) = (&self.0, method) else { return CallTimer::NONE };
        let left = deadline.saturating_duration_since(recorded.origin);
        CallTimer::new(method, left.saturating_sub(bounded(timeout)))
    }

    /// Records a call that has just ended.
    pub(crate) fn record(&self, timer: CallTimer, outcome: CallOutcome) {
        let (Some(recorded), Some((method, started))) = (&self.0, timer.read()) else { return };
        let MethodMetrics { calls, duration } = &recorded.methods[method];
        calls[outcome as usize].get_or_init(|| recorded.register_calls(method, outcome)).increment(1);
        if outcome.has_duration() {
            duration
                .get_or_init(|| recorded.register_duration(method))
                .record(Elapsed { origin: recorded.origin, started });
        }
    }
}

impl Recorded {
    fn register_calls(&self, method: usize, outcome: CallOutcome) -> Counter {
        let labels = [method_name(method), Label::from_static_parts("outcome", outcome.label())];
        metrics::counter!(CALLS, self.labels().with(labels))
    }

    fn register_duration(&self, method: usize) -> Histogram {
        metrics::histogram!(DURATION, self.labels().with([method_name(method)]))
    }

    fn labels(&self) -> ClientLabels<'_> {
        ClientLabels { pid: self.pid, endpoint: &self.endpoint, client: self.client.as_deref() }
    }
}

fn method_name(method: usize) -> Label {
    Label::from_static_parts("method", NAMES.get(method).copied().unwrap_or(OTHER))
}

impl CallTimer {
    /// The timer of a call that is not recorded.
    pub(crate) const NONE: CallTimer = CallTimer(None);

    /// Creates a timer for a call that started this long after the origin.
    fn new(method: u8, started: Duration) -> CallTimer {
        let micros = started.as_micros() as u64 & ((1 << METHOD_SHIFT) - 1);
        CallTimer(NonZeroU64::new(((u64::from(method) + 1) << METHOD_SHIFT) | micros))
    }

    /// Returns the method's index, and how long after the origin the call started.
    fn read(self) -> Option<(usize, Duration)> {
        let packed = self.0?.get();
        let method = (packed >> METHOD_SHIFT) as usize - 1;
        Some((method, Duration::from_micros(packed & ((1 << METHOD_SHIFT) - 1))))
    }
}

impl CallOutcome {
    /// The value of the label `outcome`.
    fn label(self) -> &'static str {
        match self {
            CallOutcome::Answered => "ok",
            CallOutcome::Refused => "refused",
            CallOutcome::TimedOut => "timeout",
            CallOutcome::ConnectionClosed => "connection_closed",
            CallOutcome::NotConnected => "not_connected",
            CallOutcome::QueueFull => "queue_full",
            CallOutcome::InvalidArgument => "invalid_argument",
            CallOutcome::Closed => "closed",
        }
    }

    /// Whether the call's duration says something about the server. A call that was rejected locally takes no time, and
    /// would make an outage look fast.
    fn has_duration(self) -> bool {
        use CallOutcome::{Answered, ConnectionClosed, Refused, TimedOut};
        matches!(self, Answered | Refused | TimedOut | ConnectionClosed)
    }
}

/// The duration of a call, in seconds. Reads the clock only when a recorder asks for the value.
struct Elapsed {
    origin: Instant,
    started: Duration,
}

impl IntoF64 for Elapsed {
    fn into_f64(self) -> f64 {
        self.origin.elapsed().saturating_sub(self.started).as_secs_f64()
    }
}

#[cfg(test)]
mod tests;
