//! Pushes: what the server sends is read or refused, and what is read reaches its listeners.
//!
//! The same input is used twice: as a stream of frames, and as a sequence of events between a server that pushes, the
//! engine, and listeners that come and go, on simulated time. Whatever happens, each push is answered. Each listener
//! gets what it subscribed to, once and in order, and a gap for what it does not get. At most one `setlisten` is in
//! flight. A refusal fails only the listeners that want what is refused. Each listener has its own timeout. Once
//! nothing is in flight, the server pushes exactly the union of what is granted.

mod model_listener;
mod server;
mod simulation;
mod subscription;

use rtm_server_sdk::Push;
use rtm_server_sdk::fpnn::{Decoder, Frame};
use rtm_server_sdk::rtm::{PushList, PushMethod, PushParts, PushRef};

use simulation::Simulation;

const MAX_PAYLOAD: usize = 64 * 1024;
/// More steps find nothing more.
const MOST_STEPS: usize = 300;

pub fn check(data: &[u8]) {
    check_reading(data);
    if let [settings, rest @ ..] = data {
        check_listening(*settings, rest);
    }
}

fn check_reading(data: &[u8]) {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    for piece in data.chunks(1000) {
        decoder.space()[..piece.len()].copy_from_slice(piece);
        decoder.advance(piece.len());
        while let Ok(Some(frame)) = decoder.next_frame() {
            if let Frame::Quest(quest) = frame {
                read(quest.payload);
            }
        }
    }
}

/// Reads the payload as each kind of push, because what one kind refuses may be another.
fn read(payload: &[u8]) {
    let methods = ["pushmsg", "pushgroupmsg", "pushroommsg", "pushevent", "ping"];
    for method in methods.iter().filter_map(|name| PushMethod::from_name(name.as_bytes())) {
        let Ok(Some(push)) = PushRef::read(method, payload) else { continue };
        match (&push, as_delivered(&push)) {
            (PushRef::Message(message), Push::Message(copy)) => {
                assert_eq!((copy.target, copy.from, copy.mid), (message.target, message.from, message.mid));
            }
            (PushRef::Event(event), Push::Event(copy)) => assert_eq!(copy.uid, event.uid),
            (push, copy) => panic!("{copy:?} of {push:?}"),
        }
    }
}

/// The push as listeners receive it.
fn as_delivered(push: &PushRef<'_>) -> Push {
    let mut list = PushList::default();
    list.add(push, 0);
    match &list.pushes()[0].parts {
        PushParts::Message(parts) => Push::Message(list.message(parts)),
        PushParts::Event(parts) => Push::Event(list.event(parts)),
    }
}

/// Each step takes two bytes. A step that pushes raw bytes takes more.
fn check_listening(settings: u8, mut rest: &[u8]) {
    let mut simulation = Simulation::new(settings);
    for _ in 0..MOST_STEPS {
        let [kind, detail, more @ ..] = rest else { break };
        rest = more;
        if kind % 16 == 15 {
            let (payload, more) = rest.split_at(rest.len().min(usize::from(*detail)));
            simulation.push_bytes(kind / 16, payload);
            rest = more;
        } else {
            simulation.step(*kind, *detail);
        }
    }
    simulation.settle();
    simulation.close();
}
