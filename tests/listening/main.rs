//! Listening, with a server under the control of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod delivery;
mod filling;
mod gaps;
mod handlers;

use rtm_server_sdk::{Client, Error, Listen, ListenGuard, Listener, Listening, Push};

use common::fixtures;
use common::pushing::agree;
use common::scripted::{Connection, ScriptedServer};
use common::watchdog::waiting_for;

const ROOM: i64 = 42;

/// A client of a server, and their connection.
struct Pair {
    server: ScriptedServer,
    client: Client,
    connection: Connection,
}

impl Pair {
    fn new() -> Pair {
        let server = ScriptedServer::start();
        Pair::of(fixtures::client(server.endpoint()), server)
    }

    fn of(client: Client, server: ScriptedServer) -> Pair {
        client.connect().unwrap();
        let connection = server.accept();
        Pair { server, client, connection }
    }

    /// Starts to listen, and has the server grant it.
    fn start(&self, change: impl FnOnce(Listening<'_>) -> Listening<'_> + Send, listen: Listen) -> Listener {
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| change(self.client.listen(listen)).start());
            agree(&self.connection);
            starting.join().unwrap().unwrap()
        })
    }

    fn listen(&self, listen: Listen) -> Listener {
        self.start(|listening| listening, listen)
    }

    fn callback(&self, listen: Listen, handler: impl FnMut(Push) + Send + 'static) -> ListenGuard {
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| self.client.listen(listen).callback(handler));
            agree(&self.connection);
            starting.join().unwrap().unwrap()
        })
    }

    /// Drops the connection. The client reconnects, and the server grants everything again.
    fn reconnect(&mut self) {
        self.drop_connection();
        agree(&self.connection);
    }

    /// Drops the connection. The client reconnects.
    fn drop_connection(&mut self) {
        self.connection.half_close();
        self.connection = self.server.accept();
    }
}

fn next(listener: &Listener) -> Push {
    let _note = waiting_for("a push");
    listener.recv_timeout(common::PATIENCE).unwrap().expect("no push came")
}

/// Returns the id of the next message.
fn next_mid(listener: &Listener) -> i64 {
    match next(listener) {
        Push::Message(message) => message.mid,
        push => panic!("{push:?}"),
    }
}

/// Returns the next item of a listener, in short form.
fn in_short(push: &Push) -> String {
    match push {
        Push::Message(message) => message.mid.to_string(),
        Push::Event(event) => event.name.clone(),
        Push::Gap(gap) => format!("{:?} since {:?}", gap.reason(), gap.since()),
        push => panic!("{push:?}"),
    }
}

fn heard(listener: &Listener, count: usize) -> Vec<String> {
    (0..count).map(|_| in_short(&next(listener))).collect()
}

fn code<T>(result: Result<T, Error>) -> i32 {
    result.map_or_else(|error| error.code().value(), |_| 0)
}
