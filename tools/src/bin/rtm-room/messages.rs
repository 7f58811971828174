//! `say` and `delete-message`.

use std::io::{self, BufRead};

use rtm_server_sdk::{Client, MessageType, NewMessage};
use serde_json::json;

use crate::args::{Common, DeleteMessage, Say};
use crate::failure::Failure;
use crate::output::{Output, Reply};
use crate::room::single_call_client;
use crate::session::client_builder;
use crate::table::Column;
use crate::texts::{check_stdin_is_wanted_once, without_line_end, without_mark};

pub(crate) fn say(common: &Common, say: &Say, output: Output) -> Result<(), Failure> {
    if say.text != "-" {
        return say_one(&single_call_client(common)?, say, &say.text, None, output);
    }
    say_lines(common, say, output)
}

/// Sends each line of stdin.
fn say_lines(common: &Common, say: &Say, output: Output) -> Result<(), Failure> {
    if say.mid.is_some() {
        return Err(Failure::usage("--mid is the id of one message, but `-` sends many"));
    }
    let secret_file = (common.secret_file.as_deref(), "--secret-file");
    check_stdin_is_wanted_once(&[secret_file, (Some("-".as_ref()), "the text")])?;
    let client = client_builder(common)?.wait_for_ready(true).build()?;
    let mut stdin = io::stdin().lock();
    for number in 1.. {
        let mut line = String::new();
        stdin.read_line(&mut line).map_err(|error| unreadable(number, &error))?;
        let text = without_line_end(if number == 1 { without_mark(&line) } else { &line });
        if !text.is_empty() {
            say_one(&client, say, text, Some(number), output)?;
        }
        // A terminal, asked again, would wait for a second end.
        if !line.ends_with('\n') {
            break;
        }
    }
    Ok(())
}

fn unreadable(line: u64, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Failure::Usage(format!("line {line} of stdin is not text in UTF-8: it was not sent, nor was any after it"))
        }
        _ => Failure::Usage(format!("line {line} of stdin: {error}")),
    }
}

fn say_one(client: &Client, say: &Say, text: &str, line: Option<u64>, output: Output) -> Result<(), Failure> {
    let mtype = match say.mtype {
        Some(mtype) => MessageType::new(mtype),
        None if say.cmd => MessageType::CMD,
        None => MessageType::CHAT,
    };
    let mut message = NewMessage::new(mtype, text).attrs(say.attrs.as_deref().unwrap_or_default());
    if let Some(mid) = say.mid {
        message = message.with_mid(mid);
    }
    let sent = client.send_room_message(say.room, say.from, &message).call();
    let sent = sent.map_err(|error| Failure::Say { error, mid: message.mid(), line })?;
    let json = json!({"room": say.room, "from": say.from, "mid": sent.mid, "time": sent.mtime, "done": true});
    let reply = match output {
        Output::Terminal(_) => Reply::words(json, format!("Message {} was sent to room {}.", sent.mid, say.room), None),
        _ => Reply::table(json, &[Column::Number("ID")], vec![vec![sent.mid.to_string()]]),
    };
    Ok(output.print(&reply)?)
}

pub(crate) fn delete(common: &Common, message: &DeleteMessage, output: Output) -> Result<(), Failure> {
    let DeleteMessage { room, mid, from } = message;
    single_call_client(common)?.delete_room_message(*room, *from, *mid).call()?;
    let json = json!({"room": room, "from": from, "mid": mid, "done": true});
    Ok(output.print(&Reply::words(json, format!("Message {mid} of user {from} was deleted."), None))?)
}
