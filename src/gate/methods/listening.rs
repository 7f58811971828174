//! The methods that subscribe a connection to pushes.

use std::hash::Hash;

use super::{Call, Method};
use crate::gate::failure::ErrorAnswer;
use crate::gate::params::Params;
use crate::gate::project::Interest;
use crate::gate::reply::Reply;

pub(super) const METHODS: &[Method] =
    &[Method::signed("addlisten", add), Method::signed("removelisten", remove), Method::signed("setlisten", set)];

/// The lists of a call that are present.
struct Lists {
    rooms: Option<Vec<i64>>,
    groups: Option<Vec<i64>>,
    users: Option<Vec<i64>>,
    events: Option<Vec<Box<str>>>,
}

fn add(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let lists = lists(call.params)?;
    let interests = call.project.listeners.interests(call.connection);
    interests.rooms.named.extend(lists.rooms.into_iter().flatten());
    interests.groups.named.extend(lists.groups.into_iter().flatten());
    interests.users.named.extend(lists.users.into_iter().flatten());
    interests.events.named.extend(lists.events.into_iter().flatten());
    Ok(())
}

fn remove(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let lists = lists(call.params)?;
    let interests = call.project.listeners.interests(call.connection);
    take_away(&mut interests.rooms, lists.rooms);
    take_away(&mut interests.groups, lists.groups);
    take_away(&mut interests.users, lists.users);
    take_away(&mut interests.events, lists.events);
    Ok(())
}

/// Replaces the kinds that are present, and keeps the others. This suits the way in which each of the vendor's SDKs
/// restores its lists after a reconnect.
fn set(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let (params, lists) = (call.params, lists(call.params)?);
    let flag = |key| params.optional_flag(key);
    let (rooms, groups, users, events) = (flag("room")?, flag("group")?, flag("p2p")?, flag("ev")?);
    let interests = call.project.listeners.interests(call.connection);
    replace(&mut interests.rooms, rooms, lists.rooms);
    replace(&mut interests.groups, groups, lists.groups);
    replace(&mut interests.users, users, lists.users);
    replace(&mut interests.events, events, lists.events);
    Ok(())
}

fn lists(params: &Params<'_>) -> Result<Lists, ErrorAnswer> {
    Ok(Lists {
        rooms: params.optional_ints_or_keys("rids")?,
        groups: params.optional_ints_or_keys("gids")?,
        users: params.optional_ints_or_keys("uids")?,
        events: params.optional_texts_or_keys("events")?,
    })
}

fn take_away<K: Eq + Hash>(interest: &mut Interest<K>, names: Option<Vec<K>>) {
    for name in names.into_iter().flatten() {
        interest.named.remove(&name);
    }
}

/// Replaces a kind, given as a list, a boolean, or both. A list alone ends "all"; a boolean alone keeps the list.
fn replace<K: Eq + Hash>(interest: &mut Interest<K>, is_all: Option<bool>, names: Option<Vec<K>>) {
    if is_all.is_some() || names.is_some() {
        interest.is_all = is_all.unwrap_or_default();
    }
    if let Some(names) = names {
        interest.named = names.into_iter().collect();
    }
}
