//! The union of the subscriptions of many listeners, maintained by counting.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::rtm::methods::listen::{Listen, SetListen, Subjects, Wanted};
use crate::rtm::{RoomId, UserId};

/// How many subscriptions contain each subject.
#[derive(Debug, Default)]
pub(super) struct Union {
    users: Counts<UserId>,
    groups: Counts<i64>,
    rooms: Counts<RoomId>,
    events: Counts<Box<str>>,
}

#[derive(Debug)]
struct Counts<K> {
    all: usize,
    named: FxHashMap<K, usize>,
    /// An upper bound for the size of the names in a `setlisten`.
    encoded_len: usize,
}

/// A name in a `setlisten`.
pub(super) trait Name: Clone + Eq + Hash + Ord {
    /// An upper bound for its encoded size.
    fn encoded_len(&self) -> usize;
}

impl Name for i64 {
    fn encoded_len(&self) -> usize {
        9
    }
}

impl Name for Box<str> {
    fn encoded_len(&self) -> usize {
        self.len() + 2
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts { all: 0, named: FxHashMap::default(), encoded_len: 0 }
    }
}

impl Union {
    /// Adds a subscription. Returns whether that changed the union.
    pub(super) fn add(&mut self, listen: &Listen) -> bool {
        let changes = [
            self.users.add(&listen.users),
            self.groups.add(&listen.groups),
            self.rooms.add(&listen.rooms),
            self.events.add(&listen.events),
        ];
        changes.contains(&true)
    }

    /// Removes a subscription. Returns whether that changed the union.
    pub(super) fn remove(&mut self, listen: &Listen) -> bool {
        let changes = [
            self.users.remove(&listen.users),
            self.groups.remove(&listen.groups),
            self.rooms.remove(&listen.rooms),
            self.events.remove(&listen.events),
        ];
        changes.contains(&true)
    }

    /// Whether the union contains the whole subscription.
    pub(super) fn covers(&self, listen: &Listen) -> bool {
        self.users.covers(&listen.users)
            && self.groups.covers(&listen.groups)
            && self.rooms.covers(&listen.rooms)
            && self.events.covers(&listen.events)
    }

    /// An upper bound for the size of all names in a `setlisten`. Names count even if a subscription to all of their
    /// kind makes them redundant: that one may be removed first.
    pub(super) fn encoded_len(&self) -> usize {
        self.users.encoded_len + self.groups.encoded_len + self.rooms.encoded_len + self.events.encoded_len
    }

    /// The union as parameters of a `setlisten`.
    pub(super) fn to_parameters(&self) -> SetListen {
        SetListen {
            users: self.users.to_subjects(),
            groups: self.groups.to_subjects(),
            rooms: self.rooms.to_subjects(),
            events: self.events.to_subjects(),
        }
    }
}

impl<K: Name> Counts<K> {
    fn add(&mut self, wanted: &Wanted<K>) -> bool {
        let was_all = self.all > 0;
        self.all += usize::from(wanted.all);
        let mut has_new_name = false;
        for key in &wanted.named {
            let count = self.named.entry(key.clone()).or_insert(0);
            *count += 1;
            if *count == 1 {
                has_new_name = true;
                self.encoded_len += key.encoded_len();
            }
        }
        // Names make no difference while a subscription to all of their kind exists.
        !was_all && (self.all > 0 || has_new_name)
    }

    fn remove(&mut self, wanted: &Wanted<K>) -> bool {
        let was_all = self.all > 0;
        self.all -= usize::from(wanted.all);
        let mut has_lost_name = false;
        for key in &wanted.named {
            if let Entry::Occupied(mut count) = self.named.entry(key.clone()) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                    has_lost_name = true;
                    self.encoded_len -= key.encoded_len();
                }
            }
        }
        if was_all { self.all == 0 } else { has_lost_name }
    }

    fn covers(&self, wanted: &Wanted<K>) -> bool {
        let has_named = || wanted.named.iter().all(|key| self.named.contains_key(key));
        self.all > 0 || (!wanted.all && has_named())
    }

    fn to_subjects(&self) -> Subjects<K> {
        if self.all > 0 {
            return Subjects::All;
        }
        let mut keys: Vec<K> = self.named.keys().cloned().collect();
        keys.sort_unstable();
        Subjects::Only(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_and_last_subscription_to_a_room_change_the_union() {
        let mut union = Union::default();
        let room = Listen::new().room(1);
        assert_eq!([union.add(&room), union.add(&room)], [true, false]);
        assert_eq!([union.remove(&room), union.remove(&room)], [false, true]);
    }

    #[test]
    fn each_name_counts_once() {
        let mut union = Union::default();
        let subscriptions = [Listen::new().room(1).event("login"), Listen::new().rooms(&[1, 2]).all_rooms()];
        subscriptions.iter().for_each(|listen| _ = union.add(listen));
        assert_eq!(union.encoded_len(), 9 + 7 + 9);
        subscriptions.iter().for_each(|listen| _ = union.remove(listen));
        assert_eq!(union.encoded_len(), 0);
    }

    #[test]
    fn subscription_is_covered_by_names_or_by_all_of_the_kind() {
        let mut union = Union::default();
        union.add(&Listen::new().rooms(&[1, 2]).all_groups().event("login"));
        for covered in [Listen::new().room(2).event("login"), Listen::new().groups(&[7, 8]), Listen::new().all_groups()]
        {
            assert!(union.covers(&covered), "{covered:?}");
        }
        let others = [Listen::new().rooms(&[1, 3]), Listen::new().all_rooms(), Listen::new().room(1).event("logout")];
        for other in others.into_iter().chain([Listen::new().group(1).user(1), Listen::new().all_events()]) {
            assert!(!union.covers(&other), "{other:?}");
        }
    }

    #[test]
    fn names_do_not_matter_next_to_all_of_their_kind() {
        let mut union = Union::default();
        assert!(union.add(&Listen::new().all_rooms()));
        assert!(!union.add(&Listen::new().room(1)));
        assert!(union.add(&Listen::new().group(1)), "a group is of another kind");
        assert!(union.remove(&Listen::new().all_rooms()));
        assert_eq!(union.to_parameters().rooms, Subjects::Only(vec![1]));
    }
}
