//! Publishes the counters of `Client::stats` and the levels of queues, once a second on the I/O thread.
//!
//! Clients with the same labels share their metrics. So each client adds its own changes, and subtracts its share from
//! the gauges when it ends.

use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Unit};

use super::ClientLabels;
use super::labels::is_recorded;
use crate::dispatch::shared::Shared;
use crate::engine::Stats;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// A metric: its name, its unit, its description, and how to read its value.
type Spec<S> = (&'static str, Unit, &'static str, fn(&S) -> u64);

const COUNTERS: [Spec<Stats>; 13] = [
    ("rtm_bytes_received_total", Unit::Bytes, "Bytes received.", |stats| stats.bytes_in),
    ("rtm_bytes_sent_total", Unit::Bytes, "Bytes sent.", |stats| stats.bytes_out),
    ("rtm_connections_total", Unit::Count, "Connections made.", |stats| stats.connections),
    ("rtm_reconnects_total", Unit::Count, "Connections made after a client's first.", |stats| {
        stats.connections.saturating_sub(1)
    }),
    ("rtm_connect_failures_total", Unit::Count, "Attempts to connect that failed.", |stats| stats.connect_failures),
    ("rtm_late_answers_total", Unit::Count, "Answers that came after their call had ended.", |stats| {
        stats.late_answers
    }),
    ("rtm_undecodable_answers_total", Unit::Count, "Answers that could not be decoded.", |stats| stats.undecodable),
    ("rtm_server_quests_total", Unit::Count, "Quests that the server sent.", |stats| stats.quests_from_server),
    ("rtm_pushes_received_total", Unit::Count, "Pushes that arrived while there was a listener.", |stats| {
        stats.pushes_received
    }),
    ("rtm_pushes_duplicate_total", Unit::Count, "Messages that were pushed again and dropped.", |stats| {
        stats.pushes_duplicate
    }),
    ("rtm_pushes_delivered_total", Unit::Count, "Messages and events that listeners took.", |stats| {
        stats.pushes_delivered
    }),
    ("rtm_pushes_overflowed_total", Unit::Count, "Messages and events that did not fit a listener's queue.", |stats| {
        stats.pushes_overflowed
    }),
    ("rtm_gaps_total", Unit::Count, "Gaps that listeners took.", |stats| stats.gaps),
];

const GAUGES: [Spec<Levels>; 7] = [
    ("rtm_calls_in_flight", Unit::Count, "Calls without an outcome yet.", |levels| levels.in_flight),
    ("rtm_callbacks_waiting", Unit::Count, "Calls whose callback has not begun.", |levels| levels.callbacks),
    ("rtm_unsent_bytes", Unit::Bytes, "Bytes of calls that wait to be sent.", |levels| levels.unsent_bytes),
    ("rtm_undelivered_bytes", Unit::Bytes, "Bytes of answers that nobody has taken yet.", |levels| {
        levels.undelivered_bytes
    }),
    ("rtm_connections_open", Unit::Count, "Connections that carry calls now.", |levels| levels.connected),
    ("rtm_listeners", Unit::Count, "Listeners.", |levels| levels.listeners),
    ("rtm_listener_queue_length", Unit::Count, "Pushes that wait in the queues of all listeners.", |levels| {
        levels.queued_pushes
    }),
];

/// The levels of queues and limits.
#[derive(Debug, Default)]
struct Levels {
    in_flight: u64,
    callbacks: u64,
    unsent_bytes: u64,
    undelivered_bytes: u64,
    connected: u64,
    listeners: u64,
    queued_pushes: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Sampler(Option<Box<Recorded>>);

/// The metrics, if there is a recorder.
#[derive(Debug)]
struct Recorded {
    counters: [Published<Counter>; COUNTERS.len()],
    gauges: [Published<Gauge>; GAUGES.len()],
    /// `None` before the first sample.
    next: Option<Instant>,
}

/// A metric, and this client's part of its value.
#[derive(Debug)]
struct Published<M> {
    metric: M,
    share: u64,
}

impl Sampler {
    pub(crate) fn new(labels: &ClientLabels<'_>) -> Sampler {
        if !is_recorded(&metrics::gauge!(GAUGES[0].0, labels.with([]))) {
            return Sampler(None);
        }
        let counters = COUNTERS.map(|(name, unit, meaning, _)| {
            metrics::describe_counter!(name, unit, meaning);
            Published { metric: metrics::counter!(name, labels.with([])), share: 0 }
        });
        let gauges = GAUGES.map(|(name, unit, meaning, _)| {
            metrics::describe_gauge!(name, unit, meaning);
            Published { metric: metrics::gauge!(name, labels.with([])), share: 0 }
        });
        Sampler(Some(Box::new(Recorded { counters, gauges, next: None })))
    }

    /// When [`publish`](Sampler::publish) next has something to do.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|recorded| recorded.next)
    }

    /// Publishes changes if a sample is due.
    pub(crate) fn publish(&mut self, now: Instant, shared: &Shared, is_connected: bool) {
        let Some(recorded) = &mut self.0 else { return };
        if recorded.next.is_none_or(|next| next <= now) {
            recorded.next = Some(now + INTERVAL);
            recorded.publish(&shared.state.counters.read(0), &Levels::read(shared, is_connected));
        }
    }

    /// Publishes the counters a last time, and removes the client's share from the gauges.
    pub(crate) fn finish(self, shared: &Shared) {
        if let Some(mut recorded) = self.0 {
            recorded.publish(&shared.state.counters.read(0), &Levels::default());
        }
    }
}

impl Recorded {
    fn publish(&mut self, stats: &Stats, levels: &Levels) {
        for (Published { metric, share }, (.., read)) in self.counters.iter_mut().zip(&COUNTERS) {
            let value = read(stats);
            if value > *share {
                metric.increment(value - *share);
                *share = value;
            }
        }
        for (Published { metric, share }, (.., read)) in self.gauges.iter_mut().zip(&GAUGES) {
            let value = read(levels);
            if value != *share {
                metric.increment(value as f64 - *share as f64);
                *share = value;
            }
        }
    }
}

impl Levels {
    fn read(shared: &Shared, is_connected: bool) -> Levels {
        let permits = shared.state.permits.in_use();
        let (listeners, queued_pushes) = shared.listeners.queue_lengths();
        Levels {
            in_flight: permits.in_flight as u64,
            callbacks: permits.callbacks as u64,
            unsent_bytes: permits.unsent_bytes as u64,
            undelivered_bytes: shared.undelivered.bytes() as u64,
            connected: is_connected.into(),
            listeners: listeners as u64,
            queued_pushes: queued_pushes as u64,
        }
    }
}
