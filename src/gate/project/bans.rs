//! The bans of a project's users, and when they end.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::rtm::{RoomId, UserId};

/// Expired bans are removed after at least this many new ones.
const SWEEP_EVERY: usize = 1024;

/// The bans of one project.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    users: FxHashMap<UserId, UserBans>,
    added_since_sweep: usize,
    sweep_after: usize,
}

#[derive(Debug, Default)]
struct UserBans {
    everywhere: Option<Until>,
    rooms: FxHashMap<RoomId, Until>,
}

#[derive(Debug, Clone, Copy)]
enum Until {
    /// Until the ban is lifted.
    Lifted,
    Time(Instant),
}

impl Bans {
    /// Bans `uid` from speaking in one room or in all of them, for a time or until the ban is lifted. Replaces an
    /// earlier ban of the same scope.
    pub(crate) fn add(&mut self, room: Option<RoomId>, uid: UserId, time: Option<Duration>, now: Instant) {
        self.sweep_now_and_then(now);
        // A ban that ends beyond the clock's range never ends.
        let until = time.and_then(|time| now.checked_add(time)).map_or(Until::Lifted, Until::Time);
        let user = self.users.entry(uid).or_default();
        match room {
            Some(room) => _ = user.rooms.insert(room, until),
            None => user.everywhere = Some(until),
        }
    }

    /// Lifts the ban of one room, or all bans of the user.
    pub(crate) fn remove(&mut self, room: Option<RoomId>, uid: UserId) {
        let Some(room) = room else {
            self.users.remove(&uid);
            return;
        };
        if let Some(user) = self.users.get_mut(&uid) {
            user.rooms.remove(&room);
            if user.is_empty() {
                self.users.remove(&uid);
            }
        }
    }

    /// Whether `uid` is banned in `room`, by a ban of that room or of all rooms.
    pub(crate) fn is_banned(&self, room: RoomId, uid: UserId, now: Instant) -> bool {
        self.users.get(&uid).is_some_and(|user| {
            let scopes = [user.everywhere, user.rooms.get(&room).copied()];
            scopes.into_iter().flatten().any(|until| until.is_after(now))
        })
    }

    /// A sweep costs only as much as the bans added since the last one, however many there are.
    fn sweep_now_and_then(&mut self, now: Instant) {
        self.added_since_sweep += 1;
        if self.added_since_sweep <= self.sweep_after.max(SWEEP_EVERY) {
            return;
        }
        self.users.retain(|_, user| {
            user.everywhere = user.everywhere.filter(|until| until.is_after(now));
            user.rooms.retain(|_, until| until.is_after(now));
            !user.is_empty()
        });
        self.added_since_sweep = 0;
        self.sweep_after = self.users.values().map(|user| user.rooms.len() + 1).sum();
    }
}

impl UserBans {
    fn is_empty(&self) -> bool {
        self.everywhere.is_none() && self.rooms.is_empty()
    }
}

impl Until {
    fn is_after(self, now: Instant) -> bool {
        match self {
            Until::Lifted => true,
            Until::Time(end) => now < end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ban_expires_at_its_time() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(Some(1), 7, Some(2 * SECOND), now);
        assert!(bans.is_banned(1, 7, now + 2 * SECOND - Duration::from_millis(1)));
        assert!(!bans.is_banned(1, 7, now + 2 * SECOND));
    }

    #[test]
    fn ban_without_time_never_expires() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(Some(1), 7, None, now);
        assert!(bans.is_banned(1, 7, now + 1_000_000_000 * SECOND));
    }

    #[test]
    fn ban_of_one_room_affects_no_other_room_or_user() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(Some(1), 7, None, now);
        assert!(!bans.is_banned(2, 7, now));
        assert!(!bans.is_banned(1, 8, now));
    }

    #[test]
    fn ban_of_all_rooms_affects_every_room() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(None, 7, Some(SECOND), now);
        assert!([i64::MIN, 0, 1, i64::MAX].into_iter().all(|room| bans.is_banned(room, 7, now)));
        assert!(!bans.is_banned(1, 7, now + SECOND));
    }

    #[test]
    fn later_ban_replaces_an_earlier_one() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(Some(1), 7, None, now);
        bans.add(Some(1), 7, Some(SECOND), now);
        assert!(!bans.is_banned(1, 7, now + SECOND));
    }

    #[test]
    fn lifting_one_rooms_ban_leaves_that_of_all_rooms() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(None, 7, None, now);
        bans.add(Some(1), 7, None, now);
        bans.remove(Some(1), 7);
        assert!(bans.is_banned(1, 7, now));
    }

    #[test]
    fn lifting_without_a_room_lifts_every_ban_of_the_user() {
        let (mut bans, now) = (Bans::default(), Instant::now());
        bans.add(None, 7, None, now);
        bans.add(Some(1), 7, None, now);
        bans.add(Some(1), 8, None, now);
        bans.remove(None, 7);
        assert!(!bans.is_banned(1, 7, now));
        assert!(bans.is_banned(1, 8, now));
    }

    #[test]
    fn expired_bans_do_not_accumulate() {
        let (mut bans, mut now) = (Bans::default(), Instant::now());
        bans.add(Some(1), -1, None, now);
        for uid in 0..100_000 {
            bans.add(Some(uid % 10), uid % 5_000, Some(SECOND), now);
            now += SECOND;
        }
        let left: usize = bans.users.values().map(|user| user.rooms.len()).sum();
        assert!(left <= 3 * SWEEP_EVERY, "{left} bans are left");
        assert!(bans.is_banned(1, -1, now));
    }
}
