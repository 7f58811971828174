//! The command line: every command, argument and option, and what `--help` says of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use rtm_server_sdk::{RoomId, UserId};

pub(crate) use bulk::{Bulk, Operation};
pub(crate) use messages::{DeleteMessage, HistoryArgs, Say};
pub(crate) use values::project_id;
use values::{room_id, time_above_zero, user_id};
pub(crate) use watch::{Quest, Watch};

use crate::table::wrap;

mod bulk;
mod messages;
mod values;
mod watch;

/// However wide the terminal is.
const WIDEST_HELP: usize = 100;

/// What `--help` says of the secret.
pub(crate) const SECRET_HELP: &str = "\
The project's secret is read from the environment variable RTM_SECRET or from --secret-file. There is no option that \
takes the secret itself, since every user of a machine can read the command lines of its programs.";

/// Manage the rooms of an RTM project: members, messages, bans and info, one call at a time or a file at a time
#[derive(Debug, Parser)]
#[command(name = "rtm-room", version, after_help = help_of_the_environment(), max_term_width = WIDEST_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// The server, as HOST:PORT; takes precedence over RTM_ENDPOINT
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<String>,
    /// The project's id; takes precedence over RTM_PID
    #[arg(long, global = true, value_name = "PID", allow_negative_numbers = true, value_parser = project_id)]
    pub(crate) pid: Option<i32>,
    /// A file with the project's secret, `-` for stdin; takes precedence over RTM_SECRET
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// How long each call may take, connecting included, such as 500ms or 5s
    #[arg(
        long, global = true, value_name = "TIME", default_value = "30s", allow_hyphen_values = true,
        value_parser = time_above_zero
    )]
    pub(crate) timeout: Duration,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to stderr: -v what happens, -vv how, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[cfg(feature = "encryption")]
    #[command(flatten)]
    pub(crate) cipher: Cipher,
}

#[cfg(feature = "encryption")]
#[derive(Debug, Args)]
pub(crate) struct Cipher {
    /// Encrypt the connection with the server's public key in this PEM file
    #[arg(long, global = true, value_name = "FILE.pem")]
    pub(crate) key: Option<PathBuf>,
    /// The bits of the session key
    #[arg(long, global = true, value_name = "BITS", default_value = "256", value_parser = ["128", "256"])]
    pub(crate) key_bits: String,
    /// How packets are encrypted
    #[arg(long, global = true, value_name = "MODE", default_value = "stream", value_parser = ["stream", "package"])]
    pub(crate) cipher_mode: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Call(CallCommand),
    /// Read or write the public and the private info of a room
    #[command(subcommand)]
    Info(InfoCommand),
    /// Send a message to a room, or one for each line of stdin
    Say(Say),
    /// Show the messages of a room, newest last
    History(HistoryArgs),
    /// Show messages and events as they happen
    Watch(Watch),
    /// Delete a message
    DeleteMessage(DeleteMessage),
    /// Make one call for each row of a CSV file
    Bulk(Bulk),
    /// Call any method by its name
    Quest(Quest),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// Write a page for every command into this directory instead
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Whether it prints something into a pipe. What prints nothing there does not need stdout.
    pub(crate) fn has_a_result(&self) -> bool {
        match self {
            Command::Call(call) => match call {
                CallCommand::Members(members) => members.add.is_empty() && members.remove.is_empty(),
                CallCommand::Count { .. } | CallCommand::IsBanned(_) => true,
                CallCommand::Add(_) | CallCommand::Remove(_) | CallCommand::Ban { .. } | CallCommand::Unban(_) => false,
            },
            Command::Info(InfoCommand::Set(_)) | Command::DeleteMessage(_) | Command::Man { dir: Some(_) } => false,
            _ => true,
        }
    }
}

/// The commands that are one call each and need nothing but numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    /// Add a user to a room
    Add(RoomAndUser),
    /// Remove a user from a room
    Remove(RoomAndUser),
    /// List the members of a room, or add and remove many at once
    Members(Members),
    /// Count the members of rooms
    Count {
        /// The rooms' ids
        #[arg(required = true, value_name = "ROOM", allow_negative_numbers = true, value_parser = room_id)]
        rooms: Vec<RoomId>,
    },
    /// Ban a user from speaking in a room, or in all rooms
    Ban {
        #[command(flatten)]
        target: Target,
        /// How long, such as 10m, 12h or 7days; without it, the ban does not end
        #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true, value_parser = time_above_zero)]
        length: Option<Duration>,
    },
    /// End the ban of a user in a room, or the one in all rooms
    Unban(Target),
    /// Tell whether a user is banned from speaking in a room
    IsBanned(RoomAndUser),
}

#[derive(Debug, Args)]
pub(crate) struct RoomAndUser {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// The user's id
    #[arg(allow_negative_numbers = true, value_parser = user_id)]
    pub(crate) user: UserId,
}

#[derive(Debug, Args)]
pub(crate) struct Members {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// Add these users to the room
    #[arg(long, value_name = "USER", num_args = 1.., allow_negative_numbers = true, value_parser = user_id)]
    pub(crate) add: Vec<UserId>,
    /// Remove these users from the room
    #[arg(long, value_name = "USER", num_args = 1.., allow_negative_numbers = true, value_parser = user_id)]
    pub(crate) remove: Vec<UserId>,
}

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Target {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id, required_unless_present = "all_rooms")]
    pub(crate) room: Option<RoomId>,
    /// The user's id
    #[arg(allow_negative_numbers = true, value_parser = user_id, required = true)]
    pub(crate) user: UserId,
    /// In every room of the project; give only the USER
    #[arg(long, conflicts_with = "room")]
    pub(crate) all_rooms: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InfoCommand {
    /// Show the info of a room
    Get {
        /// The room's id
        #[arg(allow_negative_numbers = true, value_parser = room_id)]
        room: RoomId,
        /// Print only the public info, as it is
        #[arg(long, conflicts_with = "json")]
        public: bool,
        /// Print only the private info, as it is
        #[arg(long, conflicts_with_all = ["public", "json"])]
        private: bool,
    },
    /// Set the info of a room; what is not given stays as it is
    Set(InfoTexts),
}

#[derive(Debug, Args)]
pub(crate) struct InfoTexts {
    /// The room's id
    #[arg(allow_negative_numbers = true, value_parser = room_id)]
    pub(crate) room: RoomId,
    /// The public info, which every user may read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) public: Option<String>,
    /// A file with the public info, `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "public")]
    pub(crate) public_file: Option<PathBuf>,
    /// The private info, which only servers read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) private: Option<String>,
    /// A file with the private info, `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "private")]
    pub(crate) private_file: Option<PathBuf>,
}

/// The environment variables that are read, and what they hold.
pub(crate) const ENVIRONMENT: [(&str, &str); 5] = [
    ("RTM_ENDPOINT", "the server, as HOST:PORT"),
    ("RTM_PID", "the project's id"),
    ("RTM_SECRET", "the project's secret"),
    ("RUST_LOG", "what to log to stderr, such as `debug` or `rtm_server_sdk=trace`; takes precedence over -v"),
    ("NO_COLOR", "unless it is empty, nothing is coloured"),
];

/// Every exit status, and what it means.
pub(crate) const EXIT_STATUS: [(u8, &str); 5] = [
    (0, "done"),
    (
        1,
        "the server refused the call, the call failed on its way, or its result could not be written (bulk: at least \
         one row failed)",
    ),
    (2, "bad usage: an option, an argument, or a file that cannot be read"),
    (3, "no connection to the server"),
    (130, "stopped by Ctrl-C (bulk: also by SIGTERM or SIGHUP)"),
];

fn help_of_the_environment() -> String {
    let columns = terminal_size::terminal_size().map_or(WIDEST_HELP, |(width, _)| width.0.into()).min(WIDEST_HELP);
    let mut help = format!("{SECRET_HELP}\n\nEnvironment:\n");
    for (name, meaning) in ENVIRONMENT {
        help += &beside(&format!("  {name:<12}  "), meaning, columns);
    }
    help += "\nExit status:\n";
    for (status, meaning) in EXIT_STATUS {
        help += &beside(&format!("  {status:>3}  "), meaning, columns);
    }
    help
}

/// A name, and beside it what it means, on as many lines as that takes.
fn beside(name: &str, meaning: &str, columns: usize) -> String {
    let indent = "\n".to_owned() + &" ".repeat(name.len());
    format!("{name}{}\n", wrap(meaning, columns.saturating_sub(name.len())).join(&indent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn target_is_a_room_and_a_user_or_a_user_alone() {
        let target = |args: &[&str]| match Cli::try_parse_from([&["rtm-room", "unban"], args].concat()).ok()?.command {
            Command::Call(CallCommand::Unban(target)) => Some((target.room, target.user)),
            _ => None,
        };
        assert_eq!(target(&["42", "1001"]), Some((Some(42), 1001)));
        assert_eq!(target(&["-42", "-1001"]), Some((Some(-42), -1001)));
        assert_eq!(target(&["--all-rooms", "1001"]), Some((None, 1001)));
        assert_eq!(target(&["-1001", "--all-rooms"]), Some((None, -1001)));
        assert_eq!(target(&["42"]), None);
        assert_eq!(target(&["--all-rooms"]), None);
        assert_eq!(target(&["--all-rooms", "42", "1001"]), None);
    }
}
