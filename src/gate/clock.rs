//! The two clocks of the gate, read together: what the layers below the server know of time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// More than this counts as this: 1,000 years are longer than anything that a test waits for, and can be added to any moment.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 3600);

/// A moment, on the clock of the wall and on the one that never jumps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Milliseconds since the epoch: time stamps are checked against it.
    pub unix_ms: i64,
    /// Times bans and idle connections, so setting the machine's clock does not end them.
    pub monotonic: Instant,
}

/// The gate's own time: the machine's, moved on by as much as a test wants.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: Duration,
}

impl Clock {
    /// Moves both clocks on.
    pub(super) fn advance(&mut self, duration: Duration) {
        self.ahead = self.ahead.saturating_add(duration).min(LONGEST);
    }

    /// Reads both clocks.
    pub(super) fn now(&self) -> Now {
        // A clock before the epoch is nobody's; it counts as the epoch, and every time stamp is then refused.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(self.ahead);
        let unix_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let machine = Instant::now();
        Now { unix_ms, monotonic: machine.checked_add(self.ahead).unwrap_or(machine) }
    }
}

impl Now {
    /// The time `duration` from now, on the clock that never jumps.
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
    /// The moment `unix_s` seconds after the epoch, for simulated time.
    pub(super) fn at(unix_s: i64) -> Now {
        Now { unix_ms: unix_s * 1000, monotonic: Instant::now() }
    }

    /// `duration` later on both clocks.
    pub(super) fn later(self, duration: Duration) -> Now {
        let ms = i64::try_from(duration.as_millis()).unwrap();
        Now { unix_ms: self.unix_ms + ms, monotonic: self.monotonic + duration }
    }
}
