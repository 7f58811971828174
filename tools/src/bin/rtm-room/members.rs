//! `members`: lists the members of a room, adds and removes many at once.

use std::collections::HashSet;

use rtm_server_sdk::{Client, Error, ErrorCode, Pending, RoomId, UserId};
use serde_json::json;

use crate::args::Members;
use crate::failure::Failure;
use crate::output::Reply;
use crate::table::Column;

/// How many users one call names. None of the vendor's pages says how many a server accepts; for groups it is 100.
const BATCH: usize = 100;

pub(crate) fn run(client: &Client, Members { room, add, remove }: &Members) -> Result<Reply, Failure> {
    if add.is_empty() && remove.is_empty() {
        return list(client, *room);
    }
    let (add, remove) = (distinct(add), distinct(remove));
    let not_added = change(client, *room, &add, Change::Add)?;
    let not_removed = change(client, *room, &remove, Change::Remove)?;
    let ids = |refused: &[Refused]| refused.iter().map(|refused| refused.user).collect::<Vec<_>>();
    let json = json!({
        "room": room,
        "added": add.len() - not_added.len(), "not_added": ids(&not_added),
        "removed": remove.len() - not_removed.len(), "not_removed": ids(&not_removed),
        "done": not_added.is_empty() && not_removed.is_empty(),
    });
    if !not_added.is_empty() || !not_removed.is_empty() {
        let parts = [("not added", not_added), ("not removed", not_removed)];
        let parts = parts.iter().filter(|(_, refused)| !refused.is_empty());
        let parts: Vec<_> = parts.map(|(what, refused)| format!("{what}: {}", list_of(refused))).collect();
        return Err(Failure::Refused { message: format!("room {room}: {}", parts.join("; ")), json });
    }
    let sentence = format!("Room {room}: {} added, {} removed.", add.len(), remove.len());
    Ok(Reply::words(json, sentence, None))
}

/// The users in their order, each once.
fn distinct(users: &[UserId]) -> Vec<UserId> {
    let mut seen = HashSet::new();
    users.iter().copied().filter(|user| seen.insert(*user)).collect()
}

fn list(client: &Client, room: RoomId) -> Result<Reply, Failure> {
    let members = client.get_room_members(room).call().map_err(Failure::Read)?;
    let rows = members.iter().map(|user| vec![user.to_string()]).collect();
    Ok(Reply::table(json!({"room": room, "members": members}), &[Column::Number("USER")], rows))
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Add,
    Remove,
}

/// A user for whom the change failed, and the reason, if the server gives one per user.
struct Refused {
    user: UserId,
    why: Option<ErrorCode>,
}

fn list_of(refused: &[Refused]) -> String {
    let describe = |Refused { user, why }: &Refused| match why {
        Some(code) => format!("{user} ({code})"),
        None => user.to_string(),
    };
    refused.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// Changes the members in batches. Returns those for whom it failed.
fn change(client: &Client, room: RoomId, users: &[UserId], change: Change) -> Result<Vec<Refused>, Failure> {
    let mut refused = Vec::new();
    for batch in users.chunks(BATCH) {
        let call = match change {
            Change::Add => client.add_room_members(room, batch),
            Change::Remove => client.delete_room_members(room, batch),
        };
        match call.call() {
            Ok(changed) => {
                let changed: HashSet<UserId> = changed.into_iter().collect();
                let left_out = batch.iter().filter(|user| !changed.contains(user));
                refused.extend(left_out.map(|user| Refused { user: *user, why: None }));
            }
            Err(error) if error.code() == ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD => {
                refused.extend(change_one_by_one(client, room, batch, change)?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}

/// For servers without batches: one call per user, all in flight together.
fn change_one_by_one(client: &Client, room: RoomId, users: &[UserId], change: Change) -> Result<Vec<Refused>, Failure> {
    let submit = |user: &UserId| match change {
        Change::Add => client.add_room_member(room, *user).submit(),
        Change::Remove => client.delete_room_member(room, *user).submit(),
    };
    let calls: Vec<(UserId, Pending<()>)> = users.iter().map(|user| (*user, submit(user))).collect();
    let outcomes: Vec<(UserId, Result<(), Error>)> =
        calls.into_iter().map(|(user, call)| (user, call.wait())).collect();
    let mut refused = Vec::new();
    for (user, outcome) in outcomes {
        match outcome {
            Ok(()) => {}
            Err(Error::Answer(answer)) => refused.push(Refused { user, why: Some(answer.code()) }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}
