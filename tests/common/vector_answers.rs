//! The checks of every answer in a file of vectors, one at a time and all at once.

use rtm_server_sdk::Client;

use super::fixtures;
use super::scripted::ScriptedServer;
use super::wire;

/// A vector's name and its frame.
pub type NamedFrame = (String, Vec<u8>);

/// Answers one call with each frame, and then another call, so that the connection is seen to be in use still. `submit`
/// makes the call of a vector, by its place in `frames`; what that returns checks the outcome.
pub fn answer_one_by_one<Check: FnOnce()>(frames: &[NamedFrame], submit: impl Fn(&Client, usize) -> Check) {
    let (server, client, connection) = fixtures::connected();
    for (place, (name, frame)) in frames.iter().enumerate() {
        let check = submit(&client, place);
        let quest = connection.next();
        connection.send(&wire::with_seq(frame, quest.seq()));
        check();

        let next = client.get_room_info(1).submit();
        connection.answer(&connection.next());
        assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("o"), "after {name}");
    }
    assert_eq!(server.accepted(), 1);
}

/// Answers all calls together, the last one first.
pub fn answer_all_at_once<Check: FnOnce()>(frames: &[NamedFrame], submit: impl Fn(&Client, usize) -> Check) {
    let server = ScriptedServer::start();
    let client = fixtures::client(server.endpoint());
    let checks: Vec<Check> = (0..frames.len()).map(|place| submit(&client, place)).collect();
    let connection = server.accept();
    let quests = connection.take(frames.len());
    let answers = frames.iter().zip(&quests).map(|((_, frame), quest)| wire::with_seq(frame, quest.seq()));
    connection.send(&answers.rev().flatten().collect::<Vec<_>>());
    checks.into_iter().for_each(|check| check());
    assert_eq!(server.accepted(), 1);
}
