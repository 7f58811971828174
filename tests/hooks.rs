//! The hooks for new and lost connections run where callbacks run, in the order of events.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::unbounded;
use rtm_server_sdk::{Client, Error};

use common::answering::AnsweringServer;
use common::fixtures::{self, into};
use common::receive;
use common::scripted::ScriptedServer;
use common::watchdog::guarded;

#[test]
fn hooks_run_for_every_connection() {
    guarded(|| {
        let server = ScriptedServer::start();
        let (sender, events) = unbounded();
        let closed = sender.clone();
        let client = fixtures::builder(server.endpoint())
            .on_connected(move |info| _ = sender.send((info.number(), info.peer_addr(), None)))
            .on_closed(move |info, error| _ = closed.send((info.number(), info.peer_addr(), Some(error.cloned()))))
            .connect()
            .unwrap();
        let peer = server.address();
        assert!(matches!(receive(&events, "on_connected"), (1, address, None) if address == peer));
        server.accept().close();
        let lost = receive(&events, "on_closed");
        assert!(matches!(&lost, (1, _, Some(Some(Error::ConnectionClosed { .. })))), "{lost:?}");
        client.connect().unwrap();
        assert!(matches!(receive(&events, "on_connected"), (2, _, None)));
        client.close();
        assert!(matches!(receive(&events, "on_closed"), (2, _, Some(None))));
        drop(client);
        assert!(events.recv().is_err());
    });
}

#[test]
fn hooks_may_block_panic_and_make_calls() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (sender, outcomes) = unbounded();
        let slot = Arc::new(Mutex::new(None::<Client>));
        let (theirs, made) = (Arc::clone(&slot), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&made);
        let client = fixtures::builder(server.endpoint())
            .on_connected(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                let client = theirs.lock().unwrap().take().unwrap();
                _ = sender.send(client.get_room_members(1).call());
                drop(client);
                panic!("this panic is a part of the test");
            })
            .build()
            .unwrap();
        *slot.lock().unwrap() = Some(client.clone());
        client.add_room_member(1, 1).call().unwrap();
        assert_eq!(receive(&outcomes, "on_connected").unwrap(), [1, 2]);
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        receive(&outcomes, "the callback after the panic of a hook").unwrap();
        assert_eq!(made.load(Ordering::SeqCst), 1);
    });
}
