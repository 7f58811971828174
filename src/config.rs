//! Plain settings, each with its own check. No behaviour lives here.

use std::time::Duration;

use crate::error::ArgumentError;

/// Longer times are cut to this: long enough for anything, and safe to add to any instant.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// `time`, cut to a length that can be added to any instant.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(FOR_EVER)
}

/// No policy starts an attempt by itself sooner than this after the start of the last one.
pub(crate) const SHORTEST_DELAY: Duration = Duration::from_millis(10);

/// When to make a new connection after a loss or a failed attempt.
///
/// The default is exponential back-off. The first attempt after a loss is made after 10 ms, or with the next call if
/// that comes earlier. If it fails, the policy waits for [`first_delay`](Self::first_delay) from the start of that
/// attempt to the start of the next, then twice as long, and so on, up to [`max_delay`](Self::max_delay). Random
/// [`jitter`](Self::jitter) shortens each wait, so that the clients of a restarted server do not return all at once. A
/// connection that ended before the server answered anything on it counts as a failed attempt; one on which the server
/// answered resets the waits. Even a server that answers once and goes away, over and over, sees at most 16 attempts in
/// a row, and two a second after that.
///
/// [`regressive`](Self::regressive) is the policy of the vendor's SDKs; [`never`](Self::never) reconnects only for
/// calls.
///
/// A call made while the policy waits fails at once with [`Error::NotConnected`](crate::Error::NotConnected), unless it
/// [waits for the next connection](crate::ClientBuilder::wait_for_ready). It neither makes an attempt nor lengthens the
/// wait. Whatever the settings, attempts start at least 10 ms apart; only [`Client::connect`](crate::Client::connect)
/// starts one at once.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::ReconnectPolicy;
/// use std::time::Duration;
///
/// let gentle = ReconnectPolicy::default().max_delay(Duration::from_secs(10));
/// let like_the_vendor = ReconnectPolicy::regressive();
/// let manual = ReconnectPolicy::never();
/// assert!(gentle != like_the_vendor && gentle != manual);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReconnectPolicy {
    pub(crate) enabled: bool,
    pub(crate) growth: Growth,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) jitter: f64,
}

/// How the waits of a [`ReconnectPolicy`] grow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Growth {
    /// Each is twice the previous one.
    Exponential,
    /// They begin after some failures and grow in equal steps.
    Regressive { short_lived: Duration, free_failures: u32, steps: u32 },
}

impl Default for ReconnectPolicy {
    fn default() -> ReconnectPolicy {
        ReconnectPolicy {
            enabled: true,
            growth: Growth::Exponential,
            first_delay: Duration::from_millis(50),
            max_delay: Duration::from_secs(2),
            jitter: 0.5,
        }
    }
}

impl ReconnectPolicy {
    /// The policy of the vendor's SDKs, with their figures (`docs/protocol.md`, section 5).
    ///
    /// A failed attempt and a connection that lived for less than 1.5 s count as failures. After five failures in a row
    /// the waits begin: 2 s, then in five equal steps up to 120 s. Jitter shortens each wait by up to a fifth. Before
    /// the waits begin, the client reconnects after a random pause of up to 50 ms, doubling with each failure in a row;
    /// no call waits for the pause.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::ReconnectPolicy;
    /// use std::time::Duration;
    ///
    /// let policy = ReconnectPolicy::regressive().free_failures(3).short_lived(Duration::from_secs(5));
    /// assert_ne!(policy, ReconnectPolicy::regressive());
    /// ```
    #[must_use]
    pub fn regressive() -> ReconnectPolicy {
        ReconnectPolicy {
            enabled: true,
            growth: Growth::Regressive { short_lived: Duration::from_millis(1500), free_failures: 5, steps: 5 },
            first_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(120),
            jitter: 0.2,
        }
    }

    /// Makes a connection only for a call (with `auto_connect`) or for `Client::connect`, neither of which ever waits
    /// for the policy. As long as calls [wait for a connection](crate::ClientBuilder::wait_for_ready), attempts are
    /// made for them with the waits of the default policy.
    #[must_use]
    pub fn never() -> ReconnectPolicy {
        ReconnectPolicy { enabled: false, ..ReconnectPolicy::default() }
    }

    /// Sets the first wait. Default 50 ms ([`regressive`](Self::regressive): 2 s); at most
    /// [`max_delay`](Self::max_delay). Less than 10 ms counts as 10 ms.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = bounded(delay);
        self
    }

    /// Sets the longest wait. Default 2 s ([`regressive`](Self::regressive): 120 s). Less than 10 ms counts as 10 ms.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = bounded(delay);
        self
    }

    /// Sets by what part, at most, a wait is randomly shortened, 0.0 to 1.0. Default 0.5, which makes a wait of 2 s one
    /// of 1 s to 2 s ([`regressive`](Self::regressive): 0.2).
    ///
    /// It also scales the pauses of the regressive policy: with 0.0 there are none.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Sets how long a connection has to live not to count as a failure. Default 1.5 s. Only the
    /// [regressive](Self::regressive) policy uses it.
    #[must_use]
    pub fn short_lived(mut self, lifetime: Duration) -> Self {
        if let Growth::Regressive { short_lived, .. } = &mut self.growth {
            *short_lived = bounded(lifetime);
        }
        self
    }

    /// Sets after how many failures in a row the waits begin. Default 5; 0 and 1 begin with the first failure. Only the
    /// [regressive](Self::regressive) policy uses it.
    #[must_use]
    pub fn free_failures(mut self, failures: u32) -> Self {
        if let Growth::Regressive { free_failures, .. } = &mut self.growth {
            *free_failures = failures;
        }
        self
    }

    /// Sets in how many steps the waits grow from the first to the longest. Default 5; 0 starts with the longest. Only
    /// the [regressive](Self::regressive) policy uses it.
    #[must_use]
    pub fn steps(mut self, count: u32) -> Self {
        if let Growth::Regressive { steps, .. } = &mut self.growth {
            *steps = count;
        }
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

/// When to test an idle connection.
///
/// After [`interval`](Self::interval) without a sign of life the client sends FPNN's `*ping`. If no sign of life
/// arrives within [`timeout`](Self::timeout), it sends another, up to [`tries`](Self::tries); then the connection
/// counts as dead and is closed. Signs of life are bytes from the server and bytes that leave: a server that reads a
/// large call slowly is alive. So a dead peer is detected after `interval + tries * timeout`, by default 20 s + 3 × 5
/// s. The default also keeps connections open to servers that drop idle ones after 60 s.
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

    /// Sets how long the connection may be silent before the first ping. Default 20 s; more than zero.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = bounded(interval);
        self
    }

    /// Sets how long each ping waits for a sign of life. Default 5 s; more than zero.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = bounded(timeout);
        self
    }

    /// Sets how many pings go unanswered before the connection counts as dead. Default 3; more than zero.
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
        assert!(ReconnectPolicy::regressive().check().is_ok());
        assert!(ReconnectPolicy::never().check().is_ok());
        assert!(KeepAlive::default().check().is_ok());
        assert!(KeepAlive::disabled().interval(Duration::ZERO).check().is_ok());
    }

    #[test]
    fn nonsense_is_rejected() {
        assert!(ReconnectPolicy::default().jitter(1.5).check().is_err());
        assert!(ReconnectPolicy::default().jitter(f64::NAN).check().is_err());
        assert!(ReconnectPolicy::default().first_delay(Duration::from_secs(3)).check().is_err());
        assert!(KeepAlive::default().interval(Duration::ZERO).check().is_err());
        assert!(KeepAlive::default().tries(0).check().is_err());
    }
}
