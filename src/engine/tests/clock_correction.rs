//! A wrong clock: which refusals are held, for how long, and with what outcome.

use super::super::{ListenerId, NewSubscription};
use super::*;
use crate::error::Retry;
use crate::rtm::methods::listen::Listen;

/// A time of day, in milliseconds.
const SERVER_MS: i64 = 1_700_000_000_000;
const REFUSED: i32 = 200_008;

impl Rig {
    /// Refuses the quest for its time stamp.
    fn refuse_time(&mut self, seq: u32) {
        self.answer_error(seq, REFUSED, "no");
    }

    fn answer_error(&mut self, seq: u32, code: i32, message: &str) {
        let mut bytes = Vec::new();
        FrameWriter::error_answer(&mut bytes, seq, code, message);
        self.receive(&bytes);
    }

    /// Answers the ping with the server's time.
    fn tell_time(&mut self, ping: u32) {
        self.answer_ping(ping, SERVER_MS);
    }

    fn answer_ping(&mut self, ping: u32, ts: i64) {
        let mut bytes = Vec::new();
        let mut frame = FrameWriter::answer(&mut bytes, ping, 0);
        let _ = frame.params().int("ts", ts);
        frame.finish();
        self.receive(&bytes);
    }

    /// Returns the numbers of the quests that have reached the server, all of one method.
    fn seen_quests(&mut self, expected: &str) -> Vec<u32> {
        let seen = self.seen().into_iter().map(|seen| match seen {
            Seen::Quest { seq: Some(seq), method } if method == expected => seq,
            other => panic!("expected {expected}, got {other:?}"),
        });
        seen.collect()
    }

    fn seen_one(&mut self, expected: &str) -> u32 {
        match self.seen_quests(expected)[..] {
            [seq] => seq,
            ref seqs => panic!("{} quests of {expected}", seqs.len()),
        }
    }

    /// Makes calls that the server refuses. Returns the number of the ping that follows.
    fn refuse_calls(&mut self, tokens: &[u32], timeout: Duration) -> u32 {
        tokens.iter().for_each(|&token| self.call(token, timeout));
        self.seen_quests("getroominfo").into_iter().for_each(|seq| self.refuse_time(seq));
        self.seen_one("*ping")
    }

    /// Returns the outcomes of the refused calls.
    fn retries(&mut self) -> Vec<(u32, Retry)> {
        let retry = |(token, outcome): (u32, Outcome)| match outcome {
            Err(error) => {
                assert_eq!(error.code().value(), REFUSED);
                (token, error.retry())
            }
            Ok(answer) => panic!("{token}: {answer:?}"),
        };
        self.outcomes.drain(..).map(retry).collect()
    }

    fn begin_to_listen(&mut self, id: u64) {
        let subscription = NewSubscription {
            id: ListenerId(id),
            listen: Listen::new().room(id as i64).into(),
            deadline: self.now + 5 * SECOND,
            timeout: 5 * SECOND,
            wait_for_ready: false,
            token: id as u32,
        };
        self.engine.handle_listen(self.now, subscription);
        self.act();
    }
}

#[test]
fn refused_calls_are_held_and_share_one_ping() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1, 2, 3], SECOND);
    assert!(rig.outcomes.is_empty(), "nobody knows yet whether another try helps");
    assert!(rig.engine.has_calls());
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(1, Retry::Now), (2, Retry::Now), (3, Retry::Now)]);
    assert!(rig.seen().is_empty());
}

#[test]
fn half_of_the_round_trip_is_added_to_the_servers_time() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1], 5 * SECOND);
    rig.pass(SECOND);
    rig.tell_time(ping);
    assert_eq!(rig.server_times, [SERVER_MS + 500]);
}

#[test]
fn correct_clock_changes_nothing() {
    let mut rig = Rig::online();
    rig.clock_is_off = false;
    let ping = rig.refuse_calls(&[1], SECOND);
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(1, Retry::Never)]);
}

#[test]
fn call_signed_before_the_correction_needs_no_ping() {
    let mut rig = Rig::online();
    rig.call(9, SECOND);
    let late = rig.seen_one("getroominfo");
    rig.pass(MILLI);
    let ping = rig.refuse_calls(&[1], SECOND);
    rig.pass(MILLI);
    rig.tell_time(ping);
    rig.refuse_time(late);
    assert_eq!(rig.retries(), [(1, Retry::Now), (9, Retry::Now)]);
    assert!(rig.seen().is_empty());
}

#[test]
fn corrected_call_that_is_refused_again_is_not_retried() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1], SECOND);
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(1, Retry::Now)]);
    rig.clock_is_off = false;
    let ping = rig.refuse_calls(&[2], SECOND);
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(2, Retry::Never)]);
}

#[test]
fn time_is_requested_again_if_the_clock_is_wrong_again() {
    let mut rig = Rig::online();
    for token in 1..=3 {
        let ping = rig.refuse_calls(&[token], SECOND);
        rig.tell_time(ping);
        assert_eq!(rig.retries(), [(token, Retry::Now)]);
        rig.pass(SECOND);
    }
}

#[test]
fn server_without_a_plausible_time_changes_nothing() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1], SECOND);
    rig.answer(ping);
    let ping = rig.refuse_calls(&[2], SECOND);
    rig.answer_error(ping, 20_009, "no");
    assert_eq!(rig.retries(), [(1, Retry::Never), (2, Retry::Never)]);
    // Seconds instead of milliseconds, a time before the epoch, and one that does not fit a time stamp.
    for ts in [0, SERVER_MS / 1000, -SERVER_MS, SERVER_MS * 1000, i64::MAX, i64::MIN] {
        let ping = rig.refuse_calls(&[3], SECOND);
        rig.answer_ping(ping, ts);
        assert_eq!(rig.retries(), [(3, Retry::Never)], "{ts}");
    }
    assert!(rig.server_times.is_empty());
}

#[test]
fn time_that_is_not_an_integer_is_none() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1], SECOND);
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, ping, 0);
    let _ = frame.params().str("ts", "noon");
    frame.finish();
    rig.receive(&bytes);
    assert_eq!((rig.retries(), rig.server_times.len()), (vec![(1, Retry::Never)], 0));
}

#[test]
fn refused_call_is_held_no_longer_than_its_timeout() {
    let mut rig = Rig::online();
    rig.refuse_calls(&[1], SECOND);
    rig.pass(SECOND - MILLI);
    assert!(rig.outcomes.is_empty());
    rig.pass(MILLI);
    assert_eq!(rig.retries(), [(1, Retry::Never)]);
}

#[test]
fn ping_for_the_time_is_waited_for_two_seconds() {
    let mut rig = Rig::online();
    let ping = rig.refuse_calls(&[1], 30 * SECOND);
    rig.pass(2 * SECOND - MILLI);
    assert!(rig.outcomes.is_empty());
    rig.pass(MILLI);
    assert_eq!(rig.retries(), [(1, Retry::Never)]);
    // The answer arrives too late to count.
    rig.tell_time(ping);
    assert!(rig.server_times.is_empty());
}

#[test]
fn keep_alive_pong_does_not_set_the_clock() {
    let mut rig = Rig::online();
    rig.pass(20 * SECOND);
    let keep_alive = rig.seen_one("*ping");
    let ping = rig.refuse_calls(&[1], SECOND);
    rig.tell_time(keep_alive);
    assert!(rig.outcomes.is_empty());
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(1, Retry::Now)]);
}

#[test]
fn loss_and_close_release_held_calls() {
    let mut rig = Rig::online();
    rig.refuse_calls(&[1], SECOND);
    rig.hang_up();
    assert_eq!(rig.retries(), [(1, Retry::Never)]);
    rig.connect();
    rig.refuse_calls(&[2], SECOND);
    rig.engine.handle_close(rig.now);
    rig.act();
    assert_eq!(rig.retries(), [(2, Retry::Never)]);
}

#[test]
fn other_errors_are_not_held_nor_is_any_without_correction() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    let seq = rig.seen_one("getroominfo");
    rig.answer_error(seq, 200_010, "no");
    // Too long for a refusal, so it must not be parsed or held.
    rig.call(2, SECOND);
    let seq = rig.seen_one("getroominfo");
    rig.answer_error(seq, REFUSED, &"x".repeat(10_000));
    let mut without = Rig::with(|settings| settings.correct_clock = false);
    without.connect();
    without.call(3, SECOND);
    let seq = without.seen_one("getroominfo");
    without.refuse_time(seq);
    for (rig, tokens) in [(&mut rig, &[1, 2][..]), (&mut without, &[3])] {
        assert!(rig.seen().is_empty(), "no ping");
        let answered = rig.outcomes.iter().map(|(token, outcome)| (*token, outcome.as_ref().unwrap().status));
        assert_eq!(answered.collect::<Vec<_>>(), tokens.iter().map(|&token| (token, 1)).collect::<Vec<_>>());
    }
}

#[test]
fn setlisten_is_repeated_once_the_clock_is_corrected() {
    let mut rig = Rig::online();
    rig.begin_to_listen(1);
    let seq = rig.seen_one("setlisten");
    rig.refuse_time(seq);
    let ping = rig.seen_one("*ping");
    assert!(rig.outcomes.is_empty());
    rig.tell_time(ping);
    let seq = rig.seen_one("setlisten");
    rig.answer(seq);
    assert_eq!((rig.codes(), &rig.told[..]), (vec![(1, 0)], &["1: 1 granted".to_owned()][..]));
}

#[test]
fn setlisten_in_the_handshake_is_repeated_before_any_call() {
    let mut rig = Rig::new();
    rig.begin_to_listen(1);
    rig.resolve(&["192.0.2.1:13315"]);
    assert!(rig.dialed());
    let seq = rig.seen_one("setlisten");
    rig.refuse_time(seq);
    let ping = rig.seen_one("*ping");
    assert!(!rig.is_ready());
    rig.tell_time(ping);
    let seq = rig.seen_one("setlisten");
    assert!(!rig.is_ready());
    rig.answer(seq);
    assert!(rig.is_ready());
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn setlisten_signed_before_the_correction_is_repeated_at_once() {
    let mut rig = Rig::online();
    rig.begin_to_listen(1);
    let listen = rig.seen_one("setlisten");
    rig.pass(MILLI);
    let ping = rig.refuse_calls(&[7], SECOND);
    rig.pass(MILLI);
    rig.tell_time(ping);
    assert_eq!(rig.retries(), [(7, Retry::Now)]);
    rig.refuse_time(listen);
    let seq = rig.seen_one("setlisten");
    rig.answer(seq);
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn listening_fails_if_the_server_reports_no_time() {
    let mut rig = Rig::online();
    rig.begin_to_listen(1);
    let seq = rig.seen_one("setlisten");
    rig.refuse_time(seq);
    let ping = rig.seen_one("*ping");
    rig.answer(ping);
    assert_eq!(rig.retries(), [(1, Retry::Never)]);
}

#[test]
fn refused_setlisten_ends_with_its_connection_and_is_sent_on_the_next() {
    for is_ready in [true, false] {
        let mut rig = if is_ready { Rig::online() } else { Rig::new() };
        rig.begin_to_listen(1);
        if !is_ready {
            rig.resolve(&["192.0.2.1:13315", "192.0.2.2:13315"]);
            assert!(rig.dialed());
        }
        let seq = rig.seen_one("setlisten");
        rig.refuse_time(seq);
        rig.seen_one("*ping");
        rig.hang_up();
        assert!(rig.outcomes.is_empty() && !rig.is_ready(), "{is_ready}");
        if is_ready {
            rig.pass(10 * MILLI);
            rig.resolve(&["192.0.2.1:13315"]);
        }
        assert!(rig.dialed());
        let seq = rig.seen_one("setlisten");
        rig.answer(seq);
        assert_eq!(rig.codes(), [(1, 0)], "{is_ready}");
    }
}
