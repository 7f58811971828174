//! Plain settings, each with its own check. No behaviour lives here.

use std::time::Duration;

use crate::error::ArgumentError;

/// Times beyond this are treated as this: long enough for anything, and safe to add to any point in time.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// `time`, cut to a length that can be added to any point in time.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(FOR_EVER)
}

/// When to make a new connection after one was lost or could not be made.
///
/// The default is the vendor's *regressive* policy: a connection that lived for less than 1.5 s counts as a failed
/// one, as does one that could not be made. After [`free_failures`](Self::free_failures) failures in a row the waits
/// begin: the first is [`first_delay`](Self::first_delay), and they grow by equal steps, [`steps`](Self::steps) of them,
/// to [`max_delay`](Self::max_delay). A random part of each wait is taken off ([`jitter`](Self::jitter)), so that the
/// clients of a restarted server do not come back together.
///
/// A call made while the policy waits fails at once with [`Error::NotConnected`](crate::Error::NotConnected).
/// See `docs/protocol.md`, section 5, for the vendor's figures.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::ReconnectPolicy;
/// use std::time::Duration;
///
/// let eager = ReconnectPolicy::default().max_delay(Duration::from_secs(10));
/// let manual = ReconnectPolicy::never();
/// assert_ne!(eager, manual);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReconnectPolicy {
    pub(crate) enabled: bool,
    pub(crate) short_lived: Duration,
    pub(crate) free_failures: u32,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) steps: u32,
    pub(crate) jitter: f64,
}

impl Default for ReconnectPolicy {
    fn default() -> ReconnectPolicy {
        ReconnectPolicy {
            enabled: true,
            short_lived: Duration::from_millis(1500),
            free_failures: 5,
            first_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(120),
            steps: 5,
            jitter: 0.2,
        }
    }
}

impl ReconnectPolicy {
    /// Makes a connection only for a call (with `auto_connect`) or for `Client::connect`, neither of which ever waits for
    /// the policy.
    #[must_use]
    pub fn never() -> ReconnectPolicy {
        ReconnectPolicy { enabled: false, ..ReconnectPolicy::default() }
    }

    /// A connection that lived for less than this counts as a failed one. Default 1.5 s.
    #[must_use]
    pub fn short_lived(mut self, lifetime: Duration) -> Self {
        self.short_lived = bounded(lifetime);
        self
    }

    /// After how many failures in a row the waits begin. Default 5; 0 and 1 begin with the first failure.
    #[must_use]
    pub fn free_failures(mut self, failures: u32) -> Self {
        self.free_failures = failures;
        self
    }

    /// The first wait. Default 2 s; at most [`max_delay`](Self::max_delay).
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = bounded(delay);
        self
    }

    /// The longest wait. Default 120 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = bounded(delay);
        self
    }

    /// In how many steps the waits grow from the first to the longest. Default 5; 0 means the longest from the start.
    #[must_use]
    pub fn steps(mut self, steps: u32) -> Self {
        self.steps = steps;
        self
    }

    /// The largest random part that is taken off a wait, 0.0 to 1.0. Default 0.2: a wait of 10 s becomes one of 8 s
    /// to 10 s.
    ///
    /// Before the waits begin, a lost connection is made anew after a random pause: up to 250 ms times the jitter, twice
    /// that for each failure in a row, and at most 32 times. With 0.0 there is no pause.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ArgumentError> {
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(ArgumentError::new("the jitter of a reconnect policy must be between 0.0 and 1.0"));
        }
        if self.first_delay > self.max_delay {
            return Err(ArgumentError::new("the first delay of a reconnect policy must not exceed its longest"));
        }
        Ok(())
    }
}

/// When to test a connection that is idle.
///
/// After [`interval`](Self::interval) without a received byte the client sends FPNN's `*ping`. If nothing at all comes
/// within [`timeout`](Self::timeout), it sends another, up to [`tries`](Self::tries); then the connection counts as
/// dead and is closed. A dead peer is thus found after `interval + tries * timeout`. The default finds one after
/// 20 s + 3 × 5 s, and keeps a connection open through servers that drop idle ones after 60 s.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::KeepAlive;
/// use std::time::Duration;
///
/// let brisk = KeepAlive::default().interval(Duration::from_secs(5)).timeout(Duration::from_secs(1));
/// assert_ne!(brisk, KeepAlive::disabled());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAlive {
    pub(crate) enabled: bool,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) tries: u32,
}

impl Default for KeepAlive {
    fn default() -> KeepAlive {
        KeepAlive { enabled: true, interval: Duration::from_secs(20), timeout: Duration::from_secs(5), tries: 3 }
    }
}

impl KeepAlive {
    /// Sends no pings: a connection counts as alive until the operating system reports its end.
    #[must_use]
    pub fn disabled() -> KeepAlive {
        KeepAlive { enabled: false, ..KeepAlive::default() }
    }

    /// How long nothing may be received before the first ping. Default 20 s; more than zero.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = bounded(interval);
        self
    }

    /// How long each ping waits for any received byte. Default 5 s; more than zero.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = bounded(timeout);
        self
    }

    /// How many pings go unanswered before the connection counts as dead. Default 3; more than zero.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ArgumentError> {
        if self.enabled && (self.interval.is_zero() || self.timeout.is_zero() || self.tries == 0) {
            return Err(ArgumentError::new(
                "the interval, the timeout and the tries of a keep-alive must be more than zero",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_their_own_checks() {
        assert!(ReconnectPolicy::default().check().is_ok());
        assert!(ReconnectPolicy::never().check().is_ok());
        assert!(KeepAlive::default().check().is_ok());
        assert!(KeepAlive::disabled().interval(Duration::ZERO).check().is_ok());
    }

    #[test]
    fn nonsense_is_rejected() {
        assert!(ReconnectPolicy::default().jitter(1.5).check().is_err());
        assert!(ReconnectPolicy::default().jitter(f64::NAN).check().is_err());
        assert!(ReconnectPolicy::default().first_delay(Duration::from_secs(121)).check().is_err());
        assert!(KeepAlive::default().interval(Duration::ZERO).check().is_err());
        assert!(KeepAlive::default().tries(0).check().is_err());
    }
}
