//! A machine with a wrong clock: the log reports it once, with the difference. In its own process, because loggers are
//! global.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Mutex;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use rtm_server_sdk::Retry;
use rtm_server_sdk::gate::Gate;

use common::fixtures::{self, PID, SECRET};
use common::watchdog::guarded;

/// What was logged at `warn` or above, except by the gate.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && !metadata.target().contains("gate")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn operator_is_warned_once_of_a_wrong_clock_and_its_deviation() {
    guarded(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(LevelFilter::Trace);
        let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
        let client = fixtures::client(gate.endpoint());
        for _ in 0..3 {
            gate.advance(Duration::from_secs(90));
            assert_eq!(client.get_room_info(42).call().unwrap_err().retry(), Retry::Now);
            client.get_room_info(42).call().unwrap();
        }
        let warnings = WARNINGS.lock().unwrap();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        let figure = warning.split_once("this machine's clock is ").and_then(|(_, rest)| rest.split_once(" s behind"));
        let seconds: f64 = figure.unwrap_or_else(|| panic!("{warning}")).0.parse().unwrap();
        // Less by the time that the server's answer took.
        assert!((60.0..91.0).contains(&seconds), "{warning}");
    });
}
