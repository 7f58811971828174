//! Subscriptions: what one listener subscribes to, and the parameters of `setlisten`.

use std::collections::BTreeSet;

use crate::error::ArgumentError;
use crate::fpnn::{MapWriter, MethodName};
use crate::rtm::{RoomId, UnsignedQuest, UserId};

const SET_LISTEN: MethodName<'static> = MethodName::literal("setlisten");

/// The most ids and events that one subscription may name.
const MOST_NAMED: usize = 100_000;

/// How many bytes of ids and events fit a `setlisten`, whose frame must stay below the server's 8 MiB. The rest is for
/// everything around them.
pub const MOST_NAMED_BYTES: usize = 8 * 1024 * 1024 - 1024;

/// What to subscribe to: rooms, groups, messages from user to user, and events, each by id or name, or all of a kind.
/// Passed to `Client::listen`.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::Listen;
///
/// let listen = Listen::new().room(42).rooms(&[43, 44]).event("login");
/// assert_ne!(listen, Listen::new().all_rooms());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a `Listen` does nothing until it is passed to `Client::listen`"]
pub struct Listen {
    pub(crate) users: Wanted<UserId>,
    pub(crate) groups: Wanted<i64>,
    pub(crate) rooms: Wanted<RoomId>,
    pub(crate) events: Wanted<Box<str>>,
}

/// The part of a subscription for one kind. Both fields may be set: rooms that are named can also be caught up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<K> {
    pub(crate) all: bool,
    pub(crate) named: BTreeSet<K>,
}

impl<K> Default for Wanted<K> {
    fn default() -> Self {
        Wanted { all: false, named: BTreeSet::new() }
    }
}

impl<K> Wanted<K> {
    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.named.is_empty()
    }
}

impl Listen {
    /// Starts with nothing; the methods add to it.
    pub fn new() -> Listen {
        Listen::default()
    }

    /// Adds the messages in the room `rid`.
    pub fn room(self, rid: RoomId) -> Listen {
        self.rooms(&[rid])
    }

    /// Adds the messages in these rooms.
    pub fn rooms(mut self, rids: &[RoomId]) -> Listen {
        self.rooms.named.extend(rids);
        self
    }

    /// Adds the messages in all rooms of the project.
    pub fn all_rooms(mut self) -> Listen {
        self.rooms.all = true;
        self
    }

    /// Adds the messages in the group `gid`.
    pub fn group(self, gid: i64) -> Listen {
        self.groups(&[gid])
    }

    /// Adds the messages in these groups.
    pub fn groups(mut self, gids: &[i64]) -> Listen {
        self.groups.named.extend(gids);
        self
    }

    /// Adds the messages in all groups of the project.
    pub fn all_groups(mut self) -> Listen {
        self.groups.all = true;
        self
    }

    /// Adds the messages from user to user that `uid` sends or receives.
    pub fn user(self, uid: UserId) -> Listen {
        self.users(&[uid])
    }

    /// Adds the messages from user to user that these users send or receive.
    pub fn users(mut self, uids: &[UserId]) -> Listen {
        self.users.named.extend(uids);
        self
    }

    /// Adds all messages from user to user in the project.
    pub fn all_users(mut self) -> Listen {
        self.users.all = true;
        self
    }

    /// Adds the events of this name, such as `login` or `logout`.
    pub fn event(self, name: &str) -> Listen {
        self.events(&[name])
    }

    /// Adds the events of these names.
    pub fn events(mut self, names: &[&str]) -> Listen {
        self.events.named.extend(names.iter().map(|&name| name.into()));
        self
    }

    /// Adds all events.
    pub fn all_events(mut self) -> Listen {
        self.events.all = true;
        self
    }

    /// Whether the subscription names any room by its id.
    pub(crate) fn names_rooms(&self) -> bool {
        !self.rooms.named.is_empty()
    }

    /// Checks that the subscription can work.
    pub(crate) fn check(&self) -> Result<(), ArgumentError> {
        let Listen { users, groups, rooms, events } = self;
        if users.is_empty() && groups.is_empty() && rooms.is_empty() && events.is_empty() {
            return Err(ArgumentError::new("a listener must name something to subscribe to"));
        }
        if events.named.iter().any(|name| name.is_empty() || name.len() > usize::from(u8::MAX)) {
            return Err(ArgumentError::new("the name of an event must have 1 to 255 bytes"));
        }
        let named = users.named.len() + groups.named.len() + rooms.named.len() + events.named.len();
        if named > MOST_NAMED {
            let message = format!("a listener can name at most {MOST_NAMED} ids and events, not {named}");
            return Err(ArgumentError::new(message));
        }
        Ok(())
    }
}

/// The parameters of `setlisten`. Every request contains all four kinds, because it is not known how a server treats a
/// missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetListen {
    pub users: Subjects<UserId>,
    pub groups: Subjects<i64>,
    pub rooms: Subjects<RoomId>,
    pub events: Subjects<Box<str>>,
}

/// What is requested of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects<K> {
    All,
    Only(Vec<K>),
}

/// Subscribes to pushes. Replaces the previous subscription.
#[must_use]
pub fn set_listen(listen: &SetListen) -> UnsignedQuest {
    let mut quest = UnsignedQuest::new(SET_LISTEN);
    listen.write(quest.params());
    quest
}

impl SetListen {
    /// Writes each kind: its boolean for everything, or its list.
    fn write<'a>(&self, params: MapWriter<'a>) -> MapWriter<'a> {
        let params = write_ids(params, "p2p", "uids", &self.users);
        let params = write_ids(params, "group", "gids", &self.groups);
        let params = write_ids(params, "room", "rids", &self.rooms);
        match &self.events {
            Subjects::All => params.bool("ev", true),
            Subjects::Only(names) => params.strs("events", names.iter().map(|name| &**name)),
        }
    }
}

fn write_ids<'a>(params: MapWriter<'a>, all_key: &str, list_key: &str, subjects: &Subjects<i64>) -> MapWriter<'a> {
    match subjects {
        Subjects::All => params.bool(all_key, true),
        Subjects::Only(ids) => params.ints(list_key, ids.iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_subscription_is_refused() {
        assert!(Listen::new().check().is_err());
        assert!(Listen::new().rooms(&[]).events(&[]).check().is_err());
        for sound in [Listen::new().room(0), Listen::new().all_users(), Listen::new().event("login")] {
            assert!(sound.check().is_ok());
        }
    }

    #[test]
    fn subscription_over_the_limits_is_refused() {
        assert!(Listen::new().event("").check().is_err());
        assert!(Listen::new().event(&"e".repeat(256)).check().is_err());
        let rids: Vec<i64> = (0..=MOST_NAMED as i64).collect();
        assert!(Listen::new().rooms(&rids).check().is_err());
        assert!(Listen::new().rooms(&rids[1..]).check().is_ok());
    }

    #[test]
    fn frame_with_the_most_names_fits_the_server() {
        let rooms: Vec<i64> = (0..MOST_NAMED_BYTES as i64 / 9).map(|number| i64::MAX - number).collect();
        let [users, groups] = [(); 2].map(|()| Subjects::Only(Vec::new()));
        let listen = SetListen { users, groups, rooms: Subjects::Only(rooms), events: Subjects::Only(Vec::new()) };
        let len = set_listen(&listen).frame_len();
        assert!((MOST_NAMED_BYTES..8 * 1024 * 1024).contains(&len), "{len}");
    }

    #[test]
    fn every_kind_is_sent_as_a_boolean_or_a_list() {
        let parameters = SetListen {
            users: Subjects::Only(vec![]),
            groups: Subjects::All,
            rooms: Subjects::Only(vec![1, 2]),
            events: Subjects::Only(vec!["login".into()]),
        };
        let mut bytes = Vec::new();
        parameters.write(MapWriter::begin(&mut bytes));
        assert_eq!(bytes, b"\x84\xa4uids\x90\xa5group\xc3\xa4rids\x92\x01\x02\xa6events\x91\xa5login");
    }
}
