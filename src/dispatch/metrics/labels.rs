//! The labels of all metrics of a client, and the check for a recorder.

use std::cell::Cell;

use metrics::{Gauge, IntoF64, Label};

use super::ClientLabels;

impl ClientLabels<'_> {
    /// Returns the labels for a metric that has `more` labels of its own.
    pub(super) fn with(&self, more: impl IntoIterator<Item = Label>) -> Vec<Label> {
        let pid = Label::new("pid", self.pid.to_string());
        let endpoint = Label::new("endpoint", self.endpoint.to_owned());
        let client = self.client.map(|client| Label::new("client", client.to_owned()));
        [pid, endpoint].into_iter().chain(client).chain(more).collect()
    }
}

/// Whether there is a recorder behind this gauge. The facade does not say, but it converts a value only if there is
/// one.
pub(super) fn is_recorded(gauge: &Gauge) -> bool {
    let was_asked = Cell::new(false);
    gauge.increment(Probe(&was_asked));
    was_asked.get()
}

struct Probe<'a>(&'a Cell<bool>);

impl IntoF64 for Probe<'_> {
    fn into_f64(self) -> f64 {
        self.0.set(true);
        0.0
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn recorder_is_detected() {
        let gauge = || is_recorded(&metrics::gauge!("rtm_calls_in_flight"));
        assert!(!gauge());
        let recorder = PrometheusBuilder::new().build_recorder();
        assert!(metrics::with_local_recorder(&recorder, gauge));
        assert!(!gauge());
    }

    #[test]
    fn client_without_a_name_has_no_label_for_it() {
        let labels = ClientLabels { pid: 7, endpoint: "localhost:1", client: None };
        let keys = |labels: Vec<Label>| labels.iter().map(|label| label.key().to_owned()).collect::<Vec<_>>();
        assert_eq!(keys(labels.with([])), ["pid", "endpoint"]);
        let labels = ClientLabels { client: Some("batch"), ..labels };
        assert_eq!(keys(labels.with([Label::new("method", "x")])), ["pid", "endpoint", "client", "method"]);
    }
}
