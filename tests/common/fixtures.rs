//! Clients for the tests, and helpers that collect the outcomes of their calls.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rtm_server_sdk::{Client, ClientBuilder, Error, Pending, RoomInfo};

use super::PATIENCE;
use super::scripted::{Connection, ScriptedServer};
use super::vectors::{Inputs, number};
use super::watchdog::waiting_for;

pub const PID: i32 = 80_000_001;
pub const SECRET: &str = "secret-key-for-tests";

/// A client with all defaults but a timeout that ends the test rather than the call.
pub fn client(endpoint: impl Into<String>) -> Client {
    builder(endpoint).build().unwrap()
}

pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
    Client::builder(PID, SECRET, endpoint).quest_timeout(2 * PATIENCE)
}

/// A server that does what the test says, a client of it, and their connection.
pub fn connected() -> (ScriptedServer, Client, Connection) {
    let server = ScriptedServer::start();
    let client = client(server.endpoint());
    client.connect().unwrap();
    let connection = server.accept();
    (server, client, connection)
}

/// Makes a call whose callback blocks until the sender is dropped. The receiver gets a message once the callback runs.
pub fn call_with_blocking_callback(client: &Client) -> (Sender<()>, Receiver<()>) {
    let (release, released) = bounded::<()>(0);
    let (running, runs) = bounded(1);
    client.add_room_member(1, 1).callback(move |_| {
        _ = running.send(());
        _ = released.recv_timeout(PATIENCE);
    });
    (release, runs)
}

/// The error of a call that was sent and then timed out. `make` makes the call, which nobody answers, and has another try
/// where the machine held it up for so long that it was not sent in its time.
pub fn sent_and_timed_out<T: Debug>(mut make: impl FnMut() -> Result<T, Error>) -> Error {
    let _note = waiting_for("a call to be sent within its time");
    loop {
        match make().unwrap_err() {
            error @ Error::Timeout(_) if error.may_have_executed() => return error,
            Error::Timeout(_) => {}
            error => panic!("{error:?}"),
        }
    }
}

/// A callback that sends what it gets. If it is dropped without having run, the channel closes.
pub fn into<T: Send + 'static>(sender: &Sender<Result<T, Error>>) -> impl FnOnce(Result<T, Error>) + Send + 'static {
    let sender = sender.clone();
    move |result| _ = sender.send(result)
}

/// What any of the nine functions returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done,
    Info { oinfo: Option<String>, pinfo: Option<String> },
    Flag(bool),
    Members(Vec<i64>),
    Counts(HashMap<i64, i64>),
}

pub type Waiting = Box<dyn FnOnce() -> Result<Outcome, Error> + Send>;

/// The arguments of any of the nine functions.
#[derive(Debug, Clone)]
pub struct Arguments {
    pub rid: Option<i64>,
    pub uid: i64,
    pub btime: Option<Duration>,
    pub oinfo: Option<String>,
    pub pinfo: Option<String>,
    pub rids: Vec<i64>,
}

impl Default for Arguments {
    fn default() -> Arguments {
        Arguments { rid: Some(100), uid: 1001, btime: None, oinfo: Some("o".into()), pinfo: None, rids: vec![1, 2] }
    }
}

impl Arguments {
    /// The arguments of a vector; `None` where our types cannot express them: a ban of less than no time.
    pub fn of(inputs: &Inputs) -> Option<Arguments> {
        let int = |digits: &String| i64::try_from(number(digits)).unwrap();
        let btime = match inputs.btime.as_ref().map(int) {
            Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).ok()?)),
            None => None,
        };
        let rids = inputs.rids.as_ref().map(|rids| rids.expand()).unwrap_or_default();
        Some(Arguments {
            rid: inputs.rid.as_ref().map(int),
            uid: inputs.uid.as_ref().map_or(0, int),
            btime,
            oinfo: inputs.oinfo.as_ref().map(|text| text.expand()),
            pinfo: inputs.pinfo.as_ref().map(|text| text.expand()),
            rids: rids.into_iter().map(|rid| i64::try_from(rid).unwrap()).collect(),
        })
    }
}

/// Submits a call of the function of this name.
pub fn submit(client: &Client, function: &str, arguments: &Arguments) -> Waiting {
    let Arguments { uid, btime, oinfo, pinfo, rids, .. } = arguments;
    let (any_rid, rid, uid) = (arguments.rid, arguments.rid.unwrap_or_default(), *uid);
    let done = |(): ()| Outcome::Done;
    let info = |RoomInfo { oinfo, pinfo, .. }| Outcome::Info { oinfo, pinfo };
    match function {
        "add_room_member" => later(client.add_room_member(rid, uid).submit(), done),
        "delete_room_member" => later(client.delete_room_member(rid, uid).submit(), done),
        "set_room_info" => later(client.set_room_info(rid, oinfo.as_deref(), pinfo.as_deref()).submit(), done),
        "get_room_info" => later(client.get_room_info(rid).submit(), info),
        "add_room_ban" => later(client.add_room_ban(any_rid, uid, *btime).submit(), done),
        "remove_room_ban" => later(client.remove_room_ban(any_rid, uid).submit(), done),
        "is_ban_of_room" => later(client.is_ban_of_room(rid, uid).submit(), Outcome::Flag),
        "get_room_members" => later(client.get_room_members(rid).submit(), Outcome::Members),
        "get_room_count" => later(client.get_room_count(rids).submit(), Outcome::Counts),
        other => panic!("no such function: {other}"),
    }
}

fn later<T: Send + 'static>(pending: Pending<T>, wrap: impl FnOnce(T) -> Outcome + Send + 'static) -> Waiting {
    Box::new(move || pending.wait().map(wrap))
}
