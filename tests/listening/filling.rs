//! Rooms that are caught up from the history after a reconnect.

use std::time::Duration;

use rtm_server_sdk::{Error, Listen, Listener};

use crate::common::fixtures;
use crate::common::pushing::{agree, event_push, history_page, next_quest, room_push};
use crate::common::scripted::ScriptedServer;
use crate::common::watchdog::guarded;
use crate::common::wire::{self, Packet};
use crate::{Pair, ROOM, heard};

/// The time of each message is its id, in milliseconds.
const T: i64 = 1_700_000_000_000;

/// A pair whose client listens to the room and fills gaps, from when the room's newest messages had these ids.
fn filling(newest: impl IntoIterator<Item = i64>) -> (Pair, Listener) {
    let pair = Pair::new();
    let listener = pair.fill(Listen::new().room(ROOM), newest);
    (pair, listener)
}

/// As [`filling`], with a lost and re-established connection.
fn filling_again(newest: impl IntoIterator<Item = i64>) -> (Pair, Listener) {
    let (mut pair, listener) = filling(newest);
    pair.reconnect();
    (pair, listener)
}

impl Pair {
    /// Starts to listen and to fill gaps, while the room's newest messages have these ids.
    fn fill(&self, listen: Listen, newest: impl IntoIterator<Item = i64>) -> Listener {
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| self.client.listen(listen).fill_gaps(true).start());
            agree(&self.connection);
            let quest = self.give_history(newest);
            assert_eq!(quest.get("desc"), Some(true.into()));
            starting.join().unwrap().unwrap()
        })
    }

    /// The client reads the room's history.
    fn next_history_quest(&self) -> Packet {
        let quest = next_quest(&self.connection);
        assert_eq!((&*quest.method, quest.int("rid")), ("getroommsg", ROOM));
        quest
    }

    /// The client reads the room's history, and receives messages with these ids.
    fn give_history(&self, mids: impl IntoIterator<Item = i64>) -> Packet {
        let quest = self.next_history_quest();
        self.answer_history(&quest, mids);
        quest
    }

    fn answer_history(&self, quest: &Packet, mids: impl IntoIterator<Item = i64>) {
        let rows: Vec<_> = mids.into_iter().map(|mid| (T + mid, T + mid)).collect();
        self.connection.send(&history_page(quest, &rows));
    }
}

fn short(heard: Vec<String>) -> Vec<String> {
    heard.into_iter().map(|word| word.replace("1700000000", "")).collect()
}

fn push(seq: u32, mid: i64) -> Vec<u8> {
    room_push(seq, ROOM, T + mid)
}

#[test]
fn missed_messages_are_delivered_in_order_before_newer_ones() {
    guarded(|| {
        let (mut pair, listener) = filling([60, 50]);
        pair.connection.send(&push(1, 100));
        assert_eq!(short(heard(&listener, 1)), ["100"]);
        pair.reconnect();
        pair.connection.send(&push(1, 400));
        let quest = pair.next_history_quest();
        assert_eq!(quest.get("desc"), Some(false.into()));
        assert!(quest.int("begin") < T + 100 && quest.int("begin") >= T + 100 - 60_000, "an overlap of seconds");
        pair.answer_history(&quest, [50, 60, 100, 200, 300, 400]);
        assert_eq!(short(heard(&listener, 3)), ["200", "300", "400"]);
        pair.connection.send(&push(2, 500));
        assert_eq!(short(heard(&listener, 1)), ["500"]);
        assert_eq!(pair.client.stats().gaps, 0);
    });
}

#[test]
fn room_that_was_empty_is_caught_up_from_its_beginning() {
    guarded(|| {
        let (pair, listener) = filling_again([]);
        pair.give_history([100, 200]);
        assert_eq!(short(heard(&listener, 2)), ["100", "200"]);
    });
}

#[test]
fn long_gap_is_read_page_by_page() {
    guarded(|| {
        let (pair, listener) = filling_again([100]);
        pair.give_history(100..120);
        let quest = pair.next_history_quest();
        assert_eq!(quest.int("lastid"), T + 119);
        pair.answer_history(&quest, 120..130);
        assert_eq!(short(heard(&listener, 29)), (101..130).map(|mid| mid.to_string()).collect::<Vec<_>>());
        pair.connection.send(&push(1, 200));
        assert_eq!(short(heard(&listener, 1)), ["200"]);
    });
}

#[test]
fn history_that_cannot_be_read_is_a_gap_with_its_error() {
    guarded(|| {
        let (mut pair, listener) = filling([100]);
        pair.connection.send(&push(1, 110));
        assert_eq!(short(heard(&listener, 1)), ["110"]);
        pair.reconnect();
        pair.connection.send(&push(1, 200));
        let quest = pair.next_history_quest();
        pair.connection.send(&wire::error_answer(quest.seq(), 200_021, "no history for you"));
        let gap = crate::next(&listener);
        let rtm_server_sdk::Push::Gap(gap) = gap else { panic!("{gap:?}") };
        assert_eq!(gap.since(), Some(T + 110));
        assert!(gap.error().is_some_and(|error| error.code() == 200_021), "{gap:?}");
        assert_eq!(short(heard(&listener, 1)), ["200"]);
    });
}

#[test]
fn history_that_does_not_reach_back_is_a_gap_before_its_rows() {
    guarded(|| {
        let (pair, listener) = filling_again([100]);
        pair.give_history([200, 300]);
        // The client asks whether there is anything as old as the last message seen.
        let quest = pair.next_history_quest();
        assert_eq!((quest.int("end"), quest.int("num")), (T + 100, 1));
        pair.answer_history(&quest, []);
        assert_eq!(short(heard(&listener, 3)), ["Reconnected since Some(100)", "200", "300"]);
    });
}

#[test]
fn history_whose_older_messages_are_still_there_reaches_back() {
    guarded(|| {
        let (pair, listener) = filling_again([100]);
        // The last message seen has been deleted.
        pair.give_history([200]);
        pair.give_history([-100_000]);
        assert_eq!(short(heard(&listener, 1)), ["200"]);
    });
}

#[test]
fn catch_up_continues_if_the_connection_is_lost_again() {
    guarded(|| {
        let (mut pair, listener) = filling_again([100]);
        pair.give_history(100..120);
        pair.next_history_quest();
        pair.reconnect();
        let quest = pair.next_history_quest();
        assert_eq!(quest.int("lastid"), T + 119);
        pair.answer_history(&quest, 120..125);
        // The second catch-up finds nothing more than the first.
        pair.give_history(110..125);
        pair.connection.send(&push(1, 200));
        let expected: Vec<String> = (101..125).chain([200]).map(|mid| mid.to_string()).collect();
        assert_eq!(short(heard(&listener, 25)), expected);
    });
}

#[test]
fn events_without_a_history_still_get_a_gap() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.fill(Listen::new().room(ROOM).event("login"), [100]);
        pair.reconnect();
        pair.give_history([100, 200]);
        pair.connection.send(&event_push(1, "login", 1));
        assert_eq!(short(heard(&listener, 3)), ["Reconnected since None", "200", "login"]);
    });
}

#[test]
fn listener_that_does_not_fill_gaps_still_gets_what_is_pushed_later() {
    guarded(|| {
        let mut pair = Pair::new();
        let filling = pair.fill(Listen::new().room(ROOM), [100]);
        let plain = pair.client.listen(Listen::new().room(ROOM)).start().unwrap();
        pair.reconnect();
        pair.give_history([100, 200]);
        assert_eq!(short(heard(&filling, 1)), ["200"]);
        pair.connection.send(&[push(1, 200), push(2, 300)].concat());
        assert_eq!(short(heard(&filling, 1)), ["300"]);
        assert_eq!(short(heard(&plain, 3)), ["Reconnected since None", "200", "300"]);
    });
}

#[test]
fn catch_up_that_a_shutdown_cuts_short_is_a_gap_in_its_place() {
    guarded(|| {
        let (pair, listener) = filling_again([100]);
        pair.connection.send(&push(1, 200));
        let quest = pair.next_history_quest();
        std::thread::scope(|scope| {
            // The requested page is waited for, and the next one is not requested.
            let shutdown = scope.spawn(|| pair.client.shutdown(Duration::from_secs(20)));
            while !matches!(
                pair.client.get_room_count(&[1]).timeout(Duration::from_millis(1)).call(),
                Err(Error::Closed(_))
            ) {
                std::thread::yield_now();
            }
            pair.answer_history(&quest, 100..120);
            assert!(shutdown.join().unwrap().is_ok());
        });
        // As much of the page as was handed over before the client was closed.
        let heard = short(listener.iter().map(|push| crate::in_short(&push)).collect());
        let rows = heard.iter().position(|word| word.starts_with("Reconnected")).expect("a gap is told");
        assert_eq!(heard[..rows], (101..).take(rows).map(|mid| mid.to_string()).collect::<Vec<_>>());
        assert_eq!(heard[rows + 1..], ["200"]);
    });
}

#[test]
fn client_ends_with_its_last_owner_while_a_catch_up_waits_for_room() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(1).build().unwrap();
        let mut pair = Pair::of(client, server);
        let listener = pair.fill(Listen::new().room(ROOM), [50]);
        let other = pair.listen(Listen::new().event("login"));
        pair.drop_connection();
        // It takes the only permit before the room is granted again, and is not answered.
        let pending = pair.client.get_room_info(1).submit();
        agree(&pair.connection);
        // By the time these are answered, the catch-up thread has had its chance.
        assert_eq!(heard(&other, 1), ["Reconnected since None"]);
        for seq in 1..=20 {
            pair.connection.send(&event_push(seq, "login", 1001));
            assert_eq!(heard(&other, 1), ["login"]);
        }
        let Pair { client, connection, server } = pair;
        drop(client);
        assert!(matches!(pending.wait(), Err(Error::Closed(_))));
        connection.wait_closed();
        drop((server, listener));
    });
}
