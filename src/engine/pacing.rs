//! Limits how many calls a second are sent, by deciding when the next call has its turn. It knows neither calls nor
//! connections, so turns continue on a new connection.

use std::time::{Duration, Instant};

/// How long a missed turn can be made up for, because threads wake late. So this much time's worth of calls may go out
/// together.
const CATCH_UP: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// Assigns turns at even intervals. The intervals are slightly longer than the rate requires, because calls may also go
/// out together: so no second has more calls than the rate.
#[derive(Debug)]
pub(super) struct Pacing {
    /// The time between two turns. `None`: no limit.
    interval: Option<Duration>,
    /// The turn of the last call, at most [`CATCH_UP`] before the call was sent.
    last_turn: Option<Instant>,
}

impl Pacing {
    /// Limits calls to `rate` in any second, unless it is `None`.
    pub(super) fn new(rate: Option<u32>) -> Pacing {
        Pacing { interval: rate.map(interval), last_turn: None }
    }

    /// Changes the rate. The next turn counts from the last one.
    pub(super) fn set_rate(&mut self, rate: Option<u32>) {
        self.interval = rate.map(interval);
    }

    /// Whether there is a limit.
    pub(super) fn is_on(&self) -> bool {
        self.interval.is_some()
    }

    /// When the next call has its turn. `None` if any time is fine.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        Some(self.last_turn? + self.interval?)
    }

    /// Whether a call may be sent now.
    pub(super) fn is_turn(&self, now: Instant) -> bool {
        self.next_turn().is_none_or(|turn| turn <= now)
    }

    /// Uses a turn for a call that is sent.
    pub(super) fn record_sent(&mut self, now: Instant) {
        if self.is_on() {
            let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
            self.last_turn = Some(self.next_turn().map_or(now, |turn| turn.max(earliest)));
        }
    }
}

/// The time between two turns, rounded up: no second has more than `rate` of them. A rate of 0 counts as 1.
fn interval(rate: u32) -> Duration {
    let nanos = (SECOND + CATCH_UP).as_nanos().div_ceil(u128::from(rate.max(1)));
    // At most 1.02 s.
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// The times at which calls are sent if there are always calls waiting and the clock is read at `times`.
    fn sent_at(pacing: &mut Pacing, times: impl Iterator<Item = Instant>) -> Vec<Instant> {
        let mut sent = Vec::new();
        for now in times {
            while pacing.is_turn(now) {
                pacing.record_sent(now);
                sent.push(now);
            }
        }
        sent
    }

    #[test]
    fn no_second_exceeds_the_rate_however_late_the_thread_wakes() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(3);
        for rate in [1, 2, 3, 7, 49, 50, 51, 100, 333, 2000, 10_000] {
            let mut now = start;
            let times = std::iter::from_fn(|| {
                now += match random.u32(..200) {
                    0 => random.u32(..3000) * MILLI,
                    1..20 => random.u32(..60) * MILLI,
                    _ => Duration::from_micros(random.u64(..2000)),
                };
                (now < start + 20 * SECOND).then_some(now)
            });
            let sent = sent_at(&mut Pacing::new(Some(rate)), times);
            let rate = rate as usize;
            let is_kept = sent.windows(rate + 1).all(|calls| calls[rate] - calls[0] >= SECOND);
            assert!(is_kept && sent.len() > rate, "{} calls at {rate}", sent.len());
        }
    }

    #[test]
    fn rate_is_used_if_the_thread_wakes_every_few_milliseconds() {
        let start = Instant::now();
        for rate in [1, 10, 100, 2000, 100_000] {
            let times = (0..20_000 / 7).map(|at| start + at * 7 * MILLI);
            let sent = sent_at(&mut Pacing::new(Some(rate)), times).len();
            let wanted = rate as usize * 20;
            assert!(sent <= wanted && sent * 100 >= wanted * 95, "{sent} of {wanted}");
        }
    }

    #[test]
    fn pause_saves_at_most_twenty_milliseconds_of_turns() {
        let start = Instant::now();
        let mut pacing = Pacing::new(Some(1000));
        pacing.record_sent(start);
        let burst = sent_at(&mut pacing, std::iter::once(start + 60 * SECOND)).len();
        assert!((19..=21).contains(&burst), "{burst}");
    }

    #[test]
    fn rate_change_counts_from_the_last_turn() {
        let start = Instant::now();
        let mut pacing = Pacing::new(Some(1));
        pacing.record_sent(start);
        pacing.set_rate(Some(10));
        assert_eq!(pacing.next_turn(), Some(start + 102 * MILLI));
        pacing.set_rate(Some(0));
        assert_eq!(pacing.next_turn(), Some(start + 1020 * MILLI));
        pacing.set_rate(None);
        assert!(pacing.is_turn(start));
    }
}
