//! Determines how fast rows are passed to the client: as fast as the server accepts them, without knowing its limit.
//!
//! The rate doubles until the server refuses a call because of its rate (200010). Then only one call at a time is sent,
//! until the server accepts it. The rate continues at one half, soon returns to nearly what the server accepted in the
//! second before the refusal, and grows slowly from there.
//!
//! `--rate` is the client's own `max_rate`, which no second exceeds. Rows are then passed on as fast as the client
//! sends them, so that none queues in it.
//!
//! The rate found by a run is not left to `Client::set_max_rate`, because of what follows a refusal. Servers count by
//! the second and refuse for the rest of it, so calls must be held back until it ends: at one half of 4,000 a second,
//! up to 1,000 more would be refused. Calls already passed on cannot be held back. The client can only slow them down
//! to the ten a second of the probes. The last of a window of 1,000 would then wait for 100 s, and time out before
//! that. Their outcome does not show when they were sent either, so a call accepted before the refusal would look like
//! the end of it. Rows that wait here have no deadline, and are sent when they are passed on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The initial rate, in calls per second.
const FIRST_RATE: f64 = 500.0;
/// The highest rate: no server accepts more on one connection.
const UNLIMITED: f64 = 200_000.0;
const BETWEEN_GROWTHS: Duration = Duration::from_millis(100);
/// How far to stay below the rate at which the server refused.
const MARGIN: f64 = 0.97;
/// The growth above that, per step.
const SLOW_GROWTH: f64 = 0.001;
/// Servers count calls by the second, so a new second begins soon.
const BETWEEN_PROBES: Duration = Duration::from_millis(100);
const LONGEST_BETWEEN_PROBES: Duration = Duration::from_secs(5);
/// The number of probes at the shortest interval, before the interval doubles.
const QUICK_PROBES: u32 = 10;
/// How late a row may be sent and still count as on time, so that a busy machine does not slow the run down.
const CATCH_UP: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// The share of its `max_rate` that the client uses in the long run, because no second may exceed it.
const USED_OF_MAX_RATE: f64 = 0.98;

#[derive(Debug, Clone, Copy)]
enum State {
    /// No call has been refused yet.
    Doubling,
    /// Rates up to this one are known to work.
    Steady { known: f64 },
    /// The server refuses. `known` is what it accepted in the second before.
    Probing { since: Instant, probes: u32, is_under_way: bool, known: f64 },
}

pub(super) struct Pace {
    /// Calls a second, below what `--rate` says.
    limit: f64,
    /// Calls a second.
    rate: f64,
    state: State,
    /// When the next call may be sent.
    next: Instant,
    last_growth: Instant,
    sent_since_growth: f64,
    /// When the server accepted the calls of the last second.
    taken: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(limit: Option<u32>, now: Instant) -> Pace {
        let limit = limit.map_or(f64::INFINITY, |limit| f64::from(limit) * USED_OF_MAX_RATE);
        Pace {
            limit,
            rate: if limit.is_finite() { limit } else { FIRST_RATE },
            state: State::Doubling,
            next: now,
            last_growth: now,
            sent_since_growth: 0.0,
            taken: VecDeque::new(),
        }
    }

    /// When the next call may be sent; `None` while the outcome of a probe is awaited.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        match self.state {
            State::Probing { is_under_way: true, .. } => None,
            State::Probing { since, probes, .. } => Some(since + pause_before_probe(probes)),
            _ if self.rate >= UNLIMITED => Some(self.last_growth),
            _ => Some(self.next),
        }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        if let State::Probing { is_under_way, .. } = &mut self.state {
            *is_under_way = true;
            return;
        }
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(earliest) + Duration::from_secs_f64(1.0 / self.rate);
        self.sent_since_growth += 1.0;
        self.grow(now);
    }

    /// Records that the server accepted a call sent at this time, whatever the answer.
    pub(super) fn taken(&mut self, sent: Instant, now: Instant) {
        self.taken.push_back(now);
        self.forget_before_last_second(now);
        if let State::Probing { since, known, .. } = self.state {
            if sent >= since {
                self.state = State::Steady { known };
                self.next = now;
                self.last_growth = now;
                self.sent_since_growth = 0.0;
            }
        }
    }

    /// Records that the server refused a call because of its rate.
    pub(super) fn refused(&mut self, sent: Instant, now: Instant) {
        self.forget_before_last_second(now);
        match &mut self.state {
            State::Probing { since, probes, is_under_way, .. } => {
                if sent >= *since {
                    (*since, *probes, *is_under_way) = (now, *probes + 1, false);
                }
            }
            State::Doubling | State::Steady { .. } => {
                let known = (self.taken.len() as f64 * MARGIN).max(1.0).min(self.limit);
                self.rate = (self.rate.min(self.taken.len() as f64) / 2.0).max(1.0);
                self.state = State::Probing { since: now, probes: 0, is_under_way: false, known };
            }
        }
    }

    /// Records that the outcome of the probe does not depend on the rate.
    pub(super) fn lost(&mut self, sent: Instant, now: Instant) {
        if let State::Probing { since, is_under_way, .. } = &mut self.state {
            if sent >= *since {
                (*since, *is_under_way) = (now, false);
            }
        }
    }

    /// A rate that was not used up says nothing about a higher one.
    fn grow(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.last_growth);
        if passed < BETWEEN_GROWTHS {
            return;
        }
        let is_used = self.sent_since_growth >= self.rate * passed.as_secs_f64() / 2.0;
        self.last_growth = now;
        self.sent_since_growth = 0.0;
        if !is_used {
            return;
        }
        self.rate = match self.state {
            State::Doubling => self.rate * 2.0,
            State::Steady { known } if self.rate < known => (self.rate * 2.0).min(known),
            State::Steady { known } => self.rate + known * SLOW_GROWTH,
            State::Probing { .. } => self.rate,
        };
        self.rate = self.rate.min(self.limit);
    }

    fn forget_before_last_second(&mut self, now: Instant) {
        while self.taken.front().is_some_and(|taken| now.saturating_duration_since(*taken) > SECOND) {
            self.taken.pop_front();
        }
    }
}

fn pause_before_probe(probes: u32) -> Duration {
    let doublings = probes.saturating_sub(QUICK_PROBES).min(10);
    (BETWEEN_PROBES * 2u32.pow(doublings)).min(LONGEST_BETWEEN_PROBES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(3);
    const STEP: Duration = Duration::from_micros(50);

    /// The behaviour of a server that counts calls.
    trait Server {
        fn takes(&mut self, now: Instant) -> bool;
    }

    /// This many calls in each second, which begins with its first call.
    struct BySecond(u32, Option<(Instant, u32)>);

    impl Server for BySecond {
        fn takes(&mut self, now: Instant) -> bool {
            let window = match self.1.filter(|(begin, _)| now.duration_since(*begin) < SECOND) {
                Some(window) => window,
                None => (now, 0),
            };
            let is_taken = window.1 < self.0;
            self.1 = Some((window.0, window.1 + u32::from(is_taken)));
            is_taken
        }
    }

    /// A bucket with a second's worth of tokens.
    struct Bucket {
        rate: f64,
        tokens: f64,
        last: Option<Instant>,
    }

    impl Server for Bucket {
        fn takes(&mut self, now: Instant) -> bool {
            let passed = self.last.replace(now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
            self.tokens = (self.tokens + passed * self.rate).min(self.rate);
            let is_taken = self.tokens >= 1.0;
            self.tokens -= f64::from(is_taken);
            is_taken
        }
    }

    /// Sends the rows, and repeats refused ones, with at most 1,000 in flight. Returns the time and the refusals.
    fn run(rows: u32, limit: Option<u32>, server: &mut impl Server) -> (Duration, u32) {
        let start = Instant::now();
        let mut pace = Pace::new(limit, start);
        let (mut now, mut left, mut done, mut refused) = (start, rows, 0, 0);
        let mut in_flight: VecDeque<(Instant, bool)> = VecDeque::new();
        while done < rows {
            while let Some((sent, is_taken)) = in_flight.front().copied().filter(|(sent, _)| now >= *sent + ROUND_TRIP)
            {
                in_flight.pop_front();
                if is_taken {
                    done += 1;
                    pace.taken(sent, now);
                } else {
                    left += 1;
                    refused += 1;
                    pace.refused(sent, now);
                }
            }
            while left > 0 && in_flight.len() < 1000 && pace.ready_at().is_some_and(|at| now >= at) {
                left -= 1;
                pace.sent(now);
                in_flight.push_back((now, server.takes(now)));
            }
            now += STEP;
        }
        (now - start, refused)
    }

    #[test]
    fn most_of_a_limit_is_used_and_few_calls_are_refused() {
        let bucket = Bucket { rate: 2000.0, tokens: 2000.0, last: None };
        let by_second = run(20_000, None, &mut BySecond(2000, None));
        for (took, refused) in [by_second, run(20_000, None, &mut { bucket })] {
            let used = 20_000.0 / took.as_secs_f64() / 2000.0;
            assert!(used >= 0.88, "{used} of the limit in {took:?}");
            assert!(refused <= 500, "{refused} of 20,000 were refused");
        }
        let (took, refused) = run(1000, None, &mut BySecond(100, None));
        assert!(took < Duration::from_millis(11_500) && refused <= 150, "{took:?}, {refused} refused");
    }

    #[test]
    fn server_without_a_limit_slows_nobody() {
        struct Unlimited;
        impl Server for Unlimited {
            fn takes(&mut self, _now: Instant) -> bool {
                true
            }
        }
        let (took, _) = run(200_000, None, &mut Unlimited);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn rate_that_is_given_is_kept() {
        struct Counting(u32);
        impl Server for Counting {
            fn takes(&mut self, _now: Instant) -> bool {
                self.0 += 1;
                true
            }
        }
        let (took, _) = run(400, Some(80), &mut Counting(0));
        let took = took.as_secs_f64();
        assert!((5.0..5.2).contains(&took), "{took} s for 400 rows at 80 a second");
    }

    #[test]
    fn server_that_refuses_everything_is_asked_less_and_less() {
        let start = Instant::now();
        let mut pace = Pace::new(None, start);
        let mut now = start;
        pace.sent(now);
        pace.refused(now, now);
        let mut probes = 0;
        while now < start + Duration::from_secs(60) {
            now = pace.ready_at().unwrap();
            pace.sent(now);
            assert_eq!(pace.ready_at(), None, "one at a time");
            pace.refused(now, now);
            probes += 1;
        }
        assert!((20..40).contains(&probes), "{probes}");
    }
}
