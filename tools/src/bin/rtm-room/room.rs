//! The commands that are one call each: members, counts and bans.

use rtm_server_sdk::{Client, ReconnectPolicy, RoomId};
use serde_json::json;

use crate::args::{CallCommand, Common, RoomAndUser, Target};
use crate::failure::Failure;
use crate::members;
use crate::output::{Output, Reply};
use crate::session::client_builder;
use crate::table::Column;

pub(crate) fn run(common: &Common, command: &CallCommand, output: Output) -> Result<(), Failure> {
    let client = single_call_client(common)?;
    let reply = make_call(&client, command)?;
    Ok(output.print(&reply)?)
}

/// One call needs no plan for the time after it.
pub(crate) fn single_call_client(common: &Common) -> Result<Client, Failure> {
    Ok(client_builder(common)?.reconnect(ReconnectPolicy::never()).build()?)
}

fn make_call(client: &Client, command: &CallCommand) -> Result<Reply, Failure> {
    match command {
        CallCommand::Add(RoomAndUser { room, user }) => {
            client.add_room_member(*room, *user).call()?;
            let json = json!({"room": room, "user": user, "done": true});
            Ok(Reply::words(json, format!("User {user} is a member of room {room}."), None))
        }
        CallCommand::Remove(RoomAndUser { room, user }) => {
            client.delete_room_member(*room, *user).call()?;
            let json = json!({"room": room, "user": user, "done": true});
            Ok(Reply::words(json, format!("User {user} is not a member of room {room}."), None))
        }
        CallCommand::Members(members) => members::run(client, members),
        CallCommand::Count { rooms } => count(client, rooms),
        CallCommand::Ban { target: Target { room, user, .. }, length } => {
            client.add_room_ban(*room, *user, *length).call()?;
            let json = json!({"room": room, "user": user, "done": true});
            let time = match length {
                Some(length) => format!("for {}", humantime::format_duration(*length)),
                None => "until the ban is lifted".into(),
            };
            Ok(Reply::words(json, format!("User {user} is banned in {} {time}.", place(*room)), None))
        }
        CallCommand::Unban(Target { room, user, .. }) => {
            client.remove_room_ban(*room, *user).call()?;
            let json = json!({"room": room, "user": user, "done": true});
            Ok(Reply::words(json, format!("The ban of user {user} in {} was lifted.", place(*room)), None))
        }
        CallCommand::IsBanned(RoomAndUser { room, user }) => {
            let banned = client.is_ban_of_room(*room, *user).call().map_err(Failure::Read)?;
            let json = json!({"room": room, "user": user, "banned": banned});
            let (verb, line) = if banned { ("is", "yes") } else { ("is not", "no") };
            Ok(Reply::words(json, format!("User {user} {verb} banned in room {room}."), Some(line)))
        }
    }
}

/// In the order that was asked for. A room that the server leaves out is left out.
fn count(client: &Client, rooms: &[RoomId]) -> Result<Reply, Failure> {
    let counts = client.get_room_count(rooms).call().map_err(Failure::Read)?;
    let counts: Vec<_> = rooms.iter().filter_map(|room| Some((room, counts.get(room)?))).collect();
    let json: Vec<_> = counts.iter().map(|(room, members)| json!({"room": room, "members": members})).collect();
    let rows = counts.iter().map(|(room, members)| vec![room.to_string(), members.to_string()]).collect();
    Ok(Reply::table(json!({"counts": json}), &[Column::Number("ROOM"), Column::Number("MEMBERS")], rows))
}

fn place(room: Option<RoomId>) -> String {
    room.map_or_else(|| "all rooms".into(), |room| format!("room {room}"))
}
