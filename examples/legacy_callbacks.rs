//! An old event loop that owns its data and runs callbacks only on its own thread.
//!
//! ```sh
//! cargo run --features gate --example legacy_callbacks
//! ```
//!
//! The loop's data is in a thread-local variable without a lock, so a callback on any other thread would not even find it.
//! `callback_executor` brings every callback to the loop: the client posts jobs, and the loop runs them between its own
//! events.

mod common;

use std::cell::RefCell;
use std::error::Error as StdError;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Error, RoomId, UserId};

const ROOM: RoomId = 42;
const USERS: [UserId; 3] = [1001, 1002, 1003];
/// The loop beats at least this often, whether anything is posted or not.
const BEAT: Duration = Duration::from_millis(50);
/// The demonstration ends on its own, even if a server does not answer.
const LONGEST_RUN: Duration = Duration::from_secs(20);

/// A post to the loop.
type Job = Box<dyn FnOnce() + Send>;
/// The callback type of the old code. `Call::callback` accepts it unchanged.
type Callback<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// The loop's own data.
#[derive(Default)]
struct Lobby {
    joined: Vec<UserId>,
    failed: Vec<UserId>,
    members: Option<Vec<UserId>>,
}

thread_local! {
    static LOBBY: RefCell<Lobby> = RefCell::default();
}

fn main() -> Result<(), Box<dyn StdError>> {
    let server = common::Server::find()?;
    println!("an event loop on one thread, against {}\n", server.describe());

    let (poster, posted) = mpsc::channel::<Job>();
    let client = server
        .client()
        .callback_executor(post_to(poster))
        .on_connected(|connection| report(&format!("connected to {}", connection.peer_addr())))
        .quest_timeout(Duration::from_secs(5))
        .build()?;

    // The loop runs on its own thread, as a user interface or a game would.
    let event_loop = thread::Builder::new().name("event-loop".into()).spawn(move || run_loop(&posted, &client))?;
    match event_loop.join() {
        Ok(true) => Ok(()),
        Ok(false) => Err("not everybody was let in".into()),
        Err(_) => Err("the event loop panicked".into()),
    }
}

/// The bridge: posts the client's jobs to the loop. The closure runs on one of the client's threads and returns at once.
fn post_to(poster: Sender<Job>) -> impl Fn(Job) + Send + Sync {
    move |job| {
        // An ended loop accepts no jobs. The job is returned and runs when it is dropped, on the client's thread.
        let _ = poster.send(job);
    }
}

/// The old loop: runs jobs as they arrive and ticks now and then, until the lobby is complete.
fn run_loop(posted: &Receiver<Job>, client: &Client) -> bool {
    join_everybody(client);
    let end = Instant::now() + LONGEST_RUN;
    while Instant::now() < end {
        match posted.recv_timeout(BEAT) {
            Ok(job) => job(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if LOBBY.with_borrow(|lobby| lobby.members.is_some()) {
            return say_goodbye();
        }
    }
    false
}

/// Never blocks: the loop continues while the calls are in flight.
fn join_everybody(client: &Client) {
    for user in USERS {
        report(&format!("asking for {user} to be let in"));
        let client_for_later = client.clone();
        let callback: Callback<()> = Box::new(move |outcome| note_join(&client_for_later, user, outcome));
        client.add_room_member(ROOM, user).callback(callback);
    }
}

/// Runs on the loop's thread, so it may use the loop's data.
fn note_join(client: &Client, user: UserId, outcome: Result<(), Error>) {
    let everybody_is_done = LOBBY.with_borrow_mut(|lobby| {
        match outcome {
            Ok(()) => lobby.joined.push(user),
            Err(error) => {
                report(&format!("{user} was not let in: {error:#}"));
                lobby.failed.push(user);
            }
        }
        lobby.joined.len() + lobby.failed.len() == USERS.len()
    });
    report(&format!("{user} is done"));
    if everybody_is_done {
        // A callback may make calls itself.
        client.get_room_members(ROOM).callback(note_members);
    }
}

fn note_members(outcome: Result<Vec<UserId>, Error>) {
    let members = outcome.unwrap_or_else(|error| {
        report(&format!("the members are not known: {error:#}"));
        Vec::new()
    });
    LOBBY.with_borrow_mut(|lobby| lobby.members = Some(members));
}

/// Returns whether everything went well.
fn say_goodbye() -> bool {
    LOBBY.with_borrow(|lobby| {
        report(&format!(
            "let in: {:?}, not let in: {:?}, in the room: {:?}",
            lobby.joined, lobby.failed, lobby.members
        ));
        lobby.failed.is_empty()
    })
}

/// Prints a line, and the thread that it comes from.
fn report(line: &str) {
    let thread = thread::current();
    println!("[{}] {line}", thread.name().unwrap_or("?"));
}
