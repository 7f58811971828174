//! Every push of the golden files is answered and delivered as they say, alone and in sequences.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use rtm_server_sdk::{Client, Listen, Listener, Push, ReconnectPolicy};

use common::fixtures;
use common::pushes::{self, PushVector, Sequence, Step, is_expected};
use common::pushing::{agree, event_push};
use common::scripted::{Connection, ScriptedServer};
use common::watchdog::{guarded, waiting_for};
use common::wire::{ANSWER, Packet};

/// The number of the event that shows that everything before it was handled. No vector uses it.
const LAST_SEQ: u32 = 0x7fff_0000;

fn listen(server: &ScriptedServer) -> (Client, Connection, Listener) {
    let client = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::default()).build().unwrap();
    let everything = Listen::new().all_rooms().all_groups().all_users().all_events();
    let theirs = client.clone();
    let starting = std::thread::spawn(move || theirs.listen(everything).start());
    let connection = server.accept();
    agree(&connection);
    (client, connection, starting.join().unwrap().unwrap())
}

/// Returns everything delivered before the final event.
fn delivered(connection: &Connection, listener: &Listener, uid: i64) -> Vec<Push> {
    connection.send(&event_push(LAST_SEQ, "end", uid));
    let _note = waiting_for("the event at the end");
    let is_end = |push: &Push| matches!(push, Push::Event(event) if event.name == "end" && event.uid == uid);
    std::iter::repeat_with(|| listener.recv().unwrap()).take_while(|push| !is_end(push)).collect()
}

/// Returns all answers up to that of the final event.
fn answers(connection: &Connection) -> Vec<Packet> {
    let answers = std::iter::repeat_with(|| connection.next()).filter(|packet| packet.mtype == ANSWER);
    answers.take_while(|packet| packet.seq() != LAST_SEQ).collect()
}

fn check_answer(name: &str, vector: &PushVector, answer: Option<&Packet>) {
    match (&vector.expected.answer, answer) {
        (None, None) => {}
        (Some(due), Some(answer)) => {
            let code = answer.get("code").and_then(|code| code.as_i64());
            assert_eq!(answer.seq(), due.seq, "{name}");
            assert!(due.fits(answer.status(), code), "{name}: status {}, code {code:?}", answer.status());
        }
        (due, answer) => panic!("{name}: {answer:?} in place of {:?}", due.as_ref().map(|due| due.seq)),
    }
}

/// A ping is not passed to the application.
fn due_event(vector: &PushVector) -> Option<&serde_json::Value> {
    vector.expected.event.as_ref().filter(|event| event["kind"] != "ping")
}

#[test]
fn every_push_is_answered_and_delivered_as_the_vectors_say() {
    guarded(|| {
        let server = ScriptedServer::start();
        let vectors = pushes::pushes().vectors;
        assert_eq!(vectors.len(), 144);
        for vector in &vectors {
            let name = &vector.name;
            let (client, connection, listener) = listen(&server);
            connection.send(&vector.frame.bytes());
            let delivered = delivered(&connection, &listener, 1);
            let answers = answers(&connection);
            assert!(answers.len() <= 1, "{name}: {answers:?}");
            check_answer(name, vector, answers.first());
            match (due_event(vector), &delivered[..]) {
                (None, []) => {}
                (Some(due), [push]) => assert!(is_expected(push, due), "{name}: {push:?}"),
                (due, delivered) => panic!("{name}: {delivered:?} in place of {due:?}"),
            }
            client.close();
        }
    });
}

/// The pushes of a sequence up to a reconnect, or to the end.
struct Stretch {
    frames: Vec<Vec<u8>>,
    due: Vec<Due>,
    /// How many of them are answered.
    answers: usize,
}

enum Due {
    Event(serde_json::Value),
    Filled(i64),
}

fn stretches(sequence: &Sequence) -> Vec<Stretch> {
    let new = || Stretch { frames: Vec::new(), due: Vec::new(), answers: 0 };
    let mut stretches = vec![new()];
    for step in &sequence.steps {
        let stretch = stretches.last_mut().unwrap();
        match step {
            Step::Reconnect { reconnect } => {
                assert!(*reconnect);
                stretches.push(new());
            }
            Step::Push(vector) => {
                stretch.frames.push(vector.frame.bytes());
                stretch.due.extend(due_event(vector).cloned().map(Due::Event));
                stretch.answers += usize::from(vector.expected.answer.is_some());
            }
            Step::Fill { fill } => {
                assert_eq!(fill.vary, "mid");
                for index in 0..fill.count {
                    stretch.frames.push(fill.frame(index));
                    stretch.due.push(Due::Filled(fill.value(index)));
                }
                stretch.answers += fill.count as usize;
            }
        }
    }
    stretches
}

fn check_delivered(name: &str, due: &[Due], delivered: &[Push]) {
    let delivered: Vec<&Push> = delivered.iter().filter(|push| !matches!(push, Push::Gap(_))).collect();
    assert_eq!(delivered.len(), due.len(), "{name}");
    for (push, due) in delivered.into_iter().zip(due) {
        match due {
            Due::Event(due) => assert!(is_expected(push, due), "{name}: {push:?} in place of {due}"),
            Due::Filled(mid) => {
                assert!(matches!(push, Push::Message(message) if message.mid == *mid), "{name}: {push:?}");
            }
        }
    }
}

fn run(server: &ScriptedServer, sequence: &Sequence, is_joined: bool) {
    let name = format!("{}, {}", sequence.name, if is_joined { "joined" } else { "step by step" });
    let (client, mut connection, listener) = listen(server);
    for (index, stretch) in stretches(sequence).iter().enumerate() {
        if index > 0 {
            connection.close();
            connection = server.accept();
            agree(&connection);
        }
        let uid = index as i64;
        if is_joined {
            connection.send(&stretch.frames.concat());
        }
        let mut answered = 0;
        for frame in stretch.frames.iter().filter(|_| !is_joined) {
            connection.send(frame);
            // No wait between them, because a one-way push has no answer.
            if answered < stretch.answers && frame[6] == common::wire::TWO_WAY {
                answered += usize::from(connection.next().mtype == ANSWER);
            }
        }
        check_delivered(&name, &stretch.due, &delivered(&connection, &listener, uid));
        assert_eq!(answered + answers(&connection).len(), stretch.answers, "{name}");
    }
    client.close();
}

#[test]
fn every_sequence_of_pushes_is_delivered_alike_step_by_step_and_joined() {
    guarded(|| {
        let server = ScriptedServer::start();
        let sequences = pushes::pushes().sequences;
        assert!(!sequences.is_empty());
        for sequence in &sequences {
            run(&server, sequence, false);
            run(&server, sequence, true);
        }
    });
}
