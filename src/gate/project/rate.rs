//! The limit on a project's calls per second.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Counts calls in windows of a second. Each window starts with a call.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    window: Option<Instant>,
    used: u32,
}

impl Rate {
    /// Creates a limit.
    pub(crate) fn new(per_second: u32) -> Rate {
        Rate { per_second, window: None, used: 0 }
    }

    /// Counts a call. Returns whether it is within the limit; a call over the limit does not count.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        if self.window.is_none_or(|start| now.saturating_duration_since(start) >= SECOND) {
            self.window = Some(now);
            self.used = 0;
        }
        let is_within = self.used < self.per_second;
        self.used += u32::from(is_within);
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_takes_its_calls_and_ends_after_a_second() {
        let (mut rate, start) = (Rate::new(3), Instant::now());
        let admitted = [0, 1, 998, 999, 1000, 1001].map(|ms| rate.admit(start + Duration::from_millis(ms)));
        assert_eq!(admitted, [true, true, true, false, true, true]);
    }
}
