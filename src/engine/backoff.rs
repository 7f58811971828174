//! Decides when the next attempt to connect may start, from the policy, the failures, the time and a random number.

use std::time::{Duration, Instant};

use crate::config::{Growth, ReconnectPolicy, SHORTEST_DELAY};

/// The longest random pause before a reconnect with the regressive policy, before the jitter is applied. It spreads the
/// clients of a restarted server. It doubles with each consecutive failure,
const LARGEST_PAUSE: Duration = Duration::from_millis(250);
/// but at most this many times.
const MOST_PAUSE_DOUBLINGS: u32 = 5;

/// When the next attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At this time, or earlier if a call needs a connection.
    Soon(Instant),
    /// Not before this time. Calls fail until then.
    After(Instant),
}

/// The history of attempts, and the policy that decides on the next one.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: ReconnectPolicy,
    random: fastrand::Rng,
    budget: Budget,
    /// Consecutive attempts that failed, or whose connections counted as failed.
    failures: u32,
    /// Whether the one immediate attempt after a loss has been used since the server last answered.
    has_returned_at_once: bool,
    last_attempt: Option<Instant>,
    /// When the last attempt started, or its connection was lost.
    waits_from: Option<Instant>,
}

impl Backoff {
    /// `seed` determines the random numbers.
    pub(super) fn new(policy: ReconnectPolicy, seed: u64) -> Backoff {
        Backoff {
            random: fastrand::Rng::with_seed(seed),
            budget: Budget::new(&policy),
            failures: 0,
            has_returned_at_once: false,
            last_attempt: None,
            waits_from: None,
            policy,
        }
    }

    /// Whether the policy reconnects on its own.
    pub(super) fn is_enabled(&self) -> bool {
        self.policy.enabled
    }

    /// The number of consecutive failures.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Records the start of an attempt.
    pub(super) fn record_attempt(&mut self, now: Instant) {
        self.budget.spend(now);
        self.last_attempt = Some(now);
        self.waits_from = Some(now);
    }

    /// Records the failure of an attempt.
    pub(super) fn record_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.has_returned_at_once = true;
    }

    /// Records the loss of a connection that lived for `lived`. `has_answered` tells whether the server sent anything
    /// on it.
    pub(super) fn record_loss(&mut self, now: Instant, lived: Duration, has_answered: bool) {
        match self.policy.growth {
            Growth::Exponential if has_answered => self.failures = 0,
            Growth::Exponential if !self.has_returned_at_once => {}
            Growth::Regressive { short_lived, .. } if lived >= short_lived => self.failures = 0,
            Growth::Exponential | Growth::Regressive { .. } => self.failures = self.failures.saturating_add(1),
        }
        self.has_returned_at_once = true;
        self.waits_from = Some(now);
    }

    /// Decides when the next attempt may start, after a failure or a loss.
    pub(super) fn next_attempt(&mut self, now: Instant) -> Next {
        let chance = self.random.f64();
        match self.policy.growth {
            Growth::Exponential => self.next_exponential(now, chance),
            Growth::Regressive { free_failures, steps, .. } if self.failures >= free_failures.max(1) => {
                let delay = regressive_delay(&self.policy, steps, self.failures - free_failures.max(1));
                Next::After(self.not_too_soon(now + self.shortened(delay, chance)))
            }
            Growth::Regressive { .. } => Next::Soon(self.not_too_soon(now + self.pause(chance))),
        }
    }

    /// Returns when an attempt for a call may start, if the policy is not waiting.
    pub(super) fn next_for_call(&self, now: Instant) -> Instant {
        if self.policy.enabled { self.not_too_soon(now) } else { now }
    }

    /// Counts the wait from the start of the last attempt. So the client never leaves a server alone for longer than
    /// the longest wait, however long the attempt took to fail.
    fn next_exponential(&self, now: Instant, chance: f64) -> Next {
        let delay = self.shortened(exponential_delay(&self.policy, self.failures), chance);
        // Even the first attempt after a loss starts a moment later, unless a call needs a connection: a server that
        // shuts down often drops its connections before it stops accepting new ones.
        let due = self.waits_from.map_or(now, |from| from + delay.max(SHORTEST_DELAY));
        let at = self.not_too_soon(due.max(now)).max(self.budget.next_at(now));
        // No call fails because of the shortest delay alone.
        if self.policy.enabled && at > now + SHORTEST_DELAY { Next::After(at) } else { Next::Soon(at) }
    }

    fn not_too_soon(&self, at: Instant) -> Instant {
        self.last_attempt.map_or(at, |last| at.max(last + SHORTEST_DELAY))
    }

    fn shortened(&self, delay: Duration, chance: f64) -> Duration {
        delay.mul_f64(1.0 - self.policy.jitter * chance)
    }

    fn pause(&self, chance: f64) -> Duration {
        let doublings = self.failures.min(MOST_PAUSE_DOUBLINGS);
        LARGEST_PAUSE.mul_f64(self.policy.jitter * chance) * (1 << doublings)
    }
}

/// The wait after `failures` consecutive failures, before jitter.
fn exponential_delay(policy: &ReconnectPolicy, failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    doubled(policy.first_delay.max(SHORTEST_DELAY), doublings, policy.max_delay.max(SHORTEST_DELAY))
}

/// Doubles `first` the given number of times, up to `longest`.
pub(super) fn doubled(first: Duration, doublings: u32, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

/// The wait after `step` earlier ones, before jitter.
fn regressive_delay(policy: &ReconnectPolicy, steps: u32, step: u32) -> Duration {
    let delay = if step >= steps {
        policy.max_delay
    } else {
        policy.first_delay + (policy.max_delay - policy.first_delay) * step / steps
    };
    delay.max(SHORTEST_DELAY)
}

/// Bounds the attempts on a server that repeatedly answers and goes away, for which no wait ever grows. A few attempts
/// may follow each other at once, the others at a steady rate.
#[derive(Debug)]
struct Budget {
    interval: Duration,
    /// When the budget will be full again.
    whole_at: Option<Instant>,
}

impl Budget {
    /// How many attempts may follow each other at once.
    const SIZE: u32 = 16;
    /// The time in which one more is earned, or the policy's longest wait if that is shorter.
    const INTERVAL: Duration = Duration::from_millis(500);

    fn new(policy: &ReconnectPolicy) -> Budget {
        let interval = policy.max_delay.clamp(SHORTEST_DELAY, Budget::INTERVAL);
        Budget { interval, whole_at: None }
    }

    fn spend(&mut self, now: Instant) {
        let whole_at = self.whole_at.map_or(now, |at| at.max(now)) + self.interval;
        self.whole_at = Some(whole_at.min(now + self.interval * Budget::SIZE));
    }

    fn next_at(&self, now: Instant) -> Instant {
        let next = self.whole_at.and_then(|at| at.checked_sub(self.interval * (Budget::SIZE - 1)));
        next.map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn after(failures: u32, policy: ReconnectPolicy) -> (Instant, Next) {
        let now = Instant::now();
        let mut backoff = Backoff::new(policy, 7);
        backoff.record_attempt(now);
        for _ in 0..failures {
            backoff.record_failure();
        }
        (now, backoff.next_attempt(now))
    }

    /// The wait after `failures` failures without jitter, in milliseconds.
    fn wait(failures: u32, policy: &ReconnectPolicy) -> Option<u128> {
        match after(failures, policy.clone().jitter(0.0)) {
            (now, Next::After(at)) => Some((at - now).as_millis()),
            (_, Next::Soon(_)) => None,
        }
    }

    #[test]
    fn default_waits_double_from_fifty_milliseconds_to_two_seconds() {
        let waits: Vec<_> = (0..9).map(|failures| wait(failures, &ReconnectPolicy::default())).collect();
        let expected = [50, 100, 200, 400, 800, 1600, 2000, 2000].map(Some);
        assert_eq!((waits[0], &waits[1..]), (None, &expected[..]));
        assert_eq!(wait(10_000, &ReconnectPolicy::default()), Some(2000));
    }

    #[test]
    fn regressive_waits_grow_from_two_seconds_to_two_minutes_in_five_steps() {
        let waits: Vec<_> = (3..12).map(|failures| wait(failures, &ReconnectPolicy::regressive())).collect();
        let expected = [2000, 25_600, 49_200, 72_800, 96_400, 120_000, 120_000].map(Some);
        assert_eq!((&waits[..2], &waits[2..]), (&[None, None][..], &expected[..]));
    }

    #[test]
    fn jitter_shortens_waits_by_at_most_its_share() {
        for seed in 0..100 {
            let now = Instant::now();
            let mut backoff = Backoff::new(ReconnectPolicy::regressive().free_failures(0), seed);
            backoff.record_failure();
            let Next::After(at) = backoff.next_attempt(now) else { panic!("the policy waits") };
            assert!((1600 * MILLI..=2000 * MILLI).contains(&(at - now)), "{:?}", at - now);
        }
    }

    #[test]
    fn no_steps_means_the_longest_wait_from_the_start() {
        assert_eq!(wait(5, &ReconnectPolicy::regressive().steps(0)), Some(120_000));
    }

    #[test]
    fn disabled_policy_refuses_no_call() {
        assert_eq!(wait(1000, &ReconnectPolicy::never()), None);
    }

    #[test]
    fn no_policy_attempts_more_than_once_in_ten_milliseconds() {
        let zero = Duration::ZERO;
        for policy in [
            ReconnectPolicy::default().first_delay(zero),
            ReconnectPolicy::default().first_delay(zero).max_delay(zero),
            ReconnectPolicy::regressive().first_delay(zero).max_delay(zero),
            ReconnectPolicy::regressive().free_failures(u32::MAX),
        ] {
            for failures in [0, 1, 100] {
                let (now, next) = after(failures, policy.clone().jitter(1.0));
                let (Next::Soon(at) | Next::After(at)) = next;
                assert!(at >= now + SHORTEST_DELAY, "{policy:?} after {failures} failures: {:?}", at - now);
            }
        }
    }

    #[test]
    fn budget_recovers_at_a_steady_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(&ReconnectPolicy::default());
        for _ in 0..Budget::SIZE {
            assert_eq!(budget.next_at(start), start);
            budget.spend(start);
        }
        assert_eq!(budget.next_at(start), start + 500 * MILLI);
        budget.spend(start + 500 * MILLI);
        assert_eq!(budget.next_at(start + 500 * MILLI), start + 1000 * MILLI);
        assert_eq!(budget.next_at(start + 3600 * 1000 * MILLI), start + 3600 * 1000 * MILLI);
    }
}
