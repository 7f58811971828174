//! Serves the metrics of this process to Prometheus over HTTP, on its own threads, without an async runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// The upper bounds of the buckets of call durations, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Requests that take longer than this are aborted.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request that is read completely, in bytes.
const LONGEST_REQUEST: u64 = 16 * 1024;
/// How often durations that nobody has scraped are sorted into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder. Clients that are built from now on record to it.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let duration = Matcher::Full("rtm_call_duration_seconds".into());
    PrometheusBuilder::new().set_buckets_for_metric(duration, &BUCKETS)?.install_recorder()
}

/// Serves the recorded metrics, under any path, as long as the process runs.
pub fn serve(listener: TcpListener, metrics: PrometheusHandle) -> io::Result<()> {
    let recorded = metrics.clone();
    let tidy = move || {
        loop {
            thread::sleep(UPKEEP);
            recorded.run_upkeep();
        }
    };
    let answer_all = move || {
        for connection in listener.incoming() {
            if let Err(error) = connection.and_then(|connection| answer(&connection, &metrics)) {
                eprintln!("a scrape failed: {error}");
            }
        }
    };
    thread::Builder::new().name("metrics-upkeep".into()).spawn(tidy)?;
    thread::Builder::new().name("metrics".into()).spawn(answer_all)?;
    Ok(())
}

fn answer(mut connection: &TcpStream, metrics: &PrometheusHandle) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    // A request ends with an empty line.
    for line in BufReader::new(connection.take(LONGEST_REQUEST)).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let body = metrics.render();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len(),
    )
}
