//! The rooms of one project: members and infos.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::rtm::{RoomId, UserId};

/// The rooms of a project. A room exists once a call names it.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    rooms: FxHashMap<RoomId, Room>,
    /// Where each user is, if users can be in one room at a time.
    whereabouts: Option<FxHashMap<UserId, RoomId>>,
}

#[derive(Debug, Default)]
struct Room {
    /// In ascending order, so that answers are always the same.
    members: BTreeSet<UserId>,
    public_info: Box<str>,
    private_info: Box<str>,
}

impl Room {
    fn is_blank(&self) -> bool {
        self.members.is_empty() && self.public_info.is_empty() && self.private_info.is_empty()
    }
}

impl Rooms {
    /// Creates the rooms, of which there are none yet. With `single_room`, a user who enters a room leaves the previous
    /// one.
    pub(crate) fn new(single_room: bool) -> Rooms {
        Rooms { whereabouts: single_room.then(FxHashMap::default), ..Rooms::default() }
    }

    /// Adds a user to a room. Adding a member again changes nothing.
    pub(crate) fn add_member(&mut self, room: RoomId, uid: UserId) {
        let left = self.whereabouts.as_mut().and_then(|whereabouts| whereabouts.insert(uid, room));
        if let Some(left) = left.filter(|&left| left != room) {
            self.remove_member(left, uid);
        }
        self.rooms.entry(room).or_default().members.insert(uid);
    }

    /// Removes a user from a room. Returns whether the user was there.
    pub(crate) fn remove_member(&mut self, room: RoomId, uid: UserId) -> bool {
        let Entry::Occupied(mut entry) = self.rooms.entry(room) else { return false };
        let was_there = entry.get_mut().members.remove(&uid);
        if entry.get().is_blank() {
            entry.remove();
        }
        was_there
    }

    /// Whether a user is in a room.
    pub(crate) fn is_member(&self, room: RoomId, uid: UserId) -> bool {
        self.rooms.get(&room).is_some_and(|room| room.members.contains(&uid))
    }

    /// The members of a room, in ascending order.
    pub(crate) fn members(&self, room: RoomId) -> impl ExactSizeIterator<Item = UserId> + '_ {
        static NOBODY: BTreeSet<UserId> = BTreeSet::new();
        self.rooms.get(&room).map_or(&NOBODY, |room| &room.members).iter().copied()
    }

    /// The number of users in a room.
    pub(crate) fn member_count(&self, room: RoomId) -> usize {
        self.rooms.get(&room).map_or(0, |room| room.members.len())
    }

    /// Sets one info of a room or both; `None` leaves an info unchanged.
    pub(crate) fn set_info(&mut self, room: RoomId, public: Option<&str>, private: Option<&str>) {
        let room = self.rooms.entry(room).or_default();
        if let Some(public) = public {
            room.public_info = public.into();
        }
        if let Some(private) = private {
            room.private_info = private.into();
        }
    }

    /// The public and the private info of a room; each is empty if it was never set.
    pub(crate) fn info(&self, room: RoomId) -> (&str, &str) {
        self.rooms.get(&room).map_or(("", ""), |room| (&*room.public_info, &*room.private_info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(rooms: &Rooms, room: RoomId) -> Vec<UserId> {
        rooms.members(room).collect()
    }

    #[test]
    fn members_are_listed_once_in_ascending_order() {
        let mut rooms = Rooms::default();
        for uid in [5, -3, i64::MAX, 5, 0, i64::MIN] {
            rooms.add_member(1, uid);
        }
        assert_eq!(members(&rooms, 1), [i64::MIN, -3, 0, 5, i64::MAX]);
        assert_eq!((rooms.member_count(1), rooms.member_count(2)), (5, 0));
    }

    #[test]
    fn single_room_user_leaves_the_previous_room() {
        let mut rooms = Rooms::new(true);
        for room in [1, 2, 2, 3, 2] {
            rooms.add_member(room, 7);
        }
        assert_eq!([1, 2, 3].map(|room| members(&rooms, room)), [vec![], vec![7], vec![]]);
        rooms.remove_member(2, 7);
        rooms.add_member(1, 7);
        assert_eq!([1, 2].map(|room| members(&rooms, room)), [vec![7], vec![]]);
    }

    #[test]
    fn removed_member_is_gone_from_its_room_only() {
        let mut rooms = Rooms::default();
        rooms.add_member(1, 7);
        rooms.add_member(2, 7);
        rooms.remove_member(1, 7);
        rooms.remove_member(1, 7);
        assert_eq!((members(&rooms, 1), members(&rooms, 2)), (vec![], vec![7]));
    }

    #[test]
    fn setting_one_info_leaves_the_other() {
        let mut rooms = Rooms::default();
        rooms.set_info(1, Some("open"), None);
        rooms.set_info(1, None, Some("closed"));
        assert_eq!(rooms.info(1), ("open", "closed"));
        rooms.set_info(1, Some(""), None);
        assert_eq!(rooms.info(1), ("", "closed"));
        assert_eq!(rooms.info(2), ("", ""));
    }

    #[test]
    fn room_keeps_its_info_when_the_last_member_leaves() {
        let mut rooms = Rooms::default();
        rooms.set_info(1, Some("open"), None);
        rooms.add_member(1, 7);
        rooms.remove_member(1, 7);
        assert_eq!(rooms.info(1), ("open", ""));
    }

    #[test]
    fn room_that_holds_nothing_takes_no_memory() {
        let mut rooms = Rooms::default();
        for room in 0..100 {
            rooms.add_member(room, 7);
            rooms.remove_member(room, 7);
        }
        assert!(rooms.rooms.is_empty());
    }
}
