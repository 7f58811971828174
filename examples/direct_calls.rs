//! Direct calls from a synchronous server: every handler thread calls the client as it would call a local function.
//!
//! ```sh
//! cargo run --features gate --example direct_calls
//! ```
//!
//! The server takes one request per connection, a line such as `JOIN 42 1001`, and answers with a line that begins with an
//! HTTP status. The demonstration plays a few visitors, then stops the server.

mod common;

use std::error::Error as StdError;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rtm_server_sdk::{Client, Error};

const HANDLERS: usize = 4;
/// A visitor waits for a page, so no call may take long.
const READ_TIME: Duration = Duration::from_millis(500);
const WRITE_TIME: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn StdError>> {
    env_logger::init();
    let mut backend = common::Server::find()?;
    println!("{HANDLERS} handler threads, one client, {}\n", backend.describe());
    // All handlers share this client: one connection, many calls in flight on it.
    let client = backend.client().connect()?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let handlers = start_handlers(&listener, &client)?;

    for request in ["JOIN 42 1001", "JOIN 42 1002", "MEMBERS 42", "LEAVE 42 1002", "MEMBERS 42", "DANCE 42 1001"] {
        visit(address, request)?;
    }
    visit(address, &format!("TITLE 42 {}", "far too long ".repeat(6000)))?;
    many_visitors_at_once(address)?;
    visit(address, "MEMBERS 42")?;
    if backend.stop() {
        println!("\nthe gate is stopped");
        wait_for_loss(&client);
        visit(address, "JOIN 42 1003")?;
    } else {
        visit(address, "LEAVE 42 1001")?;
    }

    stop_handlers(address, handlers)
}

/// Handles one request. Calls the client right where the answer is needed.
fn answer(client: &Client, request: &str) -> String {
    let outcome = match *request.splitn(3, ' ').collect::<Vec<_>>() {
        ["JOIN", room, user] => with_ids(room, user, |room, user| {
            client.add_room_member(room, user).timeout(WRITE_TIME).call().map(|()| "joined".to_owned())
        }),
        ["LEAVE", room, user] => with_ids(room, user, |room, user| {
            client.delete_room_member(room, user).timeout(WRITE_TIME).call().map(|()| "left".to_owned())
        }),
        ["MEMBERS", room] => with_ids(room, "0", |room, _| {
            client.get_room_members(room).timeout(READ_TIME).call().map(|members| format!("{members:?}"))
        }),
        ["TITLE", room, title] => with_ids(room, "0", |room, _| {
            client.set_room_info(room, Some(title), None).timeout(WRITE_TIME).call().map(|()| "set".to_owned())
        }),
        _ => return "404 no such request".to_owned(),
    };
    match outcome {
        None => "400 a room and a user are numbers".to_owned(),
        Some(Ok(text)) => format!("200 {text}"),
        Some(Err(error)) => explain(&error),
    }
}

/// The answer to a visitor, by the kind of error.
fn explain(error: &Error) -> String {
    match error {
        // The visitor sent something that no server would accept.
        Error::InvalidArgument(_) => format!("400 {error:#}"),
        // The server refused, and its code says why.
        Error::Answer(answer) => format!("502 {} ({})", answer.message(), answer.code()),
        // Nothing happened: the visitor may come again.
        error if !error.may_have_executed() => format!("503 try again later: {error:#}"),
        Error::Timeout(_) => "504 it takes too long; whether it was done is not known".to_owned(),
        error => format!("502 whether it was done is not known: {error:#}"),
    }
}

fn with_ids<T>(room: &str, user: &str, call: impl FnOnce(i64, i64) -> T) -> Option<T> {
    Some(call(room.parse().ok()?, user.parse().ok()?))
}

fn start_handlers(listener: &TcpListener, client: &Client) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let start = |number| {
        let (listener, client) = (listener.try_clone()?, client.clone());
        thread::Builder::new().name(format!("handler-{number}")).spawn(move || handle_requests(&listener, &client))
    };
    (1..=HANDLERS).map(start).collect()
}

fn handle_requests(listener: &TcpListener, client: &Client) -> io::Result<()> {
    for visitor in listener.incoming() {
        let mut visitor = BufReader::new(visitor?);
        let mut request = String::new();
        visitor.read_line(&mut request)?;
        if request.trim_end() == "STOP" {
            break;
        }
        let answer = answer(client, request.trim_end());
        writeln!(visitor.get_mut(), "{answer}")?;
    }
    Ok(())
}

fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut server = TcpStream::connect(address)?;
    writeln!(server, "{request}")?;
    let mut answer = String::new();
    BufReader::new(server).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

fn visit(address: SocketAddr, request: &str) -> io::Result<()> {
    let answer = ask(address, request)?;
    println!("{:<20} {answer}", request.chars().take(20).collect::<String>());
    Ok(())
}

fn many_visitors_at_once(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let visitors: Vec<_> =
        (0..40).map(|visitor| thread::spawn(move || ask(address, &format!("LEAVE 42 {}", 5000 + visitor)))).collect();
    let mut served = 0;
    for visitor in visitors {
        let answer = visitor.join().map_err(|_| "a visitor panicked")??;
        served += usize::from(answer.starts_with("200"));
    }
    println!("40 visitors at once   {served} served");
    Ok(())
}

/// Waits until the client has noticed that its server is gone, so that the next request finds no connection.
fn wait_for_loss(client: &Client) {
    let patience = Instant::now() + Duration::from_secs(5);
    while client.is_connected() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
}

fn stop_handlers(address: SocketAddr, handlers: Vec<JoinHandle<io::Result<()>>>) -> Result<(), Box<dyn StdError>> {
    for _ in &handlers {
        ask(address, "STOP")?;
    }
    for handler in handlers {
        handler.join().map_err(|_| "a handler panicked")??;
    }
    println!("\nall handlers have stopped");
    Ok(())
}
