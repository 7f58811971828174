//! The gate's two clocks, read together. The layers below the server get the time only from here.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest duration: 1,000 years exceed any wait of a test, and can be added to any time.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 3600);

/// A point in time, on the wall clock and on the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Milliseconds since the epoch: time stamps are checked against it.
    pub unix_ms: i64,
    /// Times bans and idle connections, so setting the machine's clock does not end them.
    pub monotonic: Instant,
}

/// The gate's time: the machine's, moved forward by tests.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: Duration,
}

impl Clock {
    /// Moves both clocks forward.
    pub(super) fn advance(&mut self, duration: Duration) {
        self.ahead = self.ahead.saturating_add(duration).min(LONGEST);
    }

    /// Reads both clocks.
    pub(super) fn now(&self) -> Now {
        // A clock before the epoch counts as the epoch. Every time stamp is then refused.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(self.ahead);
        let unix_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let machine = Instant::now();
        Now { unix_ms, monotonic: machine.checked_add(self.ahead).unwrap_or(machine) }
    }
}

impl Now {
    /// The time `duration` from now, on the monotonic clock.
    pub(super) fn in_future(&self, duration: Duration) -> Instant {
        self.monotonic.checked_add(duration.min(LONGEST)).unwrap_or(self.monotonic)
    }

    /// Whole seconds since the epoch.
    pub(super) fn unix_s(&self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}

#[cfg(test)]
impl Now {
    /// Creates the time `unix_s` seconds after the epoch, for simulated time.
    pub(super) fn at(unix_s: i64) -> Now {
        Now { unix_ms: unix_s * 1000, monotonic: Instant::now() }
    }

    /// Returns the time `duration` later on both clocks.
    pub(super) fn later(self, duration: Duration) -> Now {
        let ms = i64::try_from(duration.as_millis()).unwrap();
        Now { unix_ms: self.unix_ms + ms, monotonic: self.monotonic + duration }
    }
}
