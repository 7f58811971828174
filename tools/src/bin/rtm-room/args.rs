//! The command line: every command, argument and option, and what `--help` says of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rtm_server_sdk::{RoomId, UserId};

const AFTER_HELP: &str = "\
The project's secret is read from the environment variable RTM_SECRET or from --secret-file. There is no option that \
takes the secret itself, since every user of a machine can read the command lines of its programs.

Exit status:
  0  done
  1  the server refused the call, or the call failed on its way (bulk: at least one row failed)
  2  bad usage: an option, an argument, or a file that cannot be read
  3  no connection to the server";

/// Manage the rooms of an RTM project: members, bans and infos, one call at a time or a file at a time
#[derive(Debug, Parser)]
#[command(name = "rtm-room", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server, as HOST:PORT
    #[arg(long, global = true, env = "RTM_ENDPOINT", hide_env_values = true, value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<String>,
    /// The project's id
    #[arg(long, global = true, env = "RTM_PID", hide_env_values = true, value_name = "PID")]
    pub(crate) pid: Option<i32>,
    /// A file with the project's secret, `-` for stdin; comes before RTM_SECRET
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// How long each call may take, connecting included, such as 500ms or 5s
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = time_above_zero)]
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
    /// Read or write the infos of a room
    #[command(subcommand)]
    Info(InfoCommand),
    /// Make one call for each row of a CSV file
    Bulk(Bulk),
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

/// The commands that are one call each and need nothing but numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    /// Make a user a member of a room
    Add(RoomAndUser),
    /// Make a user a member of a room no longer
    Remove(RoomAndUser),
    /// List the members of a room
    Members {
        /// The room's id
        #[arg(allow_negative_numbers = true)]
        room: RoomId,
    },
    /// Count the members of rooms
    Count {
        /// The rooms' ids
        #[arg(required = true, value_name = "ROOM", allow_negative_numbers = true)]
        rooms: Vec<RoomId>,
    },
    /// Ban a user from speaking in a room, or in all rooms
    Ban {
        #[command(flatten)]
        target: Target,
        /// How long, such as 10m, 12h or 7days; without it, the ban has no end
        #[arg(long = "for", value_name = "TIME", value_parser = time_above_zero)]
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
    #[arg(allow_negative_numbers = true)]
    pub(crate) room: RoomId,
    /// The user's id
    #[arg(allow_negative_numbers = true)]
    pub(crate) user: UserId,
}

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Target {
    /// The room's id
    #[arg(allow_negative_numbers = true, required_unless_present = "all_rooms")]
    pub(crate) room: Option<RoomId>,
    /// The user's id
    #[arg(allow_negative_numbers = true, required = true)]
    pub(crate) user: UserId,
    /// In every room of the project: give the user alone
    #[arg(long, conflicts_with = "room")]
    pub(crate) all_rooms: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InfoCommand {
    /// Show the infos of a room
    Get {
        /// The room's id
        #[arg(allow_negative_numbers = true)]
        room: RoomId,
        /// The text of the public info alone, as it is
        #[arg(long, conflicts_with = "json")]
        public: bool,
        /// The text of the private info alone, as it is
        #[arg(long, conflicts_with_all = ["public", "json"])]
        private: bool,
    },
    /// Set the infos of a room; one that is not named stays as it is
    Set(InfoTexts),
}

#[derive(Debug, Args)]
pub(crate) struct InfoTexts {
    /// The room's id
    #[arg(allow_negative_numbers = true)]
    pub(crate) room: RoomId,
    /// The public info, which every user may read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, required_unless_present_any = ["public_file", "private", "private_file"])]
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

const BULK_AFTER_HELP: &str = "\
Each row is room,user and for a ban a third column, the seconds; left empty, that ban has no end. A first row that \
names its columns (room or rid, user or uid, seconds or btime) may put them in any order. Other columns are ignored. \
Calls are in flight together, so that rows may take effect in another order than the file's.

A row whose call the server cannot have carried out, for want of a connection or of time, is tried again for as long \
as --retry-for says. The file that --failed writes can be fed in again.

Ctrl-C waits for the calls in flight and says with which --start-line to go on (exit status 130); a second one stops \
at once.";

#[derive(Debug, Args)]
#[command(after_help = BULK_AFTER_HELP)]
pub(crate) struct Bulk {
    /// What to do with each row
    pub(crate) operation: Operation,
    /// The CSV file, `-` for stdin
    pub(crate) file: PathBuf,
    /// How many calls may be in flight at once
    #[arg(long, value_name = "CALLS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) window: u32,
    /// Write the rows that failed to this new CSV file, with a code and a reason each
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) failed: Option<PathBuf>,
    /// Begin with the row at this line of the file
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) start_line: u64,
    /// How long a row is tried again where that is safe; 0s for never
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    pub(crate) retry_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// Make each user a member of the room
    Add,
    /// Make each user a member of the room no longer
    Remove,
    /// Ban each user from speaking in the room
    Ban,
}

/// Zero stands for "the default" or "for ever" on the wire, which nobody means who writes `0s`.
fn time_above_zero(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("the time must be more than zero".into()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}: write it as 500ms, 5s, 10m or 7days")),
    }
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

    #[test]
    fn ban_of_no_length_is_refused() {
        assert!(time_above_zero("0s").is_err());
        assert!(time_above_zero("600").is_err());
        assert_eq!(time_above_zero("10m"), Ok(Duration::from_secs(600)));
    }
}
