//! `info get` and `info set`: the texts of a room.

use std::io::{self, Write};
use std::path::Path;

use rtm_server_sdk::{RoomId, RoomInfo};
use serde_json::{Value, json};

use crate::args::{Common, InfoCommand, InfoTexts};
use crate::failure::Failure;
use crate::output::{Output, Reply, printable};
use crate::room::single_call_client;
use crate::texts::{check_stdin_is_wanted_once, read_text};

pub(crate) fn run(common: &Common, command: &InfoCommand, output: Output) -> Result<(), Failure> {
    match command {
        InfoCommand::Set(texts) => set(common, texts, output),
        InfoCommand::Get { room, public, private } => {
            let info = single_call_client(common)?.get_room_info(*room).call().map_err(Failure::Read)?;
            if *public {
                return print_text(info.oinfo, "public", *room, output);
            }
            if *private {
                return print_text(info.pinfo, "private", *room, output);
            }
            let json = json!({"room": room, "public": info.oinfo, "private": info.pinfo});
            if output.is_terminal() && is_empty(&info) {
                return Ok(output.print(&Reply::words(json, format!("Room {room} has no info."), None))?);
            }
            let pairs = [("public", info.oinfo), ("private", info.pinfo)];
            let there = pairs.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?)));
            Ok(output.print(&Reply::pairs(json, there.collect()))?)
        }
    }
}

fn set(common: &Common, texts: &InfoTexts, output: Output) -> Result<(), Failure> {
    let InfoTexts { room, public, public_file, private, private_file } = texts;
    if public.is_none() && public_file.is_none() && private.is_none() && private_file.is_none() {
        return Err(Failure::usage(
            "nothing to set: give --public TEXT, --private TEXT, --public-file FILE or --private-file FILE",
        ));
    }
    check_stdin_is_wanted_once(&[
        (common.secret_file.as_deref(), "--secret-file"),
        (public_file.as_deref(), "--public-file"),
        (private_file.as_deref(), "--private-file"),
    ])?;
    let public = text_or_file(public.as_deref(), public_file.as_deref())?;
    let private = text_or_file(private.as_deref(), private_file.as_deref())?;
    let client = single_call_client(common)?;
    client.set_room_info(*room, public.as_deref(), private.as_deref()).call()?;
    let json = json!({"room": room, "done": true});
    Ok(output.print(&Reply::words(json, format!("The info of room {room} was set."), None))?)
}

fn text_or_file(text: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, Some(file)) => read_text(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// A pipe gets the text unchanged; a terminal gets no control characters except line ends.
fn print_text(text: Option<String>, which: &str, room: RoomId, output: Output) -> Result<(), Failure> {
    let Some(text) = text.filter(|text| !(output.is_terminal() && text.is_empty())) else {
        return Ok(output.print(&Reply::words(Value::Null, format!("Room {room} has no {which} info."), None))?);
    };
    let mut stdout = io::stdout().lock();
    if output.is_terminal() {
        text.lines().try_for_each(|line| writeln!(stdout, "{}", printable(line)))?;
    } else {
        writeln!(stdout, "{text}")?;
    }
    Ok(stdout.flush()?)
}

/// Some servers send an empty text for an info that was never set.
fn is_empty(info: &RoomInfo) -> bool {
    [&info.oinfo, &info.pinfo].into_iter().flatten().all(String::is_empty)
}
