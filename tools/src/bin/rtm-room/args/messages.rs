//! The arguments of the commands on messages.

use std::time::Duration;

use clap::Args;
use rtm_server_sdk::{MessageId, RoomId, UserId};

use super::values::{count, message_id, message_type, room_id, time_above_zero, user_id};

const SAY_AFTER_HELP: &str = "\
Prints the id of each message. After a timeout or a lost connection a message may have been sent. It can be sent again \
with --mid and the id that the error names: the server keeps only one message with an id.";

#[derive(Debug, Args)]
#[command(after_help = SAY_AFTER_HELP)]
pub(crate) struct Say {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// The text; `-` sends each line of stdin that is not empty, one after the other
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    /// The user who speaks
    #[arg(long, value_name = "USER", allow_negative_numbers = true, value_parser = user_id)]
    pub(crate) from: UserId,
    /// Send a command for the receivers' programs (type 32) instead of a chat (type 30)
    #[arg(long)]
    pub(crate) cmd: bool,
    /// Send a message of this type, 1 to 127
    #[arg(
        long = "type", value_name = "TYPE", conflicts_with = "cmd", allow_negative_numbers = true,
        value_parser = message_type
    )]
    pub(crate) mtype: Option<i32>,
    /// Attributes that go with the message, by convention JSON
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) attrs: Option<String>,
    /// The message's id, instead of a new one
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = message_id)]
    pub(crate) mid: Option<MessageId>,
}

const HISTORY_AFTER_HELP: &str = "\
Times are in UTC. In a pipe each message is one line: time, sender, id, type and text, separated by tabs. With --json \
it is one object a line.";

#[derive(Debug, Args)]
#[command(after_help = HISTORY_AFTER_HELP)]
pub(crate) struct HistoryArgs {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// At most this many messages; without it 20, or all with --since
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = count)]
    pub(crate) limit: Option<u32>,
    /// Only messages no older than this, such as 30m, 2h or 7days
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time_above_zero)]
    pub(crate) since: Option<Duration>,
    /// Only messages of this type; may be given more than once
    #[arg(long = "type", value_name = "TYPE", allow_negative_numbers = true, value_parser = message_type)]
    pub(crate) types: Vec<i32>,
    /// Show the oldest messages instead of the newest
    #[arg(long)]
    pub(crate) oldest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteMessage {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// The message's id
    #[arg(allow_negative_numbers = true, value_parser = message_id)]
    pub(crate) mid: MessageId,
    /// The user who sent it
    #[arg(long, value_name = "USER", allow_negative_numbers = true, value_parser = user_id)]
    pub(crate) from: UserId,
}
