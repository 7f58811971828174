//! What a listener wants, stored independently of the library.

use std::collections::BTreeSet;

use rtm_server_sdk::rtm::methods::listen::{Listen, SetListen, Subjects};
use rtm_server_sdk::{Push, Target};

/// One thing to listen to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    AllUsers,
    AllGroups,
    AllRooms,
    AllEvents,
    User(i64),
    Group(i64),
    Room(i64),
    Event(String),
}

/// Things to listen to.
pub type Items = BTreeSet<Item>;

pub const ROOMS: i64 = 3;

/// One of sixteen subscriptions.
pub fn subscription(number: u8) -> Items {
    let room = |rid: u8| Item::Room(i64::from(rid) % ROOMS);
    let event = |name: &str| Item::Event(name.to_owned());
    let items = match number % 16 {
        rid @ 0..=4 => vec![room(rid)],
        5 => vec![room(0), room(1)],
        6 => vec![room(2), Item::Group(1)],
        7 => vec![Item::AllRooms],
        8 => vec![Item::AllRooms, room(1)],
        9 => vec![Item::Group(1)],
        10 => vec![Item::AllGroups],
        11 => vec![Item::User(1)],
        12 => vec![Item::User(1), Item::User(2), event("logout")],
        13 => vec![Item::AllUsers, Item::User(1)],
        14 => vec![event("login"), event("logout")],
        _ => vec![Item::AllEvents],
    };
    items.into_iter().collect()
}

pub fn listen(items: &Items) -> Listen {
    items.iter().fold(Listen::new(), |listen, item| match item {
        Item::AllUsers => listen.all_users(),
        Item::AllGroups => listen.all_groups(),
        Item::AllRooms => listen.all_rooms(),
        Item::AllEvents => listen.all_events(),
        Item::User(uid) => listen.user(*uid),
        Item::Group(gid) => listen.group(*gid),
        Item::Room(rid) => listen.room(*rid),
        Item::Event(name) => listen.event(name),
    })
}

/// What a `setlisten` asks for.
pub fn asked_for(listen: &SetListen) -> Items {
    let mut items = Items::new();
    add(&mut items, &listen.users, Item::AllUsers, |uid| Item::User(*uid));
    add(&mut items, &listen.groups, Item::AllGroups, |gid| Item::Group(*gid));
    add(&mut items, &listen.rooms, Item::AllRooms, |rid| Item::Room(*rid));
    add(&mut items, &listen.events, Item::AllEvents, |name| Item::Event(name.to_string()));
    items
}

fn add<K>(items: &mut Items, subjects: &Subjects<K>, all: Item, named: fn(&K) -> Item) {
    match subjects {
        Subjects::All => _ = items.insert(all),
        Subjects::Only(keys) => items.extend(keys.iter().map(named)),
    }
}

impl Item {
    /// Everything of the item's kind.
    pub fn all_of_its_kind(&self) -> Item {
        match self {
            Item::AllUsers | Item::User(_) => Item::AllUsers,
            Item::AllGroups | Item::Group(_) => Item::AllGroups,
            Item::AllRooms | Item::Room(_) => Item::AllRooms,
            Item::AllEvents | Item::Event(_) => Item::AllEvents,
        }
    }
}

/// The union of subscriptions, as it is asked for: what is named is left out beside all of its kind.
pub fn union<'a>(subscriptions: impl Iterator<Item = &'a Items>) -> Items {
    let union: Items = subscriptions.flatten().cloned().collect();
    let is_left = |item: &&Item| {
        let all = item.all_of_its_kind();
        **item == all || !union.contains(&all)
    };
    union.iter().filter(is_left).cloned().collect()
}

/// Whether everything that is wanted is there, by name or with all of its kind.
pub fn covers(there: &Items, wanted: &Items) -> bool {
    wanted.iter().all(|item| there.contains(item) || there.contains(&item.all_of_its_kind()))
}

/// Whether a push is asked for.
pub fn includes(items: &Items, push: &Push) -> bool {
    let any = |wanted: &[Item]| wanted.iter().any(|item| items.contains(item));
    match push {
        Push::Message(message) => match message.target {
            Target::Room(rid) => any(&[Item::AllRooms, Item::Room(rid)]),
            Target::Group(gid) => any(&[Item::AllGroups, Item::Group(gid)]),
            Target::User(uid) => any(&[Item::AllUsers, Item::User(uid), Item::User(message.from)]),
        },
        Push::Event(event) => any(&[Item::AllEvents, Item::Event(event.name.clone())]),
        other => panic!("{other:?}"),
    }
}
