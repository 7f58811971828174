//! What each connection listens to.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::rtm::{RoomId, UserId};

/// The id of a connection, unique among the open ones.
pub(crate) type ConnectionId = usize;

/// The connections that listen to anything of a project.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    connections: FxHashMap<ConnectionId, Interests>,
}

/// What one connection listens to.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    /// Messages in rooms.
    pub rooms: Interest<RoomId>,
    /// Messages in groups.
    pub groups: Interest<i64>,
    /// Messages from user to user, by either of the two.
    pub users: Interest<UserId>,
    /// Events, by name.
    pub events: Interest<Box<str>>,
}

/// All of one kind, or those that are named.
#[derive(Debug)]
pub(crate) struct Interest<K> {
    /// Whether it is all of the kind. The names are kept as well.
    pub is_all: bool,
    /// The names.
    pub named: FxHashSet<K>,
}

/// The subject of a push.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A message in a room.
    Room(RoomId),
    /// A message in a group.
    Group(i64),
    /// A message from user to user.
    User {
        /// The sender.
        from: UserId,
        /// The receiver.
        to: UserId,
    },
    /// An event of this name.
    Event(&'a str),
}

impl Listeners {
    /// Returns what a connection listens to, to be changed.
    pub(crate) fn interests(&mut self, connection: ConnectionId) -> &mut Interests {
        self.connections.entry(connection).or_default()
    }

    /// Removes a closed connection.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Returns the connections that listen to `subject`.
    pub(crate) fn of(&self, subject: Subject<'_>) -> Vec<ConnectionId> {
        self.filter(|interests| interests.contain(subject))
    }

    /// Returns the connections that listen to any event.
    pub(crate) fn of_events(&self) -> Vec<ConnectionId> {
        self.filter(|interests| interests.events.is_any())
    }

    fn filter(&self, is_meant: impl Fn(&Interests) -> bool) -> Vec<ConnectionId> {
        self.connections
            .iter()
            .filter(|(_, interests)| is_meant(interests))
            .map(|(&connection, _)| connection)
            .collect()
    }
}

impl Interests {
    fn contain(&self, subject: Subject<'_>) -> bool {
        match subject {
            Subject::Room(room) => self.rooms.is_all || self.rooms.named.contains(&room),
            Subject::Group(group) => self.groups.is_all || self.groups.named.contains(&group),
            Subject::User { from, to } => {
                self.users.is_all || self.users.named.contains(&from) || self.users.named.contains(&to)
            }
            Subject::Event(name) => self.events.is_all || self.events.named.contains(name),
        }
    }
}

impl<K> Default for Interest<K> {
    fn default() -> Interest<K> {
        Interest { is_all: false, named: FxHashSet::default() }
    }
}

impl<K: Eq + Hash> Interest<K> {
    fn is_any(&self) -> bool {
        self.is_all || !self.named.is_empty()
    }
}
