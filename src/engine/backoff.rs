//! How long to wait after failures: a pure function of the policy, the number of failures and a random number.

use std::time::Duration;

use crate::config::ReconnectPolicy;

/// Before a lost connection is made anew without a wait of the policy comes a random pause, up to this times the jitter, so
/// that the clients of a restarted server do not come back together. It doubles with each failure in a row, so that a
/// server has time to come back before the policy begins to wait. A call does not wait for it.
const LARGEST_PAUSE: Duration = Duration::from_millis(250);
/// It doubles no more often than this.
const MOST_DOUBLINGS: u32 = 5;

/// How long the policy waits after `failures` failures in a row, or `None` while it does not. `chance` lies in 0.0..1.0.
pub fn policy_delay(policy: &ReconnectPolicy, failures: u32, chance: f64) -> Option<Duration> {
    let first_waiting = policy.free_failures.max(1);
    if !policy.enabled || failures < first_waiting {
        return None;
    }
    let step = failures - first_waiting;
    let delay = if step >= policy.steps {
        policy.max_delay
    } else {
        policy.first_delay + (policy.max_delay - policy.first_delay) * step / policy.steps
    };
    Some(delay.mul_f64(1.0 - policy.jitter * chance))
}

/// How long to pause before a lost connection is made anew although the policy does not wait.
pub fn pause(policy: &ReconnectPolicy, failures: u32, chance: f64) -> Duration {
    LARGEST_PAUSE.mul_f64(policy.jitter * chance) * (1 << failures.min(MOST_DOUBLINGS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(policy: &ReconnectPolicy, failures: u32) -> Option<f64> {
        policy_delay(policy, failures, 0.0).map(|delay| delay.as_secs_f64())
    }

    #[test]
    fn default_policy_grows_from_two_seconds_to_two_minutes_in_five_steps() {
        let policy = ReconnectPolicy::default();
        let delays: Vec<_> = (3..12).map(|failures| seconds(&policy, failures)).collect();
        let expected = [2.0, 25.6, 49.2, 72.8, 96.4, 120.0, 120.0].map(Some);
        assert_eq!(delays[..2], [None, None]);
        assert_eq!(delays[2..], expected);
    }

    #[test]
    fn chance_takes_off_at_most_the_jitter() {
        let policy = ReconnectPolicy::default();
        let delay = policy_delay(&policy, 5, 1.0).unwrap();
        assert_eq!(delay, Duration::from_millis(1600));
    }

    #[test]
    fn nothing_waits_for_the_policy_without_a_failure() {
        let policy = ReconnectPolicy::default().free_failures(0);
        assert_eq!((seconds(&policy, 0), seconds(&policy, 1), seconds(&policy, 2)), (None, Some(2.0), Some(25.6)));
    }

    #[test]
    fn pauses_double_with_each_failure() {
        let policy = ReconnectPolicy::default();
        let millis = |failures| pause(&policy, failures, 1.0).as_millis();
        assert_eq!([millis(0), millis(1), millis(4), millis(99)], [50, 100, 800, 1600]);
    }

    #[test]
    fn no_steps_means_the_longest_wait_from_the_start() {
        assert_eq!(seconds(&ReconnectPolicy::default().steps(0), 5), Some(120.0));
    }

    #[test]
    fn switched_off_policy_never_waits() {
        assert_eq!(policy_delay(&ReconnectPolicy::never(), 1000, 0.5), None);
    }
}
