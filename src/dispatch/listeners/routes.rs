//! Routes: maps a push to the listeners that subscribed to it.
//!
//! Each list contains a listener at most once. Lists are sorted by id, because ids are assigned in ascending order
//! under the lock.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::engine::ListenerId;
use crate::rtm::methods::listen::{Listen, Wanted};
use crate::rtm::{PushRef, RoomId, Target, UserId};

/// The listeners of every kind of push.
#[derive(Debug, Default)]
pub(super) struct Routes {
    users: Kind<UserId>,
    groups: Kind<i64>,
    rooms: Kind<RoomId>,
    events: Kind<Box<str>>,
}

/// The listeners of one kind. A listener to all of it is not listed by name.
#[derive(Debug)]
struct Kind<K> {
    all: Vec<ListenerId>,
    named: FxHashMap<K, Vec<ListenerId>>,
}

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Kind { all: Vec::new(), named: FxHashMap::default() }
    }
}

impl Routes {
    pub(super) fn add(&mut self, id: ListenerId, listen: &Listen) {
        self.users.add(id, &listen.users);
        self.groups.add(id, &listen.groups);
        self.rooms.add(id, &listen.rooms);
        self.events.add(id, &listen.events);
    }

    pub(super) fn remove(&mut self, id: ListenerId, listen: &Listen) {
        self.users.remove(id, &listen.users);
        self.groups.remove(id, &listen.groups);
        self.rooms.remove(id, &listen.rooms);
        self.events.remove(id, &listen.events);
    }

    /// Appends the listeners of a push, each once.
    pub(super) fn find(&self, push: &PushRef<'_>, found: &mut Vec<ListenerId>) {
        match push {
            PushRef::Event(event) => {
                found.extend(&self.events.all);
                // Subscriptions name events by text, so a name that is not UTF-8 has no listeners.
                let named = std::str::from_utf8(event.name).ok().and_then(|name| self.events.named.get(name));
                found.extend(named.into_iter().flatten());
            }
            PushRef::Message(message) => match message.target {
                Target::Room(rid) => self.rooms.find(&rid, found),
                Target::Group(gid) => self.groups.find(&gid, found),
                Target::User(uid) => {
                    self.users.find(&uid, found);
                    if uid != message.from {
                        let named = self.users.named.get(&message.from);
                        let is_new = |id: &&ListenerId| !self.users.names(&uid, **id);
                        found.extend(named.into_iter().flatten().filter(is_new));
                    }
                }
            },
        }
    }
}

impl<K: Clone + Eq + Hash> Kind<K> {
    fn add(&mut self, id: ListenerId, wanted: &Wanted<K>) {
        if wanted.all {
            return self.all.push(id);
        }
        for key in &wanted.named {
            self.named.entry(key.clone()).or_default().push(id);
        }
    }

    fn remove(&mut self, id: ListenerId, wanted: &Wanted<K>) {
        if wanted.all {
            return remove_from(&mut self.all, id);
        }
        for key in &wanted.named {
            let Some(listeners) = self.named.get_mut(key) else { continue };
            remove_from(listeners, id);
            if listeners.is_empty() {
                self.named.remove(key);
            }
        }
    }

    fn find(&self, key: &K, found: &mut Vec<ListenerId>) {
        found.extend(&self.all);
        found.extend(self.named.get(key).into_iter().flatten());
    }

    /// Ids are assigned in ascending order, so each list is sorted.
    fn names(&self, key: &K, id: ListenerId) -> bool {
        self.named.get(key).is_some_and(|listeners| listeners.binary_search(&id).is_ok())
    }
}

/// Removes a listener from a sorted list.
fn remove_from(listeners: &mut Vec<ListenerId>, id: ListenerId) {
    if let Ok(index) = listeners.binary_search(&id) {
        listeners.remove(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpnn::RawString;
    use crate::rtm::{EventRef, MessageRef, MessageType};

    fn message(target: Target, from: i64) -> PushRef<'static> {
        let (mtype, body) = (MessageType::CHAT, RawString::Str(b""));
        PushRef::Message(MessageRef { target, from, mid: 1, mtype, body, attrs: b"", mtime: None })
    }

    fn event(name: &'static [u8]) -> PushRef<'static> {
        PushRef::Event(EventRef { pid: 1, name, uid: 2, time: 3, endpoint: b"", data: None })
    }

    fn routes(subscriptions: &[Listen]) -> Routes {
        let mut routes = Routes::default();
        (0..).zip(subscriptions).for_each(|(id, listen)| routes.add(ListenerId(id), listen));
        routes
    }

    fn found(routes: &Routes, push: PushRef<'_>) -> Vec<u64> {
        let mut found = Vec::new();
        routes.find(&push, &mut found);
        let mut found: Vec<u64> = found.into_iter().map(|id| id.0).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn each_listener_gets_what_it_subscribed_to() {
        let subscriptions = [Listen::new().room(1), Listen::new().all_rooms().room(1), Listen::new().group(1)];
        let routes = routes(&subscriptions);
        assert_eq!(found(&routes, message(Target::Room(1), 9)), [0, 1]);
        assert_eq!(found(&routes, message(Target::Room(2), 9)), [1]);
        assert_eq!(found(&routes, message(Target::Group(1), 9)), [2]);
        assert_eq!(found(&routes, message(Target::User(1), 9)), [] as [u64; 0]);
    }

    #[test]
    fn message_between_users_reaches_listeners_to_either() {
        let routes = routes(&[Listen::new().users(&[1, 2]), Listen::new().user(2), Listen::new().all_users().user(1)]);
        assert_eq!(found(&routes, message(Target::User(1), 2)), [0, 1, 2]);
        assert_eq!(found(&routes, message(Target::User(1), 1)), [0, 2]);
    }

    #[test]
    fn events_are_found_by_name() {
        let routes = routes(&[Listen::new().event("login"), Listen::new().all_events()]);
        assert_eq!(found(&routes, event(b"login")), [0, 1]);
        assert_eq!(found(&routes, event(b"logout")), [1]);
        assert_eq!(found(&routes, event(b"\xff")), [1]);
    }

    #[test]
    fn removed_listener_is_not_found() {
        let subscription = Listen::new().room(1).all_events();
        let mut routes = routes(std::slice::from_ref(&subscription));
        routes.remove(ListenerId(0), &subscription);
        assert_eq!(found(&routes, message(Target::Room(1), 9)), [] as [u64; 0]);
        assert_eq!(found(&routes, event(b"login")), [] as [u64; 0]);
        assert!(routes.rooms.named.is_empty());
    }
}
