//! The rooms of one project: who is in them, what they say of themselves, who may not speak. Pure state; the time is a
//! parameter.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

/// When a ban ends; `None` is never.
type BanEnd = Option<Instant>;

/// The rooms of one project. A room exists as soon as anything is said of it.
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: FxHashMap<i64, Room>,
    /// Bans in every room of the project.
    banned_everywhere: FxHashMap<i64, BanEnd>,
}

#[derive(Debug, Default)]
struct Room {
    members: BTreeSet<i64>,
    public_info: Option<String>,
    private_info: Option<String>,
    banned: FxHashMap<i64, BanEnd>,
}

impl Rooms {
    pub fn add_member(&mut self, rid: i64, uid: i64) {
        self.rooms.entry(rid).or_default().members.insert(uid);
    }

    pub fn remove_member(&mut self, rid: i64, uid: i64) {
        if let Some(room) = self.rooms.get_mut(&rid) {
            room.members.remove(&uid);
        }
    }

    /// The members of a room, in ascending order.
    pub fn members(&self, rid: i64) -> impl ExactSizeIterator<Item = i64> {
        self.rooms.get(&rid).map(|room| room.members.iter()).unwrap_or_default().copied()
    }

    pub fn member_count(&self, rid: i64) -> usize {
        self.rooms.get(&rid).map_or(0, |room| room.members.len())
    }

    /// Sets the infos that are given, and leaves the others as they are.
    pub fn set_infos(&mut self, rid: i64, public: Option<&str>, private: Option<&str>) {
        let room = self.rooms.entry(rid).or_default();
        if let Some(info) = public {
            room.public_info = Some(info.to_owned());
        }
        if let Some(info) = private {
            room.private_info = Some(info.to_owned());
        }
    }

    /// The public and the private info of a room.
    pub fn infos(&self, rid: i64) -> (Option<&str>, Option<&str>) {
        self.rooms.get(&rid).map_or((None, None), |room| (room.public_info.as_deref(), room.private_info.as_deref()))
    }

    /// Bans a user in one room, or in every one, for a time or for ever. A new ban takes the place of an old one.
    pub fn ban(&mut self, rid: Option<i64>, uid: i64, time: Option<Duration>, now: Instant) {
        let end = time.and_then(|time| now.checked_add(time));
        self.bans_mut(rid).insert(uid, end);
    }

    /// Ends a user's ban in one room, or the one in every room. Each leaves the other alone.
    pub fn unban(&mut self, rid: Option<i64>, uid: i64) {
        self.bans_mut(rid).remove(&uid);
    }

    /// Whether a user may not speak in a room now.
    pub fn is_banned(&self, rid: i64, uid: i64, now: Instant) -> bool {
        let holds = |bans: &FxHashMap<i64, BanEnd>| bans.get(&uid).is_some_and(|end| end.is_none_or(|end| now < end));
        holds(&self.banned_everywhere) || self.rooms.get(&rid).is_some_and(|room| holds(&room.banned))
    }

    fn bans_mut(&mut self, rid: Option<i64>) -> &mut FxHashMap<i64, BanEnd> {
        match rid {
            Some(rid) => &mut self.rooms.entry(rid).or_default().banned,
            None => &mut self.banned_everywhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_ascending_order_and_once() {
        let mut rooms = Rooms::default();
        for uid in [5, -3, 9, 5] {
            rooms.add_member(1, uid);
        }
        rooms.remove_member(1, 9);
        rooms.remove_member(2, 9);
        assert_eq!(rooms.members(1).collect::<Vec<_>>(), [-3, 5]);
        assert_eq!((rooms.member_count(1), rooms.member_count(2)), (2, 0));
    }

    #[test]
    fn info_that_is_not_given_stays() {
        let mut rooms = Rooms::default();
        rooms.set_infos(1, Some("public"), None);
        rooms.set_infos(1, None, Some("private"));
        assert_eq!(rooms.infos(1), (Some("public"), Some("private")));
        assert_eq!(rooms.infos(2), (None, None));
    }

    #[test]
    fn ban_runs_out() {
        let now = Instant::now();
        let mut rooms = Rooms::default();
        rooms.ban(Some(1), 7, Some(Duration::from_secs(10)), now);
        assert!(rooms.is_banned(1, 7, now + Duration::from_millis(9_999)));
        assert!(!rooms.is_banned(1, 7, now + Duration::from_secs(10)));
        assert!(!rooms.is_banned(2, 7, now));
    }

    #[test]
    fn ban_everywhere_shows_in_every_room_and_ends_by_itself_only() {
        let now = Instant::now();
        let mut rooms = Rooms::default();
        rooms.ban(None, 7, None, now);
        assert!(rooms.is_banned(1, 7, now) && rooms.is_banned(99, 7, now));
        rooms.unban(Some(1), 7);
        assert!(rooms.is_banned(1, 7, now));
        rooms.unban(None, 7);
        assert!(!rooms.is_banned(1, 7, now));
    }
}
