//! Prints what happens in a room, live, through a gate that goes away and comes back.
//!
//! ```sh
//! cargo run --features gate --example room_watch
//! ```
//!
//! The gate drops its connections while somebody keeps writing: the missed messages come from the room's history, in their
//! place. Then the gate is restarted and has lost the room: now a gap says that something may be missing.

use std::error::Error as StdError;
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{
    Client, Error, ErrorCode, Gap, Listen, Listener, Message, NewMessage, Push, Retry, RoomId, UserId,
};

const PID: i32 = 80000001;
const SECRET: &str = "secret";
const ROOM: RoomId = 42;
const ALICE: UserId = 1001;
/// The longest time to wait for anything here.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn StdError>> {
    let gate = serve("127.0.0.1:0")?;
    let endpoint = gate.endpoint().to_owned();
    let alice = Client::new(PID, SECRET, endpoint.as_str())?;
    let watcher = Client::new(PID, SECRET, endpoint.as_str())?;

    alice.add_room_member(ROOM, ALICE).call()?;
    let room = watcher.listen(Listen::new().room(ROOM)).fill_gaps(true).start()?;
    println!("watching room {ROOM}");
    say(&alice, "Anybody here?")?;
    show_until(&room, "Anybody here?")?;

    println!("\n-- the gate drops every connection, and Alice writes on --");
    gate.disconnect_all();
    for text in ["Hello?", "I think I am alone.", "Good night, then."] {
        say(&alice, text)?;
    }
    // Nobody had to subscribe again, and nothing is missing.
    show_until(&room, "Good night, then.")?;

    println!("\n-- the gate is restarted, with no memory of the room --");
    drop(gate);
    let _gate = serve(&endpoint)?;
    repeat(|| alice.add_room_member(ROOM, ALICE).call())?;
    say(&alice, "Good morning!")?;
    show_until(&room, "Good morning!")?;

    let stats = watcher.stats();
    println!("\n{} messages, {} gap", stats.pushes_delivered, stats.gaps);
    Ok(())
}

fn serve(address: &str) -> Result<Gate, Error> {
    Gate::builder().project(PID, SECRET).bind(address)
}

/// Sends a chat, and sends it again with the same id if its outcome is unknown.
fn say(client: &Client, text: &str) -> Result<(), Error> {
    let message = NewMessage::chat(text);
    repeat(|| match client.send_room_message(ROOM, ALICE, &message).call() {
        Err(error) if error.code() == ErrorCode::RTM_EC_DUPLICATED_MID => Ok(()),
        outcome => outcome.map(drop),
    })
}

/// Repeats a call that does no harm when repeated, until the gate is there to answer it.
fn repeat(call: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        match call() {
            Err(error) if error.retry() != Retry::Never && Instant::now() < end => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

/// Prints pushes, up to the message with this text.
fn show_until(room: &Listener, last: &str) -> Result<(), Box<dyn StdError>> {
    loop {
        match room.recv_timeout(PATIENCE)?.ok_or("nothing came")? {
            Push::Message(message) => {
                show(&message);
                if message.body.as_str() == Some(last) {
                    return Ok(());
                }
            }
            Push::Gap(gap) => show_gap(&gap),
            other => println!("{other:?}"),
        }
    }
}

fn show(message: &Message) {
    println!("{}: {}", message.from, message.body.as_str().unwrap_or("(binary)"));
}

fn show_gap(gap: &Gap) {
    println!("(something may be missing: {gap})");
}
