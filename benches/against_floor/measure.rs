//! The figures of one phase: how many calls, in what time, with how much processor time of this process.

use std::time::{Duration, Instant};

use crate::cpu::cpu_time;

/// With many calls in flight, every so many of them are timed, so that reading the clock does not become the work.
pub const SAMPLED_EVERY: u32 = 16;

/// The end of a phase, and what was used when it began. A phase has the process to itself: whatever else lives in it
/// sleeps, so that the processor time of the floor and that of the library are told apart by their phases.
pub struct Stopwatch {
    begin: Instant,
    end: Instant,
    cpu_before: Duration,
}

impl Stopwatch {
    pub fn start(time: Duration) -> Stopwatch {
        let cpu_before = cpu_time();
        let begin = Instant::now();
        Stopwatch { begin, end: begin + time, cpu_before }
    }

    /// Whether the phase has lasted as long as it is to last.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    pub fn stop(&self, latencies: Latencies) -> Sample {
        let (wall, cpu) = (self.begin.elapsed(), cpu_time().saturating_sub(self.cpu_before));
        let mut timed = latencies.timed;
        timed.sort_unstable();
        Sample {
            calls: latencies.calls,
            calls_per_second: latencies.calls as f64 / wall.as_secs_f64(),
            cpu_ms_per_1000: cpu.as_secs_f64() * 1e6 / latencies.calls as f64,
            p50_us: percentile(&timed, 0.50),
            p99_us: percentile(&timed, 0.99),
        }
    }
}

/// The calls of a phase.
#[derive(Default)]
pub struct Latencies {
    calls: u64,
    timed: Vec<Duration>,
}

impl Latencies {
    /// A call that took so long.
    pub fn add(&mut self, latency: Duration) {
        self.calls += 1;
        self.timed.push(latency);
    }

    /// A call, timed or not.
    pub fn count(&mut self, is_timed: bool, latency: impl FnOnce() -> Duration) {
        self.calls += 1;
        if is_timed {
            self.timed.push(latency());
        }
    }

    /// Those of another thread.
    pub fn join(&mut self, other: Latencies) {
        self.calls += other.calls;
        self.timed.extend(other.timed);
    }
}

/// The figures of one phase.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Sample {
    pub calls: u64,
    pub calls_per_second: f64,
    pub cpu_ms_per_1000: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// The middle of some figures, and how far they go to either side.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` of no figures.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => (figures[middle - 1] + figures[middle]) / 2.0,
            _ => figures[middle],
        };
        Some(Spread { median, min, max })
    }
}
