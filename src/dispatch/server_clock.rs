//! The time that calls are signed with: the machine's clock, corrected by the server's time if the two differ.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Time stamps count whole seconds, and a server's time is late by part of the round trip. If a server refuses a time
/// stamp closer to its own time than this, it has another reason.
const WORTH_CORRECTING_MS: i64 = 2_000;

/// The server's clock, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    /// How far the server's clock is ahead of the machine's, in milliseconds.
    offset_ms: AtomicI64,
    was_corrected: AtomicBool,
}

impl ServerClock {
    /// Returns the server's time in seconds since the epoch, limited to the range of a time stamp.
    pub(crate) fn unix_time(&self) -> u32 {
        self.unix_time_at(machine_time_ms())
    }

    /// Takes over the server's time `server_ms`, in milliseconds since the epoch. Returns whether time stamps have been
    /// wrong so far.
    pub(crate) fn correct(&self, server_ms: i64) -> bool {
        self.correct_at(machine_time_ms(), server_ms)
    }

    fn unix_time_at(&self, machine_ms: i64) -> u32 {
        let server_ms = machine_ms.saturating_add(self.offset_ms.load(Ordering::Relaxed));
        server_ms.div_euclid(1000).clamp(0, u32::MAX.into()) as u32
    }

    fn correct_at(&self, machine_ms: i64, server_ms: i64) -> bool {
        let offset_ms = server_ms.saturating_sub(machine_ms);
        let change_ms = offset_ms.saturating_sub(self.offset_ms.load(Ordering::Relaxed));
        if change_ms.saturating_abs() < WORTH_CORRECTING_MS {
            return false;
        }
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        // One warning is enough. Later changes come from setting the machine's clock, or from servers that disagree.
        let is_first = !self.was_corrected.swap(true, Ordering::Relaxed);
        let level = if is_first { log::Level::Warn } else { log::Level::Info };
        log::log!(level, "calls are signed with the server's time: this machine's clock is {}", Deviation(offset_ms));
        true
    }
}

/// Milliseconds since the epoch. Negative before it.
fn machine_time_ms() -> i64 {
    let (since_epoch, sign) = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since_epoch) => (since_epoch, 1),
        Err(error) => (error.duration(), -1),
    };
    i64::try_from(since_epoch.as_millis()).map_or(i64::MAX, |ms| sign * ms)
}

/// Displays how far off the machine's clock is, compared with a clock that is this many milliseconds ahead.
struct Deviation(i64);

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.unsigned_abs() as f64 / 1000.0;
        let direction = if self.0 < 0 { "ahead" } else { "behind" };
        write!(f, "{seconds:.1} s {direction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE_MS: i64 = 1_700_000_000_999;

    #[test]
    fn machine_time_is_used_until_it_is_corrected() {
        let clock = ServerClock::default();
        assert_eq!(clock.unix_time_at(MACHINE_MS), 1_700_000_000);
        for (off_by, direction) in [(90_000, "90.0 s behind"), (-90_000, "90.0 s ahead"), (0, "0.0 s behind")] {
            assert!(clock.correct_at(MACHINE_MS, MACHINE_MS + off_by));
            assert_eq!(i64::from(clock.unix_time_at(MACHINE_MS)), (MACHINE_MS + off_by) / 1000);
            assert_eq!(Deviation(off_by).to_string(), direction);
        }
    }

    #[test]
    fn correct_clock_is_not_changed() {
        let clock = ServerClock::default();
        assert!(!clock.correct_at(MACHINE_MS, MACHINE_MS + 1_999));
        assert_eq!(clock.unix_time_at(MACHINE_MS), 1_700_000_000);
        assert!(clock.correct_at(MACHINE_MS, MACHINE_MS + 90_000));
        assert!(!clock.correct_at(MACHINE_MS, MACHINE_MS + 91_000), "it was corrected already");
    }

    #[test]
    fn time_out_of_range_is_clamped() {
        let clock = ServerClock::default();
        assert_eq!((clock.unix_time_at(-5), clock.unix_time_at(i64::MAX)), (0, u32::MAX));
        assert!(clock.correct_at(-5, MACHINE_MS));
        assert_eq!(clock.unix_time_at(-5), 1_700_000_000);
    }
}
