//! What Prometheus scrapes from a program that uses the library: names, labels and values.
//!
//! A process has one recorder, so all tests here share it. Each looks only at its own labelled client.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "../examples/metrics/exporter.rs"]
mod exporter;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use rtm_server_sdk::gate::{Fault, Gate};
use rtm_server_sdk::{Client, ClientBuilder, ErrorCode, Listen};

use common::eventually;
use common::fixtures::{self, PID, SECRET, sent_and_timed_out};
use common::watchdog::guarded;

/// The result of a scrape.
struct Scrape(String);

impl Scrape {
    /// Scrapes this process, over HTTP.
    fn take() -> Scrape {
        let mut connection = TcpStream::connect(scrape_address()).unwrap();
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        Scrape(body.to_owned())
    }

    /// Returns the value of the series with this name and exactly these labels, each as `key="value"`, in any order.
    fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let mut wanted = labels.to_vec();
        wanted.sort_unstable();
        self.0.lines().find_map(|line| {
            let (found, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
            let mut found: Vec<&str> = found.split(',').collect();
            found.sort_unstable();
            (found == wanted).then(|| value.parse().unwrap())
        })
    }

    fn has_line(&self, line: &str) -> bool {
        self.0.lines().any(|found| found == line)
    }
}

/// Installs the recorder, once per process. Clients built after this record.
fn scrape_address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        exporter::serve(listener, exporter::install().unwrap()).unwrap();
        address
    })
}

/// A gate, and the client of one test, with the labels of all its metrics.
struct Bench {
    gate: Gate,
    labels: [String; 3],
}

impl Bench {
    fn start() -> Bench {
        scrape_address();
        let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
        let labels = [
            format!(r#"pid="{PID}""#),
            format!(r#"endpoint="{}""#, gate.endpoint()),
            r#"client="under test""#.to_owned(),
        ];
        Bench { gate, labels }
    }

    fn builder(&self) -> ClientBuilder {
        fixtures::builder(self.gate.endpoint()).metrics_label("under test")
    }

    fn value_in(&self, scrape: &Scrape, name: &str, more: &[&str]) -> Option<f64> {
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).chain(more.iter().copied()).collect();
        scrape.value(name, &labels)
    }

    fn value(&self, name: &str, more: &[&str]) -> Option<f64> {
        self.value_in(&Scrape::take(), name, more)
    }

    /// Waits for what the I/O thread publishes once a second.
    fn wait_for(&self, name: &str, value: f64) {
        eventually(&format!("{name} is {value}"), || self.value(name, &[]) == Some(value));
    }
}

#[test]
fn calls_are_counted_by_method_and_outcome_and_timed() {
    guarded(|| {
        let bench = Bench::start();
        let client = bench.builder().build().unwrap();
        for uid in 1..=5 {
            client.add_room_member(42, uid).call().unwrap();
        }
        bench.gate.inject(Fault::answer(ErrorCode::RTM_EC_FREQUENCY_LIMITED, "slow down").on("addroommember").times(1));
        client.add_room_member(42, 6).submit().wait().unwrap_err();
        client.set_room_info(42, None, None).call().unwrap_err();
        bench.gate.inject(Fault::silence().on("getroominfo"));
        client.get_room_info(42).timeout(Duration::from_millis(50)).call().unwrap_err();
        client.quest::<serde_json::Value>("nosuchmethod", &serde_json::json!({})).call().unwrap_err();

        // A caller that gives up may be faster than the I/O thread.
        let timed_out = [r#"method="getroominfo""#, r#"outcome="timeout""#];
        eventually("the timeout is recorded", || bench.value("rtm_calls_total", &timed_out) == Some(1.0));
        // All others were recorded before their caller got the outcome.
        let scrape = Scrape::take();
        let calls = |method: &str, outcome: &str| {
            let (method, outcome) = (format!(r#"method="{method}""#), format!(r#"outcome="{outcome}""#));
            bench.value_in(&scrape, "rtm_calls_total", &[&method, &outcome])
        };
        assert_eq!(calls("addroommember", "ok"), Some(5.0), "{}", scrape.0);
        assert_eq!(calls("addroommember", "refused"), Some(1.0));
        assert_eq!(calls("setroominfo", "invalid_argument"), Some(1.0));
        assert_eq!(calls("other", "refused"), Some(1.0));
        assert_eq!(calls("nosuchmethod", "refused"), None);

        let times =
            |part: &str, more: &[&str]| bench.value_in(&scrape, &format!("rtm_call_duration_seconds_{part}"), more);
        assert_eq!(times("count", &[r#"method="addroommember""#]), Some(6.0));
        assert_eq!(times("bucket", &[r#"method="addroommember""#, r#"le="+Inf""#]), Some(6.0));
        assert_eq!(times("count", &[r#"method="getroominfo""#]), Some(1.0));
        assert!(times("sum", &[r#"method="getroominfo""#]).unwrap() >= 0.05);
        assert_eq!(times("count", &[r#"method="setroominfo""#]), None, "it took no time");
    });
}

#[test]
fn bytes_connections_and_reconnects_are_published() {
    guarded(|| {
        let bench = Bench::start();
        let client = bench.builder().connect().unwrap();
        client.add_room_member(42, 1).call().unwrap();
        bench.wait_for("rtm_connections_open", 1.0);
        bench.wait_for("rtm_bytes_sent_total", client.stats().bytes_out as f64);
        bench.wait_for("rtm_bytes_received_total", client.stats().bytes_in as f64);
        assert_eq!(bench.value("rtm_reconnects_total", &[]), Some(0.0));

        bench.gate.disconnect_all();
        bench.wait_for("rtm_reconnects_total", 1.0);
        bench.wait_for("rtm_connections_total", 2.0);

        bench.gate.inject(Fault::delay(Duration::from_secs(3600)).on("getroominfo"));
        let pending = client.get_room_info(42).submit();
        bench.wait_for("rtm_calls_in_flight", 1.0);
        eventually("the gate has the call", || bench.gate.stats().executed("getroominfo") == 1);
        bench.gate.advance(Duration::from_secs(3600));
        pending.wait().unwrap();
        bench.wait_for("rtm_calls_in_flight", 0.0);
    });
}

#[test]
fn late_answers_are_published() {
    guarded(|| {
        let bench = Bench::start();
        let client = bench.builder().connect().unwrap();
        bench.gate.inject(Fault::delay(Duration::from_secs(3600)).on("getroominfo").times(1));
        sent_and_timed_out(|| client.get_room_info(42).timeout(Duration::from_millis(50)).call());
        eventually("the gate has the call", || bench.gate.stats().executed("getroominfo") == 1);
        bench.gate.advance(Duration::from_secs(3600));
        bench.wait_for("rtm_late_answers_total", 1.0);
    });
}

#[test]
fn pushes_gaps_and_queue_lengths_are_published() {
    guarded(|| {
        let bench = Bench::start();
        let client = bench.builder().build().unwrap();
        let listener = client.listen(Listen::new().all_events()).queue(3).start().unwrap();
        bench.wait_for("rtm_listeners", 1.0);
        for uid in 1..=5 {
            bench.gate.push_event("login", uid);
        }
        bench.wait_for("rtm_listener_queue_length", 3.0);
        bench.wait_for("rtm_pushes_received_total", 5.0);
        bench.wait_for("rtm_pushes_overflowed_total", 2.0);
        for _ in 0..4 {
            listener.recv().unwrap();
        }
        bench.wait_for("rtm_listener_queue_length", 0.0);
        bench.wait_for("rtm_pushes_delivered_total", 3.0);
        bench.wait_for("rtm_gaps_total", 1.0);
        drop(listener);
        bench.wait_for("rtm_listeners", 0.0);
    });
}

#[test]
fn clients_with_the_same_labels_add_up_and_leave_the_gauges_when_they_end() {
    guarded(|| {
        let bench = Bench::start();
        let clients = [(), ()].map(|()| bench.builder().connect().unwrap());
        bench.wait_for("rtm_connections_open", 2.0);
        bench.wait_for("rtm_connections_total", 2.0);
        clients[0].close();
        bench.wait_for("rtm_connections_open", 1.0);
        drop(clients);
        bench.wait_for("rtm_connections_open", 0.0);
        assert_eq!(bench.value("rtm_connections_total", &[]), Some(2.0));
        assert_eq!(bench.value("rtm_reconnects_total", &[]), Some(0.0), "a second client is no reconnect");
    });
}

#[test]
fn client_without_a_label_has_none() {
    guarded(|| {
        let bench = Bench::start();
        let client = Client::new(PID, SECRET, bench.gate.endpoint()).unwrap();
        client.add_room_member(42, 1).call().unwrap();
        let labels = [&bench.labels[0], &bench.labels[1], r#"method="addroommember""#, r#"outcome="ok""#];
        assert_eq!(Scrape::take().value("rtm_calls_total", &labels), Some(1.0));
    });
}

#[test]
fn page_lists_every_metric_with_its_type_and_nothing_else() {
    guarded(|| {
        let bench = Bench::start();
        let client = bench.builder().build().unwrap();
        client.add_room_member(42, 1).call().unwrap();
        bench.wait_for("rtm_connections_open", 1.0);
        let scrape = Scrape::take();
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `rtm_")?.strip_suffix(" |"));
        let mut listed = 0;
        for row in rows {
            let cells: Vec<&str> = row.split(" | ").collect();
            let (name, kind) = (cells[0].split('`').next().unwrap(), cells[1]);
            assert!(scrape.has_line(&format!("# TYPE rtm_{name} {kind}")), "rtm_{name} is no {kind}:\n{}", scrape.0);
            assert!(scrape.0.contains(&format!("# HELP rtm_{name} ")), "rtm_{name} is not described");
            listed += 1;
        }
        let published = scrape.0.lines().filter(|line| line.starts_with("# TYPE rtm_")).count();
        assert_eq!(listed, published);
    });
}
