//! Plain settings, each with its own check. No behaviour lives here.

use std::time::Duration;

use crate::error::ArgumentError;

/// Times beyond this are treated as this: long enough for anything, and safe to add to any point in time.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// `time`, cut to a length that can be added to any point in time.
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(FOR_EVER)
}

/// No policy begins an attempt by itself sooner than this after the last one began.
pub(crate) const SHORTEST_DELAY: Duration = Duration::from_millis(10);

/// When to make a new connection after one was lost or could not be made.
///
/// The default is exponential back-off. The first attempt after a loss is made after 10 ms, or with the next call if
/// one comes earlier. If it fails, the policy waits for
/// [`first_delay`](Self::first_delay) from the beginning of that attempt to the next, then twice as long, and so on, up to
/// [`max_delay`](Self::max_delay). A random part of each wait is taken off ([`jitter`](Self::jitter)), so that the clients
/// of a restarted server do not come back together. A connection that ended before the server answered anything on it
/// counts as a failed attempt; one on which the server answered starts the waits anew. Even a server that answers once and
/// goes away, over and over, sees at most 16 attempts in a row, and two a second after that.
///
/// [`regressive`](Self::regressive) is the policy of the vendor's SDKs, and [`never`](Self::never) leaves reconnecting to
/// the calls.
///
/// A call made while the policy waits fails at once with [`Error::NotConnected`](crate::Error::NotConnected), unless it is
/// to [wait for the next connection](crate::ClientBuilder::wait_for_ready). It neither makes an attempt nor lengthens the
/// wait. Whatever the figures are, an attempt begins at the earliest 10 ms after the one before it.
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
    /// Each is twice the one before.
    Exponential,
    /// They begin after some failures, and grow by equal steps.
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
    /// A connection that lived for less than 1.5 s counts as a failed one, as does one that could not be made. After five
    /// failures in a row the waits begin: 2 s, then by five equal steps up to 120 s. Up to a fifth of each wait is taken
    /// off by chance. Before the waits begin, a lost connection is made anew after a random pause of up to 50 ms, twice
    /// that for each failure in a row; a call does not wait for the pause.
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

    /// Makes a connection only for a call (with `auto_connect`) or for `Client::connect`, neither of which ever waits for
    /// the policy. Calls that [wait for a connection](crate::ClientBuilder::wait_for_ready) have attempts made for them, with the
    /// waits of the default policy, for as long as they wait.
    #[must_use]
    pub fn never() -> ReconnectPolicy {
        ReconnectPolicy { enabled: false, ..ReconnectPolicy::default() }
    }

    /// The first wait. Default 50 ms ([`regressive`](Self::regressive): 2 s); at most [`max_delay`](Self::max_delay). Less
    /// than 10 ms counts as 10 ms.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = bounded(delay);
        self
    }

    /// The longest wait. Default 2 s ([`regressive`](Self::regressive): 120 s). Less than 10 ms counts as 10 ms.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = bounded(delay);
        self
    }

    /// The largest random part that is taken off a wait, 0.0 to 1.0. Default 0.5, so that a wait of 2 s becomes one of
    /// 1 s to 2 s ([`regressive`](Self::regressive): 0.2).
    ///
    /// It also scales the pauses of the regressive policy: with 0.0 there are none.
    #[must_use]
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// A connection that lived for less than this counts as a failed one. Default 1.5 s. Only the
    /// [regressive](Self::regressive) policy looks at it; the others ignore it.
    #[must_use]
    pub fn short_lived(mut self, lifetime: Duration) -> Self {
        if let Growth::Regressive { short_lived, .. } = &mut self.growth {
            *short_lived = bounded(lifetime);
        }
        self
    }

    /// After how many failures in a row the waits begin. Default 5; 0 and 1 begin with the first failure. Only the
    /// [regressive](Self::regressive) policy looks at it; the others ignore it.
    #[must_use]
    pub fn free_failures(mut self, failures: u32) -> Self {
        if let Growth::Regressive { free_failures, .. } = &mut self.growth {
            *free_failures = failures;
        }
        self
    }

    /// In how many steps the waits grow from the first to the longest. Default 5; 0 means the longest from the start.
    /// Only the [regressive](Self::regressive) policy looks at it; the others ignore it.
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

/// When to test a connection that is idle.
///
/// After [`interval`](Self::interval) without a sign of life the client sends FPNN's `*ping`. If none comes within
/// [`timeout`](Self::timeout), it sends another, up to [`tries`](Self::tries); then the connection counts as dead and is
/// closed. Signs of life are bytes that the server sends, and room that it makes for bytes that wait to be sent: a server
/// that reads a large call slowly is alive. A dead peer is thus found after `interval + tries * timeout`. The default finds one after
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
