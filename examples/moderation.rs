//! Moderation: reads a room's history, deletes messages with forbidden words, bans their senders for ten minutes, and
//! reports.
//!
//! ```sh
//! cargo run --features gate --example moderation -- --room 42 --words words.txt
//! ```
//!
//! It runs against the server in RTM_ENDPOINT, RTM_PID and RTM_SECRET. Without these it starts its own gate and puts a few
//! messages into the room first. The word list has one word per line; without one, a few words are built in.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::error::Error as StdError;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use rtm_server_sdk::{Client, Error, ErrorCode, History, Message, RoomId, UserId};

const BAN: Duration = Duration::from_secs(600);

/// Deletes messages with forbidden words, and bans their senders for ten minutes.
#[derive(Parser)]
struct Options {
    /// The room to moderate
    #[arg(long, default_value_t = 42)]
    room: RoomId,
    /// A file with one forbidden word per line
    #[arg(long)]
    words: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn StdError>> {
    let options = Options::parse();
    let words = match &options.words {
        Some(path) => WordList::new(&fs::read_to_string(path)?),
        None => WordList::new("casino\nlottery\n"),
    };
    let server = common::Server::find()?;
    println!("Moderating room {} of {}.", options.room, server.describe());
    let client = server.client().quest_timeout(Duration::from_secs(5)).connect()?;
    if server.is_our_own() {
        hold_a_conversation(&client, options.room)?;
    }

    let report = moderate(&client, options.room, &words)?;
    report.print();
    Ok(())
}

/// What was done, and what failed.
#[derive(Debug, Default)]
struct Report {
    read: usize,
    deleted: usize,
    unreadable: Vec<Error>,
    /// The banned users, with the number of their deleted messages.
    banned: BTreeMap<UserId, usize>,
}

/// Reads the whole history of a room, oldest first, while people keep talking.
fn moderate(client: &Client, room: RoomId, words: &WordList) -> Result<Report, Error> {
    let mut report = Report::default();
    for message in client.room_messages(room, History::oldest()) {
        let message = match message {
            Ok(message) => message,
            // An unreadable row: the history continues after it.
            Err(error @ Error::Decode(_)) => {
                report.unreadable.push(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        report.read += 1;
        if words.forbids(&message) && delete(client, room, &message)? {
            report.deleted += 1;
            *report.banned.entry(message.from).or_default() += 1;
        }
    }
    // One ban per sender. The calls are independent, so all are in flight at once.
    let bans: Vec<_> =
        report.banned.keys().map(|&sender| client.add_room_ban(Some(room), sender, Some(BAN)).submit()).collect();
    for ban in bans {
        ban.wait()?;
    }
    Ok(report)
}

/// Deletes a message. Returns whether it was still there: its sender or another moderator may have been faster.
fn delete(client: &Client, room: RoomId, message: &Message) -> Result<bool, Error> {
    match client.delete_room_message(room, message.from, message.mid).call() {
        Ok(()) => Ok(true),
        Err(Error::Answer(answer)) if answer.code() == ErrorCode::RTM_EC_MESSAGE_NOT_FOUND => Ok(false),
        Err(error) => Err(error),
    }
}

impl Report {
    fn print(&self) {
        println!("Read {} messages, deleted {}.", self.read, self.deleted);
        for (user, messages) in &self.banned {
            println!("Banned user {user} for {} minutes: {messages} forbidden messages.", BAN.as_secs() / 60);
        }
        for error in &self.unreadable {
            println!("Could not read a message: {error:#}.");
        }
    }
}

/// The forbidden words, in any case.
struct WordList {
    words: HashSet<String>,
}

impl WordList {
    fn new(lines: &str) -> WordList {
        WordList {
            words: lines.lines().map(|line| line.trim().to_lowercase()).filter(|word| !word.is_empty()).collect(),
        }
    }

    fn forbids(&self, message: &Message) -> bool {
        let text = message.body.as_str().unwrap_or_default().to_lowercase();
        text.split(|letter: char| !letter.is_alphanumeric()).any(|word| self.words.contains(word))
    }
}

/// Something to moderate.
fn hold_a_conversation(client: &Client, room: RoomId) -> Result<(), Error> {
    let (anna, ben, spammer) = (1001, 1002, 1003);
    client.add_room_members(room, &[anna, ben, spammer]).call()?;
    for (from, text) in [
        (anna, "Good morning!"),
        (ben, "Hello Anna, did you see the game?"),
        (spammer, "Visit the best CASINO in town"),
        (anna, "I did, what a finish."),
        (spammer, "casino, casino, casino"),
        (ben, "Not even the lottery pays like that."),
    ] {
        client.send_room_chat(room, from, text).call()?;
    }
    Ok(())
}
