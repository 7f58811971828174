//! `history`: the messages of a room that the server keeps.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use rtm_server_sdk::{Error, History, Message, MessageType};

use crate::args::{Common, HistoryArgs};
use crate::failure::{Failure, details_of, sentence};
use crate::message_view::{as_json, columns_for_pipes, text_of, time_on};
use crate::output::{Output, Reply, json_text};
use crate::session::client_builder;
use crate::stderr::tell_error;
use crate::table::Column;

const DEFAULT_LIMIT: usize = 20;

pub(crate) fn run(common: &Common, args: &HistoryArgs, output: Output) -> Result<(), Failure> {
    let client = client_builder(common)?.build()?;
    let limit = match (args.limit, args.since) {
        (Some(limit), _) => limit as usize,
        (None, Some(_)) => usize::MAX,
        (None, None) => DEFAULT_LIMIT,
    };
    let mut messages = Vec::new();
    let mut has_gaps = false;
    for message in client.room_messages(args.room, query(args, limit)) {
        match message {
            Ok(message) => messages.push(message),
            // The rows after an unreadable one may be readable.
            Err(error @ Error::Decode(_)) => {
                has_gaps = true;
                tell_error(output, sentence(&error), details_of(&error));
            }
            Err(error) => return Err(Failure::Read(error)),
        }
        if messages.len() >= limit {
            break;
        }
    }
    if !args.oldest {
        messages.reverse();
    }
    print(&messages, output)?;
    if has_gaps { Err(Failure::Told) } else { Ok(()) }
}

fn query(args: &HistoryArgs, limit: usize) -> History {
    let types: Vec<MessageType> = args.types.iter().map(|mtype| MessageType::new(*mtype)).collect();
    let mut query = if args.oldest { History::oldest() } else { History::latest() };
    if let Some(since) = args.since {
        query = query.between(millis_ago(since), 0);
    }
    query = query.count(u16::try_from(limit).unwrap_or(u16::MAX).min(20));
    if types.is_empty() { query } else { query.types(&types) }
}

/// In milliseconds since the epoch; the epoch for what lies before it.
fn millis_ago(time: Duration) -> i64 {
    let then = SystemTime::now().checked_sub(time).and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok());
    then.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

fn print(messages: &[Message], output: Output) -> io::Result<()> {
    const COLUMNS: &[Column] = &[Column::Text("TIME"), Column::Number("FROM"), Column::Text("MESSAGE")];
    const PIPE: &[Column] = &[Column::Text(""); 5];
    match output {
        Output::Json => {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            messages.iter().try_for_each(|message| writeln!(stdout, "{}", json_text(&as_json(message))))?;
            stdout.flush()
        }
        Output::Lines => {
            output.print(&Reply::table(serde_json::Value::Null, PIPE, messages.iter().map(columns_for_pipes).collect()))
        }
        Output::Terminal(screen) => {
            let row =
                |message: &Message| vec![time_on(screen, message.mtime), message.from.to_string(), text_of(message)];
            output.print(&Reply::table(serde_json::Value::Null, COLUMNS, messages.iter().map(row).collect()))
        }
    }
}
