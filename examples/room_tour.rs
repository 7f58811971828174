//! A tour of the room functions: members, infos, messages, history and bans, blocking and by callback, with their results.
//!
//! ```sh
//! cargo run --features gate --example room_tour
//! ```
//!
//! It runs against its own gate, or against the server in RTM_ENDPOINT, RTM_PID and RTM_SECRET. On that server, it uses
//! the room and the users below and leaves them without members and bans; the messages stay.

mod common;

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rtm_server_sdk::{Call, Error, History, MessageType, NewMessage, RoomId, UserId};

const ROOM: RoomId = 42;
const ANNA: UserId = 1001;
const BEN: UserId = 1002;

/// Makes the call in the blocking way, and prints the code and the result.
macro_rules! blocking {
    ($call:expr) => {
        blocking(stringify!($call), $call)?
    };
}

/// Makes the call by callback, waits for it, and prints the code and the result.
macro_rules! by_callback {
    ($call:expr) => {
        by_callback(stringify!($call), $call)?
    };
}

fn main() -> Result<(), Box<dyn StdError>> {
    let server = common::Server::find()?;
    println!("The Room API, against {}.", server.describe());
    println!("ROOM is {ROOM}, ANNA is {ANNA}, BEN is {BEN}.");
    let client = server.client().quest_timeout(Duration::from_secs(5)).connect()?;

    chapter("add_room_member: make a user a member of a room");
    blocking!(client.add_room_member(ROOM, ANNA));
    by_callback!(client.add_room_member(ROOM, BEN));

    chapter("get_room_members: who is in the room");
    blocking!(client.get_room_members(ROOM));
    by_callback!(client.get_room_members(ROOM));

    chapter("get_room_count: how many are in each of several rooms");
    blocking!(client.get_room_count(&[ROOM, ROOM + 1]));
    by_callback!(client.get_room_count(&[ROOM]));

    chapter("set_room_info: the public info, the private info, or both");
    blocking!(client.set_room_info(ROOM, Some("Welcome!"), Some("level=3")));
    by_callback!(client.set_room_info(ROOM, Some("Come in!"), None));

    chapter("get_room_info: both infos; the private one was left as it was");
    blocking!(client.get_room_info(ROOM));
    by_callback!(client.get_room_info(ROOM));

    chapter("send_room_chat, send_room_cmd: a text for people, a text for their programs");
    let sent = blocking!(client.send_room_chat(ROOM, ANNA, "Hello Ben!"));
    by_callback!(client.send_room_cmd(ROOM, BEN, "wave"));

    chapter(
        "send_room_message: any type, text or bytes. It has its id before it is sent, so that it can be sent again",
    );
    let score = NewMessage::new(MessageType::new(100), vec![3, 1]).attrs(r#"{"round":7}"#);
    blocking!(client.send_room_message(ROOM, BEN, &score));
    if let Err(error) = client.send_room_message(ROOM, BEN, &score).call() {
        println!("  the same once more\n    {error:#}");
    }

    chapter("edit_room_message: within a time limit");
    let corrected = NewMessage::chat("Hello, Ben!").with_mid(sent.mid);
    blocking!(client.edit_room_message(ROOM, ANNA, &corrected, Duration::from_secs(60)));

    chapter("get_room_message_info: one message, or none");
    blocking!(client.get_room_message_info(ROOM, ANNA, sent.mid));
    by_callback!(client.get_room_message_info(ROOM, ANNA, sent.mid + 1));

    chapter("get_room_message: the history, page by page");
    let newest = History::latest().count(2);
    blocking!(client.get_room_message(ROOM, &newest));
    by_callback!(client.get_room_chat(ROOM, &newest));

    chapter("room_messages: the whole history, as an iterator");
    for message in client.room_messages(ROOM, History::oldest()) {
        let message = message?;
        println!("    {} from {}: {:?}", message.mtype, message.from, message.body);
    }

    chapter("get_room_message_num: how many messages, of how many users");
    blocking!(client.get_room_message_num(ROOM, &History::latest()));

    chapter("delete_room_message: one of them");
    blocking!(client.delete_room_message(ROOM, ANNA, sent.mid));

    chapter("add_room_ban: a user may not speak, in one room or (None) in all of them, for a time or (None) for ever");
    blocking!(client.add_room_ban(Some(ROOM), ANNA, Some(Duration::from_secs(600))));
    by_callback!(client.add_room_ban(None, BEN, Some(Duration::from_secs(60))));

    chapter("is_ban_of_room: whether a user is banned in a room");
    blocking!(client.is_ban_of_room(ROOM, ANNA));
    by_callback!(client.is_ban_of_room(ROOM, BEN));

    chapter("remove_room_ban: the user may speak again");
    blocking!(client.remove_room_ban(Some(ROOM), ANNA));
    by_callback!(client.remove_room_ban(None, BEN));
    blocking!(client.is_ban_of_room(ROOM, ANNA));

    chapter("delete_room_member: a member leaves the room");
    blocking!(client.delete_room_member(ROOM, ANNA));
    by_callback!(client.delete_room_member(ROOM, BEN));
    blocking!(client.get_room_members(ROOM));

    chapter("batches: several users of a room, several rooms of a user, in one call");
    blocking!(client.add_room_members(ROOM, &[ANNA, BEN]));
    by_callback!(client.add_user_rooms(&[ROOM + 1, ROOM + 2], ANNA));
    blocking!(client.delete_room_members(ROOM, &[ANNA, BEN]));
    by_callback!(client.delete_user_rooms(&[ROOM + 1, ROOM + 2], ANNA));

    chapter("timeout: a call's own time, in place of the client's 5 s");
    blocking!(client.get_room_members(ROOM).timeout(Duration::from_secs(1)));

    chapter("errors come out the same way as results: here one that is found before anything is sent");
    match client.set_room_info(ROOM, None, None).call() {
        Err(error) => {
            println!("  client.set_room_info(ROOM, None, None).call()");
            println!("    error: {error:#}");
            println!("    code: {}, may have executed: {}", error.code(), error.may_have_executed());
        }
        Ok(()) => return Err("an info that is not there was set".into()),
    }
    Ok(())
}

fn chapter(title: &str) {
    println!("\n{title}");
}

fn blocking<T: Debug>(code: &str, call: Call<'_, T>) -> Result<T, Error> {
    let result = call.call()?;
    println!("  {code}.call()?\n    {result:?}");
    Ok(result)
}

fn by_callback<T: Debug + Send + 'static>(code: &str, call: Call<'_, T>) -> Result<T, Box<dyn StdError>> {
    let (sender, receiver) = mpsc::channel();
    call.callback(move |outcome| {
        let thread = thread::current().name().unwrap_or("a thread without a name").to_owned();
        let _ = sender.send((outcome, thread));
    });
    // A program with other work would not wait here.
    let (outcome, thread) = receiver.recv()?;
    let result = outcome?;
    println!("  {code}.callback(|outcome| ...)\n    {result:?}, on the thread {thread}");
    Ok(result)
}
