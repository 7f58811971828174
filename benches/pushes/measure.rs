//! The results of a phase.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::cpu::cpu_time;

/// Nanoseconds of a clock that all processes of a machine share.
pub fn shared_nanos() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Whether a phase takes the time of each push: to read the clock takes as long as much of what is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Times {
    OfEachPush,
    OfAll,
}

/// How long pushes took from the server's write to the handler, in nanoseconds, if that is wanted.
pub struct Ways(Option<Vec<i64>>);

impl Ways {
    pub fn new(times: Times, pushes: u32) -> Ways {
        Ways((times == Times::OfEachPush).then(|| Vec::with_capacity(pushes as usize)))
    }

    /// A push has arrived that was made at this time.
    pub fn record(&mut self, made_at: i64) {
        if let Some(ways) = &mut self.0 {
            ways.push(shared_nanos() - made_at);
        }
    }
}

/// A phase under way. It begins with the first push.
pub struct Stopwatch {
    begun: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch { begun: Instant::now(), cpu: cpu_time() }
    }

    pub fn begun(&self) -> Instant {
        self.begun
    }

    pub fn stop(self, pushes: u32, ways: Ways) -> Sample {
        Sample { time: self.begun.elapsed(), cpu: cpu_time().saturating_sub(self.cpu), pushes, ways }
    }
}

/// One phase.
pub struct Sample {
    time: Duration,
    cpu: Duration,
    pushes: u32,
    ways: Ways,
}

impl Sample {
    pub fn per_second(&self) -> f64 {
        f64::from(self.pushes) / self.time.as_secs_f64()
    }

    /// Processor time of a thousand pushes, in microseconds.
    pub fn cpu_of_1000(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / f64::from(self.pushes)
    }

    /// p50 and p99 of the ways.
    pub fn ways(&self) -> String {
        let mut ways = self.ways.0.clone().unwrap_or_default();
        ways.sort_unstable();
        let at = |part: usize| ways.get(ways.len() * part / 100).map_or(0.0, |nanos| *nanos as f64 / 1e3);
        format!("{:.0} µs, {:.0} µs", at(50), at(99))
    }
}

/// The phases of one contender, one of each round.
#[derive(Default)]
pub struct Phases(Vec<Sample>);

impl Phases {
    pub fn add(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    pub fn rate(&self) -> f64 {
        self.median_of(Sample::per_second)
    }

    pub fn cpu(&self) -> f64 {
        self.median_of(Sample::cpu_of_1000)
    }

    /// How its rate compares with that of another in the same rounds.
    pub fn ratio_to(&self, other: &Phases) -> f64 {
        let ratio = |(own, other): (&Sample, &Sample)| own.per_second() / other.per_second();
        median(&mut self.0.iter().zip(&other.0).map(ratio).collect::<Vec<f64>>())
    }

    fn median_of(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(&mut self.0.iter().map(figure).collect::<Vec<f64>>())
    }
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The memory of this process that is in use, in MiB.
pub fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    resident.unwrap_or_default() * 4096 / (1024 * 1024)
}
