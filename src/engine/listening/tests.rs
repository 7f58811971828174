//! Listeners on a simulated server.

mod any_order;
mod pausing;
mod shrinking;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::code::ErrorCode;
use crate::error::{AnswerError, DecodeError};
use crate::rtm::methods::listen::{Listen, Subjects};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A server that refuses some rooms unless it pushes them already, and what the listeners were told.
struct Table {
    subscriptions: Subscriptions<u64>,
    now: Instant,
    refused_rooms: Vec<i64>,
    /// What the server has granted on this connection.
    accepted: Option<SetListen>,
    in_flight: Option<SetListen>,
    requests: usize,
    told: BTreeMap<u64, Vec<&'static str>>,
}

impl Table {
    fn new(refused_rooms: &[i64]) -> Table {
        Table {
            subscriptions: Subscriptions::new(),
            now: Instant::now(),
            refused_rooms: refused_rooms.to_vec(),
            accepted: None,
            in_flight: None,
            requests: 0,
            told: BTreeMap::new(),
        }
    }

    fn connected() -> Table {
        let mut table = Table::new(&[]);
        table.subscriptions.handle_connected();
        table
    }

    fn add(&mut self, id: u64, listen: Listen) {
        let deadline = self.now + TIMEOUT;
        let mut decisions = Vec::new();
        let subscription = NewSubscription {
            id: ListenerId(id),
            listen: listen.into(),
            deadline,
            timeout: TIMEOUT,
            wait_for_ready: false,
            token: id,
        };
        let added = self.subscriptions.add(subscription, &mut decisions);
        self.note(decisions);
        if let Err((token, _)) = added {
            self.told.entry(token).or_default().push("too many names");
        }
    }

    /// Sends what is due, if anything. The server does not answer yet.
    fn send(&mut self) -> bool {
        let mut decisions = Vec::new();
        let request = self.subscriptions.next_request(self.now, &mut decisions);
        self.note(decisions);
        let is_sent = request.is_some();
        if is_sent {
            assert!(self.in_flight.is_none(), "one `setlisten` is in flight at most");
            self.requests += 1;
            self.in_flight = request;
        }
        is_sent
    }

    fn answer(&mut self) {
        let Some(request) = self.in_flight.take() else { return };
        let outcome = if self.accept(request) { Ok(()) } else { Err(refusal()) };
        self.handle_answer(outcome);
    }

    /// Grants the request, unless it contains a refused room.
    fn accept(&mut self, request: SetListen) -> bool {
        let pushed = self.accepted.as_ref().map_or(&[][..], |accepted| named(&accepted.rooms));
        let is_refused = |room: &i64| self.refused_rooms.contains(room) && !pushed.contains(room);
        let is_accepted = !named(&request.rooms).iter().any(is_refused);
        if is_accepted {
            self.accepted = Some(request);
        }
        is_accepted
    }

    /// Fails the request in flight, whatever the server's answer would be.
    fn fail(&mut self, error: Error) {
        assert!(self.in_flight.take().is_some());
        self.handle_answer(Err(error));
    }

    fn handle_answer(&mut self, outcome: Result<(), Error>) {
        let mut decisions = Vec::new();
        self.subscriptions.handle_answer(self.now, outcome, &mut decisions);
        self.note(decisions);
    }

    /// Continues until nothing is due.
    fn settle(&mut self) {
        self.answer();
        while self.send() {
            self.answer();
        }
    }

    fn reconnect(&mut self) {
        self.in_flight = None;
        self.accepted = None;
        self.subscriptions.handle_disconnected();
        assert!(!self.send(), "nothing is sent without a connection");
        self.subscriptions.handle_connected();
    }

    fn note(&mut self, decisions: Vec<Decision<u64>>) {
        for decision in decisions {
            let (id, word) = match decision {
                Decision::Granted(id, Some(token)) => {
                    assert_eq!(id.0, token);
                    (token, "started")
                }
                Decision::Granted(id, None) => (id.0, "granted"),
                Decision::Refused(id, _) => (id.0, "refused"),
                Decision::Failed(token, _) => (token, "failed"),
            };
            self.told.entry(id).or_default().push(word);
        }
    }

    fn told(&self, id: u64) -> &[&'static str] {
        self.told.get(&id).map_or(&[], |told| told)
    }

    fn rooms(&self) -> &[i64] {
        named(&self.accepted.as_ref().expect("a union was accepted").rooms)
    }
}

fn named(rooms: &Subjects<i64>) -> &[i64] {
    match rooms {
        Subjects::Only(rooms) => rooms,
        Subjects::All => &[],
    }
}

fn refusal() -> Error {
    Error::Answer(AnswerError::new(ErrorCode::RTM_EC_PERMISSION_DENIED, None, None))
}

fn not_now() -> Error {
    Error::Answer(AnswerError::new(ErrorCode::RTM_EC_FREQUENCY_LIMITED, None, None))
}

fn no_answer() -> Error {
    Error::Timeout(TimeoutError::new(Stage::WaitingForAnswer, TIMEOUT))
}

#[test]
fn listeners_share_requests_of_which_one_is_in_flight() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.add(2, Listen::new().room(2));
    table.add(3, Listen::new().room(3));
    assert!(!table.send(), "one is in flight");
    table.settle();
    assert_eq!((table.requests, table.rooms()), (2, &[1, 2, 3][..]));
    assert!((1..=3).all(|id| table.told(id) == ["started"]));
}

#[test]
fn listener_covered_by_the_granted_union_starts_without_a_request() {
    let mut table = Table::connected();
    table.add(1, Listen::new().rooms(&[1, 2]));
    table.settle();
    table.add(2, Listen::new().room(2));
    table.settle();
    assert_eq!((table.requests, table.told(2)), (1, &["started"][..]));
}

#[test]
fn listener_covered_by_the_granted_union_waits_for_no_request() {
    let mut table = Table::connected();
    table.add(1, Listen::new().rooms(&[1, 2]));
    table.settle();
    // While a request is in flight.
    table.add(2, Listen::new().room(3));
    assert!(table.send());
    table.add(3, Listen::new().room(2));
    assert_eq!(table.told(3), ["started"]);
    table.add(4, Listen::new().rooms(&[2, 3]));
    assert!(table.told(4).is_empty(), "room 3 may be refused");
    // During a pause. Only listener 3 wants room 2 now.
    table.subscriptions.remove(ListenerId(1));
    table.fail(not_now());
    table.add(5, Listen::new().room(2));
    table.add(6, Listen::new().room(1));
    assert_eq!(table.told(5), ["started"]);
    assert!(table.told(6).is_empty(), "nobody wants room 1 any more");
    table.now = table.subscriptions.next_due().unwrap();
    table.settle();
    assert_eq!((table.told(4), table.told(6), table.rooms()), (&["started"][..], &["started"][..], &[1, 2, 3][..]));
}

#[test]
fn grants_of_an_earlier_connection_do_not_count() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.reconnect();
    table.add(2, Listen::new().room(1));
    assert!(table.send());
    table.add(3, Listen::new().room(1));
    assert!(table.told(2).is_empty() && table.told(3).is_empty());
}

#[test]
fn union_shrinks_with_the_last_listener_to_a_room() {
    let mut table = Table::connected();
    table.add(1, Listen::new().rooms(&[1, 2]));
    table.add(2, Listen::new().room(2));
    table.settle();
    assert_eq!(table.subscriptions.remove(ListenerId(1)), None);
    table.settle();
    assert_eq!(table.rooms(), [2]);
    table.subscriptions.remove(ListenerId(2));
    table.settle();
    assert_eq!(table.rooms(), [] as [i64; 0]);
}

#[test]
fn refused_subscription_fails_only_its_own_listener() {
    let mut table = Table::new(&[13]);
    table.subscriptions.handle_connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.add(2, Listen::new().room(13));
    for id in 3..10 {
        table.add(id, Listen::new().room(id as i64));
    }
    table.settle();
    assert_eq!(table.told(2), ["failed"]);
    assert!((1..10).filter(|id| *id != 2).all(|id| table.told(id) == ["started"]));
    assert_eq!(table.rooms(), [1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn every_connection_starts_with_the_whole_union() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.add(2, Listen::new().room(2));
    table.settle();
    table.reconnect();
    table.settle();
    assert_eq!((table.requests, table.rooms()), (2, &[1, 2][..]));
    assert_eq!(table.told(1), ["started", "granted"]);
}

#[test]
fn subscription_refused_later_is_requested_on_the_next_connection() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.add(2, Listen::new().room(13));
    table.settle();
    table.refused_rooms = vec![13];
    table.reconnect();
    table.settle();
    assert_eq!(table.told(2), ["started", "refused"]);
    assert_eq!((table.told(1), table.rooms()), (&["started", "granted"][..], &[1][..]));
    table.refused_rooms.clear();
    table.reconnect();
    table.settle();
    assert_eq!(table.told(2), ["started", "refused", "granted"]);
    assert_eq!(table.rooms(), [1, 13]);
}

#[test]
fn refusal_of_a_removed_subscription_does_not_fail_another() {
    let mut table = Table::new(&[13]);
    table.subscriptions.handle_connected();
    table.add(1, Listen::new().room(1));
    table.add(2, Listen::new().room(13));
    assert!(table.send());
    table.subscriptions.remove(ListenerId(2));
    table.settle();
    assert_eq!((table.told(1), table.rooms()), (&["started"][..], &[1][..]));
}

#[test]
fn loss_with_a_request_in_flight_asks_again_on_the_next_connection() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    assert!(table.send());
    table.reconnect();
    table.settle();
    assert_eq!((table.requests, table.told(1)), (2, &["started"][..]));
}

#[test]
fn late_first_grant_fails_the_listener() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.send();
    let due = table.subscriptions.next_due().unwrap();
    assert_eq!(due, table.now + TIMEOUT);
    let mut decisions = Vec::new();
    table.subscriptions.handle_timeout(due, Stage::WaitingForAnswer, &mut decisions);
    table.note(decisions);
    assert_eq!((table.told(1), table.subscriptions.next_due()), (&["failed"][..], None));
    table.settle();
    assert_eq!(table.rooms(), [] as [i64; 0], "the server is told that nobody listens");
}

#[test]
fn listeners_without_a_first_grant_fail_with_the_attempt() {
    let mut table = Table::connected();
    table.add(1, Listen::new().room(1));
    table.settle();
    table.subscriptions.handle_disconnected();
    table.add(2, Listen::new().room(2));
    assert!(table.subscriptions.has_new());
    assert_eq!(table.subscriptions.fail_new(), [2]);
    assert!(!table.subscriptions.has_new() && !table.subscriptions.is_empty());
}

#[test]
fn only_the_subscription_that_exceeds_a_quest_is_refused() {
    let mut table = Table::connected();
    let rooms = |part: i64| Listen::new().rooms(&(part * 100_000..(part + 1) * 100_000).collect::<Vec<i64>>());
    (0..9).for_each(|part| table.add(part as u64, rooms(part)));
    table.add(9, rooms(9));
    // A subscription to all of a kind may end first, so the names still count.
    table.add(10, Listen::new().all_rooms());
    table.add(11, rooms(9));
    // Names that others have named add nothing.
    table.add(12, rooms(0));
    table.settle();
    for (id, told) in [(8, "started"), (9, "too many names"), (10, "started"), (11, "too many names"), (12, "started")]
    {
        assert_eq!(table.told(id), [told], "{id}");
    }
    table.reconnect();
    table.subscriptions.remove(ListenerId(8));
    table.add(13, rooms(9));
    table.settle();
    assert_eq!(table.told(13), ["started"]);
}
