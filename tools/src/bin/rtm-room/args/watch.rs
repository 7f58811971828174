//! The arguments of `watch` and `quest`.

use clap::{ArgGroup, Args};
use rtm_server_sdk::RoomId;

use super::values::room_id;

const WATCH_AFTER_HELP: &str = "\
Runs until Ctrl-C, which is its regular end; a second Ctrl-C ends it although its reader reads nothing. A lost connection is re-established, and what was said meanwhile in the \
rooms that are named is read from their history. Where messages may be missing, a line says so.

In a pipe everything is one line, with its columns separated by tabs: `message`, time, target, sender, id, type, text; \
`event`, time, name, user, endpoint, data; `gap` and its reason. With --json it is one object a line.";

#[derive(Debug, Args)]
#[command(after_help = WATCH_AFTER_HELP)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["rooms", "all_rooms", "events"])))]
pub(crate) struct Watch {
    /// The rooms' ids
    #[arg(value_name = "ROOM", allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) rooms: Vec<RoomId>,
    /// Every room of the project
    #[arg(long, conflicts_with = "rooms")]
    pub(crate) all_rooms: bool,
    /// Events, such as login,logout; `all` for every event
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) events: Vec<String>,
}

const QUEST_AFTER_HELP: &str = "\
The parameters are a JSON object; project, signature, salt and time are added. The answer is printed as JSON.";

#[derive(Debug, Args)]
#[command(after_help = QUEST_AFTER_HELP)]
pub(crate) struct Quest {
    /// The method, by its name on the wire, such as getroominfo
    pub(crate) method: String,
    /// The parameters, such as '{"rid": 42}'; `-` reads them from stdin
    #[arg(default_value = "{}", value_name = "JSON")]
    pub(crate) params: String,
}
