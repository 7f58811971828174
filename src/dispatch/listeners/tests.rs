//! Routing, queues, gaps and catch-ups, without a socket or a thread.

use super::*;
use crate::code::ErrorCode;
use crate::fpnn::MapWriter;
use crate::rtm::{Message, MessageType};

const ROOM: i64 = 42;

/// The listeners of a client, and a connection that is made anew at will.
struct Hub {
    listeners: Listeners,
    counters: Arc<Counters>,
    connection: u64,
    now: Instant,
}

impl Hub {
    fn new() -> Hub {
        let counters = Arc::new(Counters::default());
        Hub { listeners: Listeners::new(Arc::clone(&counters)), counters, connection: 1, now: Instant::now() }
    }

    fn listen(&self, listen: Listen, fills_gaps: bool) -> Ear {
        self.listen_with(listen, fills_gaps, 4096)
    }

    fn listen_with(&self, listen: Listen, fills_gaps: bool, limit: usize) -> Ear {
        let sink = Sink::new(self.listeners.new_queue(limit));
        let id = self.listeners.add(Arc::new(listen), fills_gaps, Arc::clone(&sink)).unwrap();
        self.listeners.handle_granted(self.connection, id);
        Ear { id, sink }
    }

    fn push(&self, mid: i64) {
        self.push_payload(&room_message(mid));
    }

    fn push_payload(&self, payload: &[u8]) {
        self.listeners.route(self.connection, PushMethod::RoomMessage, &payload.into(), self.now);
        self.listeners.wake_touched();
    }

    fn push_login(&self) {
        let mut payload = Vec::new();
        let map = MapWriter::begin(&mut payload).int("pid", 1).str("event", "login").int("uid", 2);
        map.int("time", 3).str("endpoint", "");
        self.listeners.route(self.connection, PushMethod::Event, &payload.into(), self.now);
        self.listeners.wake_touched();
    }

    /// A new connection, on which these are granted what they want.
    fn reconnect(&mut self, ears: &[&Ear]) {
        self.connection += 1;
        ears.iter().for_each(|ear| self.listeners.handle_granted(self.connection, ear.id));
    }

    /// The room's newest messages are found out.
    fn find_newest(&self, newest: &[i64]) {
        match self.listeners.next_work() {
            Some(Work::FindNewest { rid: ROOM, connection }) => {
                let rows: Vec<Message> = newest.iter().map(|&mid| row(mid)).collect();
                self.listeners.handle_newest(ROOM, connection, Some(&rows), self.now);
            }
            other => panic!("{other:?}"),
        }
    }

    fn next_catch_up(&self) -> CatchUp {
        match self.listeners.next_work() {
            Some(Work::CatchUp(catch_up)) => catch_up,
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self, catch_up: &CatchUp, mids: impl IntoIterator<Item = i64>) -> Progress {
        self.listeners.take_rows(catch_up, mids.into_iter().map(row).collect(), self.now)
    }
}

struct Ear {
    id: ListenerId,
    sink: Arc<Sink>,
}

impl Ear {
    /// Everything that is there, in short.
    fn heard(&self) -> Vec<String> {
        let take = || match self.sink.queue.try_take() {
            Taken::Push(push) => Some(in_short(&push)),
            Taken::Nothing => None,
            Taken::Closed => None,
        };
        std::iter::from_fn(take).collect()
    }
}

fn in_short(push: &Push) -> String {
    match push {
        Push::Message(message) => message.mid.to_string(),
        Push::Event(event) => event.name.clone(),
        Push::Gap(gap) => {
            let (missed, since) = (gap.missed().unwrap_or(0), gap.since().unwrap_or(0));
            let error = if gap.error().is_some() { " with an error" } else { "" };
            format!("{:?} {missed} since {since}{error}", gap.reason())
        }
    }
}

fn room_message(mid: i64) -> Vec<u8> {
    let mut payload = Vec::new();
    let map = MapWriter::begin(&mut payload).int("from", 7).int("rid", ROOM).int("mid", mid);
    map.int("mtype", 30).int("mtime", 1_000 * mid).str("msg", "hello").str("attrs", "");
    payload
}

fn row(mid: i64) -> Message {
    Message {
        target: Target::Room(ROOM),
        from: 7,
        mid,
        mtype: MessageType::CHAT,
        body: "hello".into(),
        attrs: String::new(),
        mtime: Some(1_000 * mid),
    }
}

fn error() -> Error {
    Error::from_answer(ErrorCode::RTM_EC_PERMISSION_DENIED, "no")
}

#[test]
fn each_message_is_delivered_once_and_in_order() {
    let hub = Hub::new();
    let (one, two) = (hub.listen(Listen::new().room(ROOM), false), hub.listen(Listen::new().all_rooms(), false));
    [1, 2, 1, 3, 3, 2, 4].iter().for_each(|&mid| hub.push(mid));
    assert_eq!(one.heard(), ["1", "2", "3", "4"]);
    assert_eq!(two.heard(), ["1", "2", "3", "4"]);
    let stats = hub.counters.read(0);
    assert_eq!((stats.pushes_received, stats.pushes_duplicate, stats.pushes_delivered), (7, 3, 8));
}

#[test]
fn events_are_not_filtered() {
    let hub = Hub::new();
    let ear = hub.listen(Listen::new().event("login"), false);
    hub.push_login();
    hub.push_login();
    assert_eq!(ear.heard(), ["login", "login"]);
}

#[test]
fn broken_push_does_not_make_its_repetition_a_duplicate() {
    let hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    let mut broken = room_message(1);
    broken.truncate(broken.len() - 3);
    hub.push_payload(&broken);
    hub.push(1);
    assert_eq!(ear.heard(), ["1"]);
}

#[test]
fn what_does_not_fit_is_told_in_its_place() {
    let hub = Hub::new();
    let (ear, other) =
        (hub.listen_with(Listen::new().room(ROOM), false, 2), hub.listen(Listen::new().room(ROOM), false));
    (1..=5).for_each(|mid| hub.push(mid));
    assert_eq!(ear.heard(), ["1", "2", "Overflow 3 since 2000"]);
    hub.push(6);
    assert_eq!(ear.heard(), ["6"]);
    assert_eq!(other.heard().len(), 6);
    assert_eq!((hub.counters.read(0).pushes_overflowed, hub.counters.read(0).gaps), (3, 1));
}

#[test]
fn gap_of_a_full_queue_stands_between_what_came_before_and_after() {
    let hub = Hub::new();
    let ear = hub.listen_with(Listen::new().room(ROOM), false, 2);
    (1..=3).for_each(|mid| hub.push(mid));
    assert!(matches!(ear.sink.queue.try_take(), Taken::Push(_)));
    (4..=6).for_each(|mid| hub.push(mid));
    assert_eq!(ear.heard(), ["2", "Overflow 1 since 2000", "4", "Overflow 2 since 4000"]);
}

#[test]
fn queue_is_bounded_by_bytes_too() {
    let hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    let big = |mid| {
        let mut payload = Vec::new();
        let map = MapWriter::begin(&mut payload).int("from", 7).int("rid", ROOM).int("mid", mid);
        map.int("mtype", 30).str("msg", &"x".repeat(1024 * 1024));
        payload
    };
    (0..100).for_each(|mid| hub.push_payload(&big(mid)));
    let heard = ear.heard();
    assert_eq!(heard.len(), 33, "32 MiB, and the gap");
    assert!(heard[32].starts_with("Overflow 68"), "{}", heard[32]);
}

#[test]
fn reconnect_is_told_to_those_who_were_there_before() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM).event("login"), false);
    hub.push(1);
    hub.reconnect(&[&ear]);
    let late = hub.listen(Listen::new().room(ROOM), false);
    hub.push(2);
    assert_eq!(ear.heard(), ["1", "Reconnected 0 since 1000", "2"]);
    assert_eq!(late.heard(), ["2"]);
}

#[test]
fn gap_stands_before_what_is_pushed_ahead_of_the_grant() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    hub.reconnect(&[]);
    hub.push(1);
    hub.reconnect(&[]);
    hub.reconnect(&[&ear]);
    hub.push(2);
    assert_eq!(ear.heard(), ["Reconnected 0 since 0", "1", "Reconnected 0 since 1000", "2"]);
}

#[test]
fn duplicates_are_remembered_over_reconnects() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(1);
    assert_eq!(ear.heard(), ["1", "Reconnected 0 since 1000"]);
}

#[test]
fn refusal_is_told_with_its_error() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, ear.id, &error());
    assert_eq!(ear.heard()[1..], ["Reconnected 0 since 1000", "Refused 0 since 1000 with an error"]);
    hub.reconnect(&[&ear]);
    assert_eq!(ear.heard(), ["Reconnected 0 since 1000"]);
}

#[test]
fn closed_client_gives_what_was_queued_and_then_the_end() {
    let hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), false);
    hub.push(1);
    hub.listeners.close();
    hub.push(2);
    assert_eq!(ear.heard(), ["1"]);
    assert!(matches!(ear.sink.queue.take(None), Taken::Closed));
    let sink = Sink::new(hub.listeners.new_queue(1));
    assert!(hub.listeners.add(Listen::new().room(ROOM).into(), false, sink).is_err());
}

#[test]
fn missed_messages_come_out_of_the_history_before_what_is_new() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(5);
    assert_eq!(ear.heard(), ["1"], "what is new waits for what was missed");
    let catch_up = hub.next_catch_up();
    assert_eq!(hub.rows(&catch_up, [1, 2, 3]), Progress::GoesOn);
    assert_eq!(ear.heard(), ["2", "3"], "at once");
    assert_eq!(hub.rows(&catch_up, [4, 5, 6]), Progress::UpToDate);
    hub.listeners.finish(&catch_up);
    hub.push(6);
    assert_eq!(ear.heard(), ["4", "5", "6"]);
}

#[test]
fn message_that_comes_by_history_and_push_is_delivered_once_to_everybody() {
    let mut hub = Hub::new();
    let filling = hub.listen(Listen::new().room(ROOM), true);
    let plain = hub.listen(Listen::new().room(ROOM), false);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&filling, &plain]);
    let late = hub.listen(Listen::new().room(ROOM), true);
    let catch_up = hub.next_catch_up();
    // Sent after the connection was made, and read before it is pushed.
    hub.rows(&catch_up, [2]);
    hub.listeners.finish(&catch_up);
    hub.push(2);
    hub.push(2);
    assert_eq!(filling.heard(), ["1", "2"]);
    assert_eq!(plain.heard(), ["1", "Reconnected 0 since 1000", "2"]);
    assert_eq!(late.heard(), ["2"]);
}

#[test]
fn catch_up_that_fails_is_a_gap_in_its_place() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(9);
    let catch_up = hub.next_catch_up();
    hub.rows(&catch_up, [2]);
    hub.listeners.tell_gap(&catch_up, Some(&error()));
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["1", "2", "Reconnected 0 since 2000 with an error", "9"]);
    // What was told as missing is not delivered later, out of its order.
    hub.reconnect(&[&ear]);
    let catch_up = hub.next_catch_up();
    hub.rows(&catch_up, [3, 9, 10]);
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["10"]);
}

#[test]
fn room_that_was_quiet_is_caught_up_from_where_the_listening_began() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[3, 2]);
    hub.reconnect(&[&ear]);
    let catch_up = hub.next_catch_up();
    assert_eq!(catch_up.base.as_ref().unwrap().last.mtime, 3_000);
    hub.rows(&catch_up, [1, 2, 3, 4]);
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["4"]);
}

#[test]
fn room_of_which_nothing_is_known_cannot_be_caught_up() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&ear]);
    let catch_up = hub.next_catch_up();
    assert!(catch_up.base.is_none());
    hub.listeners.tell_gap(&catch_up, None);
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["Reconnected 0 since 0"]);
    hub.find_newest(&[5]);
    hub.reconnect(&[&ear]);
    assert!(hub.next_catch_up().base.is_some(), "it is known by then");
}

#[test]
fn what_has_no_history_is_a_gap_though_the_rooms_are_caught_up() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM).event("login"), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    let catch_up = hub.next_catch_up();
    hub.rows(&catch_up, [1, 2]);
    hub.listeners.finish(&catch_up);
    hub.push_login();
    assert_eq!(ear.heard(), ["1", "Reconnected 0 since 1000", "2", "login"]);
}

#[test]
fn catch_up_goes_on_over_another_reconnect() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(4);
    let first = hub.next_catch_up();
    hub.rows(&first, [1, 2]);
    hub.reconnect(&[&ear]);
    hub.push(7);
    assert_eq!(hub.listeners.wait_granted(ROOM, 2).unwrap(), Some(3));
    assert_eq!(hub.rows(&first, [2, 3, 4, 5, 6, 7]), Progress::UpToDate);
    hub.listeners.finish(&first);
    let second = hub.next_catch_up();
    assert_eq!(second.base.as_ref().unwrap().last.mtime, 4_000);
    assert_eq!(hub.rows(&second, [4, 5, 6, 7]), Progress::UpToDate);
    hub.listeners.finish(&second);
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn listener_that_joined_during_a_catch_up_gets_what_it_misses_after_the_next_loss() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.push(3);
    hub.reconnect(&[&ear, &late]);
    // The first catch-up is not over, and another of its pages reaches beyond the second connection.
    hub.rows(&first, [1, 2]);
    assert_eq!(hub.rows(&first, [3]), Progress::UpToDate);
    hub.listeners.finish(&first);
    let second = hub.next_catch_up();
    hub.rows(&second, [1, 2, 3, 4]);
    hub.listeners.finish(&second);
    hub.push(4);
    hub.push(5);
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5"]);
    assert_eq!(late.heard(), ["3", "4", "5"]);
}

#[test]
fn row_of_an_earlier_catch_up_is_given_to_those_who_joined_since() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    let first = hub.next_catch_up();
    let late = hub.listen(Listen::new().room(ROOM), true);
    hub.reconnect(&[&ear, &late]);
    // Nothing was pushed in between, so that the first catch-up reads on to the end.
    hub.rows(&first, [1, 2]);
    hub.listeners.finish(&first);
    let second = hub.next_catch_up();
    hub.rows(&second, [1, 2]);
    hub.rows(&second, [2]);
    hub.listeners.finish(&second);
    assert_eq!(late.heard(), ["2"]);
    hub.push(2);
    hub.push(3);
    assert_eq!(ear.heard(), ["1", "2", "3"]);
    assert_eq!(late.heard(), ["3"]);
}

#[test]
fn server_that_comes_and_goes_piles_up_neither_catch_ups_nor_gaps() {
    let mut hub = Hub::new();
    let filling = hub.listen(Listen::new().room(ROOM), true);
    let both = hub.listen(Listen::new().room(ROOM).event("login"), true);
    hub.find_newest(&[]);
    hub.push(1);
    for _ in 0..1_000 {
        hub.reconnect(&[&filling, &both]);
    }
    assert_eq!(hub.listeners.tables.lock().work.len(), 1);
    assert!(filling.sink.queue.held_items() <= 2 && both.sink.queue.held_items() <= 3);
    hub.push(5);
    let catch_up = hub.next_catch_up();
    assert_eq!(hub.rows(&catch_up, [1, 2, 5]), Progress::UpToDate);
    hub.listeners.finish(&catch_up);
    assert_eq!(filling.heard(), ["1", "2", "5"]);
    assert_eq!(both.heard(), ["1", "Reconnected 0 since 1000", "2", "5"]);
}

#[test]
fn catch_up_is_not_overtaken_once_something_was_pushed_behind_it() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(3);
    hub.reconnect(&[&ear]);
    hub.push(5);
    for missed in [2, 4] {
        let catch_up = hub.next_catch_up();
        hub.rows(&catch_up, [missed]);
        hub.listeners.finish(&catch_up);
    }
    assert_eq!(ear.heard(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn closing_ends_a_catch_up_with_a_gap() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.reconnect(&[&ear]);
    hub.push(5);
    let catch_up = hub.next_catch_up();
    hub.rows(&catch_up, [2]);
    hub.listeners.close();
    assert_eq!(ear.heard(), ["1", "2", "Reconnected 0 since 2000 with an error", "5"]);
    assert!(hub.listeners.next_work().is_none());
    assert!(matches!(hub.listeners.wait_granted(ROOM, 0), Err(Error::Closed(_))));
}

#[test]
fn rows_that_do_not_fit_are_told_in_their_place() {
    let mut hub = Hub::new();
    let ear = hub.listen_with(Listen::new().room(ROOM), true, 3);
    hub.find_newest(&[]);
    hub.push(1);
    assert_eq!(ear.heard(), ["1"]);
    hub.reconnect(&[&ear]);
    hub.push(9);
    let catch_up = hub.next_catch_up();
    hub.rows(&catch_up, 1..9);
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["2", "3", "Overflow 5 since 3000", "9"]);
}

#[test]
fn refused_room_is_not_waited_for() {
    let mut hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM), true);
    hub.find_newest(&[]);
    hub.push(1);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, ear.id, &error());
    let catch_up = hub.next_catch_up();
    assert_eq!(hub.listeners.wait_granted(ROOM, 1).unwrap(), None);
    hub.listeners.finish(&catch_up);
    assert_eq!(ear.heard(), ["1", "Refused 0 since 1000 with an error"]);
}

#[test]
fn room_is_waited_for_while_another_listener_to_it_is_undecided() {
    let mut hub = Hub::new();
    let refused = hub.listen(Listen::new().rooms(&[ROOM, 13]), true);
    let granted = hub.listen(Listen::new().room(ROOM), true);
    hub.connection += 1;
    hub.listeners.handle_refused(hub.connection, refused.id, &error());
    let tables = hub.listeners.tables.lock();
    assert!(!tables.is_refused(&tables.rooms[&ROOM]) && tables.is_refused(&tables.rooms[&13]));
    drop(tables);
    hub.listeners.handle_granted(hub.connection, granted.id);
    assert_eq!(hub.listeners.wait_granted(ROOM, 1).unwrap(), Some(2));
}

#[test]
fn listener_that_is_gone_gets_nothing_and_leaves_nothing_behind() {
    let hub = Hub::new();
    let ear = hub.listen(Listen::new().room(ROOM).all_events(), true);
    hub.push(1);
    ear.sink.abandon();
    hub.listeners.remove(ear.id);
    hub.push(2);
    assert!(ear.heard().is_empty());
    let tables = hub.listeners.tables.lock();
    assert!(tables.listeners.is_empty() && tables.rooms.is_empty());
}
