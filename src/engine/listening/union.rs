//! The union of what many listeners want, kept up to date by counting.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::rtm::methods::listen::{Listen, SetListen, Subjects, Wanted};

/// How often each thing is wanted.
#[derive(Debug, Default)]
pub(super) struct Union {
    users: Counts<i64>,
    groups: Counts<i64>,
    rooms: Counts<i64>,
    events: Counts<Box<str>>,
}

#[derive(Debug)]
struct Counts<K> {
    all: usize,
    named: FxHashMap<K, usize>,
    /// What the names take in a `setlisten`, at most.
    encoded_len: usize,
}

/// Something that a `setlisten` can name.
pub(super) trait Name: Clone + Eq + Hash + Ord {
    /// How many bytes it takes there, at most.
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
    /// Adds one listener's wish. Says whether the union is another one now.
    pub(super) fn add(&mut self, listen: &Listen) -> bool {
        let changes = [
            self.users.add(&listen.users),
            self.groups.add(&listen.groups),
            self.rooms.add(&listen.rooms),
            self.events.add(&listen.events),
        ];
        changes.contains(&true)
    }

    /// Takes one listener's wish away. Says whether the union is another one now.
    pub(super) fn remove(&mut self, listen: &Listen) -> bool {
        let changes = [
            self.users.remove(&listen.users),
            self.groups.remove(&listen.groups),
            self.rooms.remove(&listen.rooms),
            self.events.remove(&listen.events),
        ];
        changes.contains(&true)
    }

    /// Whether a wish asks for nothing else.
    pub(super) fn covers(&self, listen: &Listen) -> bool {
        self.users.covers(&listen.users)
            && self.groups.covers(&listen.groups)
            && self.rooms.covers(&listen.rooms)
            && self.events.covers(&listen.events)
    }

    /// How many bytes all names take in a `setlisten`, at most. They count even where all of their kind is asked for: whoever
    /// wants all may go first.
    pub(super) fn encoded_len(&self) -> usize {
        self.users.encoded_len + self.groups.encoded_len + self.rooms.encoded_len + self.events.encoded_len
    }

    /// The union as the server is asked for it.
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
        // What is named makes no difference while everything of the kind is asked for.
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
    fn only_the_first_and_the_last_who_want_a_thing_change_the_union() {
        let mut union = Union::default();
        let room = Listen::new().room(1);
        assert_eq!([union.add(&room), union.add(&room)], [true, false]);
        assert_eq!([union.remove(&room), union.remove(&room)], [false, true]);
    }

    #[test]
    fn each_name_counts_once_however_many_want_it() {
        let mut union = Union::default();
        let wishes = [Listen::new().room(1).event("login"), Listen::new().rooms(&[1, 2]).all_rooms()];
        wishes.iter().for_each(|listen| _ = union.add(listen));
        assert_eq!(union.encoded_len(), 9 + 7 + 9);
        wishes.iter().for_each(|listen| _ = union.remove(listen));
        assert_eq!(union.encoded_len(), 0);
    }

    #[test]
    fn wish_is_covered_by_names_or_by_all_of_the_kind() {
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
    fn names_make_no_difference_beside_all_of_their_kind() {
        let mut union = Union::default();
        assert!(union.add(&Listen::new().all_rooms()));
        assert!(!union.add(&Listen::new().room(1)));
        assert!(union.add(&Listen::new().group(1)), "a group is of another kind");
        assert!(union.remove(&Listen::new().all_rooms()));
        assert_eq!(union.to_parameters().rooms, Subjects::Only(vec![1]));
    }
}
