//! Detects a dead peer: when to ping, and when to give up.

use std::time::{Duration, Instant};

use crate::config::KeepAlive;

/// What the keep-alive requires.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a ping.
    Ping,
    /// The peer is dead. It was silent for this long.
    Dead(Duration),
}

/// Watches whether the peer of one connection is alive.
#[derive(Debug)]
pub(super) struct KeepAliveTimer {
    settings: KeepAlive,
    last_activity: Instant,
    pings: u32,
    last_ping: Instant,
}

impl KeepAliveTimer {
    /// Creates a timer for a connection whose peer was heard at `now`.
    pub(super) fn new(settings: KeepAlive, now: Instant) -> KeepAliveTimer {
        KeepAliveTimer { settings, last_activity: now, pings: 0, last_ping: now }
    }

    /// Records a sign of life from the peer.
    pub(super) fn record_activity(&mut self, now: Instant) {
        self.last_activity = now;
        self.pings = 0;
    }

    /// When [`check`](KeepAliveTimer::check) next has a result if the silence continues.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let due = match self.pings {
            0 => self.last_activity.checked_add(self.settings.interval),
            // Counted from the ping itself: after the process was suspended, the peer must still have time to answer.
            _ => self.last_ping.checked_add(self.settings.timeout),
        };
        due.filter(|_| self.settings.enabled)
    }

    /// Returns what is due now, if anything. Counts a due ping as sent.
    pub(super) fn check(&mut self, now: Instant) -> Option<Due> {
        if self.due_at().is_none_or(|due| now < due) {
            return None;
        }
        if self.pings == self.settings.tries {
            return Some(Due::Dead(now - self.last_activity));
        }
        self.pings += 1;
        self.last_ping = now;
        Some(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silent_peer_is_pinged_then_declared_dead() {
        let start = Instant::now();
        let mut timer = KeepAliveTimer::new(KeepAlive::default(), start);
        assert_eq!(timer.check(start + 19 * SECOND), None);
        for ping in 0..3 {
            let due = start + (20 + 5 * ping) * SECOND;
            assert_eq!(timer.due_at(), Some(due));
            assert_eq!(timer.check(due), Some(Due::Ping));
            assert_eq!(timer.check(due), None);
        }
        assert_eq!(timer.check(start + 35 * SECOND), Some(Due::Dead(35 * SECOND)));
    }

    #[test]
    fn any_byte_restarts_the_interval() {
        let start = Instant::now();
        let mut timer = KeepAliveTimer::new(KeepAlive::default(), start);
        assert_eq!(timer.check(start + 20 * SECOND), Some(Due::Ping));
        timer.record_activity(start + 21 * SECOND);
        assert_eq!(timer.due_at(), Some(start + 41 * SECOND));
    }

    #[test]
    fn disabled_keep_alive_is_never_due() {
        let start = Instant::now();
        assert_eq!(KeepAliveTimer::new(KeepAlive::disabled(), start).due_at(), None);
    }
}
