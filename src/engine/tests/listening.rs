//! Subscribing, and what happens then.

use std::collections::VecDeque;

use super::super::{ListenerId, NewSubscription};
use super::*;
use crate::fpnn::PayloadWriter;
use crate::rtm::methods::listen::Listen;

impl Rig {
    pub(super) fn listen(&mut self, id: u64, listen: Listen) {
        self.listen_with(id, listen, false);
    }

    fn listen_with(&mut self, id: u64, listen: Listen, wait_for_ready: bool) {
        let (deadline, timeout) = (self.now + 5 * SECOND, 5 * SECOND);
        let subscription = NewSubscription {
            id: ListenerId(id),
            listen: listen.into(),
            deadline,
            timeout,
            wait_for_ready,
            token: id as u32,
        };
        self.engine.handle_listen(self.now, subscription);
        self.act();
    }

    fn dial(&mut self) {
        self.resolve(&["192.0.2.1:13315"]);
        assert!(self.dialed());
    }

    /// Returns the number of the only quest that has reached the server, a `setlisten`.
    fn seen_listen(&mut self) -> u32 {
        match &self.seen()[..] {
            [Seen::Quest { seq: Some(seq), method }] if method == "setlisten" => *seq,
            other => panic!("{other:?}"),
        }
    }

    fn refuse_quest(&mut self, seq: u32) {
        let mut bytes = Vec::new();
        FrameWriter::error_answer(&mut bytes, seq, 200_021, "no");
        self.receive(&bytes);
    }

    fn push(&mut self, seq: u32, method: &'static str) {
        let mut bytes = Vec::new();
        FrameWriter::two_way_quest(&mut bytes, seq, MethodName::literal(method)).finish();
        self.receive(&bytes);
    }

    /// Creates a client that gives up a request after this time. Its server is silent but alive.
    fn online_with_connect_timeout(connect_timeout: Duration) -> Rig {
        let mut rig = Rig::with(|settings| {
            settings.connect_timeout = connect_timeout;
            settings.keep_alive = KeepAlive::disabled();
        });
        rig.connect();
        rig
    }

    /// Creates a client with a granted listener.
    fn listening() -> Rig {
        let mut rig = Rig::online();
        rig.listen(1, Listen::new().room(1));
        let seq = rig.seen_listen();
        rig.answer(seq);
        assert_eq!(rig.codes(), [(1, 0)]);
        rig.told.clear();
        rig
    }
}

#[test]
fn calls_wait_for_the_setlisten_of_the_handshake() {
    let mut rig = Rig::new();
    rig.listen(1, Listen::new().room(1));
    rig.call(7, SECOND);
    rig.dial();
    let seq = rig.seen_listen();
    assert!(!rig.is_ready());
    rig.answer(seq);
    assert!(rig.is_ready());
    assert_eq!((rig.codes(), &rig.told[..]), (vec![(1, 0)], &["1: 1 granted".to_owned()][..]));
    assert_eq!(rig.seen().len(), 1, "the call");
}

#[test]
fn every_connection_sends_setlisten_before_any_call() {
    let mut rig = Rig::listening();
    rig.hang_up();
    rig.pass(10 * MILLI);
    rig.call(7, SECOND);
    rig.dial();
    let seq = rig.seen_listen();
    rig.refuse_quest(seq);
    assert_eq!(rig.told, ["2: 1 refused"]);
    assert!(rig.is_ready(), "a refusal is no reason to do without the connection");
    assert_eq!(rig.seen().len(), 1, "the call");
}

#[test]
fn push_is_answered_at_once_and_passed_on() {
    let mut rig = Rig::listening();
    rig.push(77, "pushroommsg");
    assert_eq!(rig.seen(), [Seen::Answer { seq: 77, status: 0 }]);
    assert_eq!(rig.told, ["1: RoomMessage of 1 bytes"]);
}

#[test]
fn push_is_answered_even_if_nobody_listens() {
    let mut rig = Rig::online();
    for method in ["pushmsg", "pushgroupmsg", "pushroommsg", "pushevent", "ping"] {
        rig.push(77, method);
        assert_eq!(rig.seen(), [Seen::Answer { seq: 77, status: 0 }], "{method}");
    }
    assert!(rig.told.is_empty());
}

#[test]
fn unknown_method_is_answered_with_an_error() {
    let mut rig = Rig::listening();
    for method in ["pushchat", "destroy", "PushRoomMsg"] {
        rig.push(77, method);
        assert_eq!(rig.seen(), [Seen::Answer { seq: 77, status: 1 }], "{method}");
    }
    assert!(rig.told.is_empty());
}

#[test]
fn payload_that_is_not_a_map_is_answered_but_not_passed_on() {
    let mut rig = Rig::listening();
    let mut bytes = Vec::new();
    FrameWriter::two_way_quest(&mut bytes, 77, MethodName::literal("pushevent")).finish();
    *bytes.last_mut().unwrap() = 0x90;
    rig.receive(&bytes);
    assert_eq!(rig.seen(), [Seen::Answer { seq: 77, status: 0 }]);
    assert!(rig.told.is_empty());
}

#[test]
fn failed_attempt_fails_waiting_listeners() {
    let mut rig = Rig::new();
    rig.listen(1, Listen::new().room(1));
    rig.resolve(&["192.0.2.1:13315"]);
    rig.refuse();
    assert_eq!(rig.codes(), [(1, 20_012)]);
}

#[test]
fn listener_that_waits_for_ready_outlasts_failed_attempts() {
    let mut rig = Rig::new();
    rig.listen_with(1, Listen::new().room(1), true);
    rig.resolve(&["192.0.2.1:13315"]);
    rig.refuse();
    assert!(rig.codes().is_empty());
    rig.pass(SECOND);
    rig.dial();
    let seq = rig.seen_listen();
    rig.answer(seq);
    assert_eq!(rig.codes(), [(1, 0)]);
    rig.hang_up();
    rig.listen_with(2, Listen::new().room(2), true);
    rig.engine.handle_close(rig.now);
    rig.act();
    assert_eq!(rig.codes(), [(2, 20_015)]);
}

#[test]
fn loss_before_the_first_grant_waits_for_the_next_connection() {
    let mut rig = Rig::online();
    rig.listen(1, Listen::new().room(1));
    rig.seen_listen();
    rig.hang_up();
    rig.pass(10 * MILLI);
    rig.dial();
    let seq = rig.seen_listen();
    rig.answer(seq);
    assert_eq!((rig.codes(), &rig.told[..]), (vec![(1, 0)], &["2: 1 granted".to_owned()][..]));
}

#[test]
fn unanswered_new_listener_fails_at_its_timeout() {
    let mut rig = Rig::online();
    rig.listen(1, Listen::new().room(1));
    rig.seen_listen();
    rig.pass(5 * SECOND);
    assert_eq!(rig.codes(), [(1, 20_003)]);
    // Nobody waits for the answer any more. Soon after, the server is told that nobody listens.
    assert_eq!(rig.seen(), []);
    rig.pass(100 * MILLI);
    rig.seen_listen();
}

#[test]
fn calls_do_not_wait_for_a_listener_that_timed_out() {
    let mut rig = Rig::new();
    rig.listen(1, Listen::new().room(1));
    rig.call(7, 60 * SECOND);
    rig.dial();
    let late = rig.seen_listen();
    rig.pass(5 * SECOND);
    assert_eq!(rig.codes(), [(1, 20_003)]);
    assert!(rig.is_ready());
    assert_eq!(rig.seen().len(), 1, "the call");
    rig.answer(late);
    assert!(rig.told.is_empty(), "{:?}", rig.told);
}

/// A call that waits on a new connection, where the server does not answer the `setlisten`.
fn call_behind_an_unanswered_listen() -> Rig {
    let mut rig = Rig::listening();
    rig.hang_up();
    rig.pass(10 * MILLI);
    rig.call(7, 60 * SECOND);
    rig.dial();
    rig.seen_listen();
    rig
}

#[test]
fn calls_do_not_wait_for_a_listener_that_was_dropped() {
    let mut rig = call_behind_an_unanswered_listen();
    rig.engine.handle_unlisten(rig.now, ListenerId(1));
    rig.act();
    assert!(rig.is_ready());
    assert_eq!(rig.seen().len(), 1, "the call");
}

#[test]
fn listener_behind_an_unanswered_request_is_requested_after_a_second() {
    let mut rig = Rig::online_with_connect_timeout(30 * SECOND);
    rig.listen(1, Listen::new().room(1));
    rig.seen_listen();
    rig.pass(500 * MILLI);
    rig.listen(2, Listen::new().room(2));
    rig.pass(499 * MILLI);
    assert_eq!(rig.seen(), []);
    rig.pass(101 * MILLI);
    let seq = rig.seen_listen();
    rig.answer(seq);
    assert_eq!(rig.codes(), [(1, 0), (2, 0)]);
}

#[test]
fn listeners_start_on_a_slow_server_while_others_keep_coming() {
    let mut rig = Rig::online_with_connect_timeout(30 * SECOND);
    let mut answers = VecDeque::new();
    for step in 0..280 {
        if step % 7 == 0 {
            rig.listen(step + 1, Listen::new().room(step as i64));
        }
        rig.pass(100 * MILLI);
        answers.extend(rig.seen_seqs().into_iter().map(|seq| (rig.now + 1500 * MILLI, seq)));
        while let Some(&(_, seq)) = answers.front().filter(|(at, _)| *at <= rig.now) {
            answers.pop_front();
            rig.answer(seq);
        }
    }
    let codes = rig.codes();
    assert!(codes.len() > 30 && codes.iter().all(|(_, code)| *code == 0), "{codes:?}");
}

#[test]
fn listener_outlasts_unanswered_requests() {
    let mut rig = Rig::online_with_connect_timeout(2 * SECOND);
    rig.listen(1, Listen::new().room(1));
    let late = rig.seen_listen();
    rig.pass(2 * SECOND + 100 * MILLI);
    let seq = rig.seen_listen();
    rig.answer(late);
    assert!(rig.codes().is_empty() && rig.told.is_empty(), "the server may have done something else since");
    rig.answer(seq);
    assert_eq!((rig.codes(), &rig.told[..]), (vec![(1, 0)], &["1: 1 granted".to_owned()][..]));
}

#[test]
fn listener_without_any_answer_ends_at_its_timeout() {
    // The timeout of the last one ends while nothing is in flight.
    for connect_timeout in [SECOND, 2 * SECOND, 30 * SECOND, 4_950 * MILLI] {
        let mut rig = Rig::online_with_connect_timeout(connect_timeout);
        rig.listen(1, Listen::new().room(1));
        rig.pass(5 * SECOND - MILLI);
        assert!(rig.codes().is_empty(), "{connect_timeout:?}");
        rig.pass(MILLI);
        assert_eq!(rig.error().to_string(), "timed out after 5s while waiting for the answer", "{connect_timeout:?}");
    }
}

#[test]
fn missing_answer_in_the_handshake_fails_the_attempt() {
    let mut rig = call_behind_an_unanswered_listen();
    rig.pass(31 * SECOND);
    let error = rig.error();
    assert!(matches!(&error, Error::Connect(_)), "{error:?}");
    assert!(error.to_string().contains("subscribing to pushes"), "{error}");
}

#[test]
fn closing_ends_waiting_listeners() {
    let mut rig = Rig::online();
    rig.listen(1, Listen::new().room(1));
    rig.engine.handle_close(rig.now);
    rig.act();
    assert_eq!(rig.codes(), [(1, 20_015)]);
    rig.listen(2, Listen::new().room(1));
    assert_eq!(rig.codes(), [(2, 20_015)]);
}

#[test]
fn payload_is_passed_on_unchanged() {
    let mut rig = Rig::listening();
    let mut payload = Vec::new();
    PayloadWriter::new(&mut payload).map(0);
    payload.extend_from_slice(b"more");
    let mut bytes = Vec::new();
    FrameWriter::two_way_quest(&mut bytes, 77, MethodName::literal("pushmsg")).finish();
    bytes.extend_from_slice(b"more");
    bytes[8] = payload.len() as u8;
    rig.receive(&bytes);
    assert_eq!(rig.told, ["1: UserMessage of 5 bytes"]);
}
