//! Pushes into an old event loop: one thread owns the data, and everything runs on it.
//!
//! ```sh
//! cargo run --features gate --example event_loop
//! ```
//!
//! `callback_executor` posts jobs to the loop, and `Listening::callback` runs its handler there: one push at a time, in
//! order, between the loop's own events. The handler changes the loop's data without a lock, and may make calls. The
//! loop is stopped from outside, as a signal would stop a program.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, Listen, NewMessage, Push, RoomId, UserId};

const ROOM: RoomId = 42;
const USERS: [UserId; 3] = [1001, 1002, 1003];
/// The loop ends after this long without an event.
const SILENCE: Duration = Duration::from_secs(10);

/// A post to the loop.
enum Posted {
    /// A job of the client.
    Job(Box<dyn FnOnce() + Send>),
    /// A request to end the program.
    Quit,
}

/// The loop's own data.
#[derive(Default)]
struct Lobby {
    online: BTreeSet<UserId>,
    chats: usize,
}

thread_local! {
    static LOBBY: RefCell<Lobby> = RefCell::default();
}

fn main() -> Result<(), Box<dyn StdError>> {
    let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    let (poster, posted) = mpsc::channel();
    let to_loop = poster.clone();
    let client = Client::builder(80000001, "secret", gate.endpoint())
        .callback_executor(move |job| {
            // An ended loop accepts no jobs. This one runs when it is dropped, on the client's thread.
            let _ = to_loop.send(Posted::Job(job));
        })
        .build()?;

    // Before the loop runs, because `callback` blocks until the server has granted the subscription.
    let quit = poster.clone();
    let listen = Listen::new().room(ROOM).events(&["login", "logout"]);
    let guard = client.listen(listen).callback(move |push| heard(&push, &quit))?;

    let event_loop = thread::Builder::new().name("event-loop".into()).spawn(move || run_loop(&posted))?;
    happen(&gate, &client)?;
    let chats = event_loop.join().map_err(|_| "the event loop panicked")??;
    drop(guard);
    println!("{chats} chats, and everybody has left");
    Ok(())
}

/// The old loop. It knows nothing about pushes: it runs what is posted.
fn run_loop(posted: &Receiver<Posted>) -> Result<usize, mpsc::RecvTimeoutError> {
    loop {
        match posted.recv_timeout(SILENCE)? {
            Posted::Job(job) => job(),
            Posted::Quit => return Ok(LOBBY.with_borrow(|lobby| lobby.chats)),
        }
    }
}

/// Runs on the loop's thread, and changes its data.
fn heard(push: &Push, poster: &Sender<Posted>) {
    LOBBY.with_borrow_mut(|lobby| match push {
        Push::Event(event) if event.name == "login" => {
            lobby.online.insert(event.uid);
            println!("{} is here: {:?} online", event.uid, lobby.online);
        }
        Push::Event(event) => {
            lobby.online.remove(&event.uid);
            println!("{} has left", event.uid);
            if lobby.online.is_empty() {
                let _ = poster.send(Posted::Quit);
            }
        }
        Push::Message(message) => {
            lobby.chats += 1;
            println!("{}: {}", message.from, message.body.as_str().unwrap_or_default());
        }
        Push::Gap(gap) => eprintln!("messages may be missing: {gap}"),
        other => println!("{other:?}"),
    });
}

/// Plays some events in the project.
fn happen(gate: &Gate, client: &Client) -> Result<(), Box<dyn StdError>> {
    for uid in USERS {
        gate.push_event("login", uid);
        client.add_room_member(ROOM, uid).call()?;
        client.send_room_message(ROOM, uid, &NewMessage::chat("hello")).call()?;
    }
    for uid in USERS {
        gate.push_event("logout", uid);
    }
    Ok(())
}
