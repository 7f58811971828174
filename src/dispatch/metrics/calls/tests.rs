use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

const LABELS: ClientLabels<'static> = ClientLabels { pid: 7, endpoint: "localhost:1", client: None };
const ALL: [CallOutcome; OUTCOMES] = [
    CallOutcome::Answered,
    CallOutcome::Refused,
    CallOutcome::TimedOut,
    CallOutcome::ConnectionClosed,
    CallOutcome::NotConnected,
    CallOutcome::QueueFull,
    CallOutcome::InvalidArgument,
    CallOutcome::Closed,
];

/// Renders the metrics after `calls`, each a method and an outcome, and all made when the client was built.
fn rendered(calls: &[(&str, CallOutcome)]) -> Vec<String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let metrics = CallMetrics::new(&LABELS);
        for (method, outcome) in calls {
            metrics.record(CallTimer::new(metrics.method_label(method).0.unwrap(), Duration::ZERO), *outcome);
        }
    });
    recorder.handle().render().lines().map(str::to_owned).collect()
}

fn series(name: &str, labels: &str) -> String {
    format!(r#"{name}{{pid="7",endpoint="localhost:1",{labels}}}"#)
}

#[test]
fn without_a_recorder_no_call_is_timed() {
    let metrics = CallMetrics::new(&LABELS);
    let label = metrics.method_label("getroominfo");
    assert!(metrics.0.is_none() && label.0.is_none());
    assert!(metrics.start(label, Instant::now(), Duration::from_secs(1)).read().is_none());
}

#[test]
fn call_is_timed_from_its_start() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = metrics::with_local_recorder(&recorder, || CallMetrics::new(&LABELS));
    let origin = metrics.0.as_ref().unwrap().origin;
    for (method, seconds) in [(NAMES[0], 3), ("other", 100_000_000)] {
        let made = Duration::from_secs(seconds);
        let timeout = Duration::from_secs(30);
        let timer = metrics.start(metrics.method_label(method), origin + made + timeout, timeout);
        let place = NAMES.iter().position(|name| *name == method).unwrap_or(NAMES.len());
        assert_eq!(timer.read(), Some((place, made)));
    }
    assert_eq!(size_of::<CallTimer>(), 8);
}

#[test]
fn calls_are_counted_by_method_and_outcome() {
    let lines = rendered(&ALL.map(|outcome| ("getroominfo", outcome)));
    for outcome in ALL {
        let labels = format!(r#"method="getroominfo",outcome="{}""#, outcome.label());
        let line = format!("{} 1", series("rtm_calls_total", &labels));
        assert!(lines.contains(&line), "{line}\n{lines:#?}");
    }
    assert!(lines.contains(&"# TYPE rtm_calls_total counter".to_owned()), "{lines:#?}");
}

#[test]
fn only_calls_that_reached_the_server_or_timed_out_have_durations() {
    let lines = rendered(&ALL.map(|outcome| ("getroominfo", outcome)));
    let value = |name: &str| {
        let prefix = series(name, r#"method="getroominfo""#) + " ";
        lines.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("rtm_call_duration_seconds_count"), 4.0);
    assert!(value("rtm_call_duration_seconds_sum") > 0.0, "{lines:#?}");
}

#[test]
fn methods_without_a_function_share_one_label() {
    let lines = rendered(&["anything", "", "\"\n", "addroommember"].map(|method| (method, CallOutcome::Answered)));
    let line = |labels, count| format!("{} {count}", series("rtm_calls_total", labels));
    assert!(lines.contains(&line(r#"method="other",outcome="ok""#, 3)), "{lines:#?}");
    assert!(lines.contains(&line(r#"method="addroommember",outcome="ok""#, 1)), "{lines:#?}");
}
