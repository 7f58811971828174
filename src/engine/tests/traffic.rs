//! Calls and answers over a connection.

use super::*;
use crate::error::{CloseReason, ProtocolError};

#[test]
fn answers_in_any_order_find_their_calls() {
    let mut rig = Rig::online();
    for token in 1..=3 {
        rig.call(token, SECOND);
    }
    let seqs = rig.seen_seqs();
    for at in [2, 0, 1] {
        rig.answer(seqs[at]);
    }
    assert_eq!(rig.codes(), [(3, 0), (1, 0), (2, 0)]);
}

#[test]
fn late_answer_is_counted_and_dropped() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    let seqs = rig.seen_seqs();
    rig.pass(SECOND);
    rig.call(2, SECOND);
    let next = rig.seen_seqs();
    assert_ne!(seqs, next);
    rig.answer(seqs[0]);
    rig.answer(next[0]);
    assert_eq!(rig.codes(), [(1, 20003), (2, 0)]);
    assert_eq!(rig.stats().late_answers, 1);
}

#[test]
fn second_answer_to_a_call_is_dropped() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    let seqs = rig.seen_seqs();
    rig.answer(seqs[0]);
    rig.answer(seqs[0]);
    assert_eq!(rig.codes(), [(1, 0)]);
    assert_eq!(rig.stats().late_answers, 1);
}

#[test]
fn timeouts_of_different_lengths_expire_on_time() {
    let mut rig = Rig::online();
    for (token, millis) in [(1, 300), (2, 100), (3, 200)] {
        rig.call(token, millis * MILLI);
    }
    rig.pass(199 * MILLI);
    assert_eq!(rig.codes(), [(2, 20003)]);
    rig.pass(MILLI);
    assert_eq!(rig.codes(), [(3, 20003)]);
    rig.pass(100 * MILLI);
    assert_eq!(rig.codes(), [(1, 20003)]);
}

#[test]
fn server_ping_is_answered_and_other_quests_are_refused() {
    let mut rig = Rig::online();
    let mut bytes = Vec::new();
    FrameWriter::two_way_quest(&mut bytes, 5, MethodName::literal("ping")).finish();
    FrameWriter::two_way_quest(&mut bytes, 6, MethodName::literal("pushchat")).finish();
    rig.receive(&bytes);
    assert_eq!(rig.seen(), [Seen::Answer { seq: 5, status: 0 }, Seen::Answer { seq: 6, status: 1 }]);
    assert_eq!(rig.stats().quests_from_server, 2);
}

#[test]
fn server_quest_with_the_number_of_a_call_does_not_end_it() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    let seqs = rig.seen_seqs();
    let mut bytes = Vec::new();
    FrameWriter::two_way_quest(&mut bytes, seqs[0], MethodName::literal("ping")).finish();
    rig.receive(&bytes);
    assert_eq!(rig.codes(), []);
    rig.answer(seqs[0]);
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn connection_ends_if_the_server_sends_quests_without_reading_answers() {
    let mut rig = Rig::online();
    let mut bytes = Vec::new();
    for seq in 0..500 {
        FrameWriter::two_way_quest(&mut bytes, seq, MethodName::literal("nonsense")).finish();
    }
    for _ in 0..2000 {
        if rig.is_ready() {
            rig.receive(&bytes);
        }
    }
    let (_, error) = &rig.ended[0];
    let Some(Error::ConnectionClosed(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error.reason(), CloseReason::Protocol(ProtocolError::QuestFlood)));
}

#[test]
fn hostile_bytes_close_the_connection_after_the_good_answers_before_them() {
    let mut rig = Rig::online();
    rig.call(1, SECOND);
    rig.call(2, SECOND);
    let seqs = rig.seen_seqs();
    let mut bytes = Vec::new();
    FrameWriter::answer(&mut bytes, seqs[0], 0).finish();
    bytes.extend_from_slice(b"HTTP/1.1 400 Bad Request");
    rig.receive(&bytes);
    assert_eq!(rig.codes(), [(1, 0), (2, 20002)]);
    assert_eq!(rig.hang_ups, 1);
}

#[test]
fn server_that_stops_reading_fills_the_buffer_only_to_its_mark() {
    let mut rig = Rig::online();
    for token in 1..=10_000 {
        rig.call(token, SECOND);
    }
    let buffered = rig.engine.output().unwrap().len();
    assert!(buffered < super::super::outbuf::HIGH_WATER + 1024, "{buffered} bytes");
    // Calls left in the queue were not sent, and their errors say so.
    rig.pass(SECOND);
    let unsent = rig.outcomes.iter().filter(|(_, outcome)| !outcome.as_ref().unwrap_err().may_have_executed());
    assert!(unsent.count() > 5000);
}

#[test]
fn expired_calls_are_cleared_if_the_server_never_reads() {
    let mut rig = Rig::online();
    let mut unasked = Vec::new();
    FrameWriter::answer(&mut unasked, 4_000_000_000, 0).finish();
    for token in 0..200_000 {
        rig.call(token, MILLI);
        if token % 1000 == 0 {
            rig.pass(2 * MILLI);
            rig.outcomes.clear();
            // The server sends, so it counts as alive.
            rig.receive(&unasked);
        }
    }
    rig.pass(10 * MILLI);
    assert!(
        rig.engine.calls.queue_len() < 4000,
        "{} numbers of {} calls",
        rig.engine.calls.queue_len(),
        rig.engine.calls.len()
    );
}

#[test]
fn server_that_takes_bytes_slowly_is_alive() {
    let mut rig = Rig::online();
    for token in 0..10_000 {
        rig.call(token, 3600 * SECOND);
    }
    // The system accepts a little whenever the server has made room, but never everything.
    for _ in 0..20 {
        rig.engine.handle_written(rig.now, 100);
        rig.pass(20 * SECOND);
    }
    assert_eq!(rig.ended.len(), 0);
    // The last bytes must not wait forever either.
    rig.pass(36 * SECOND);
    assert_eq!(rig.ended.len(), 1);
}

#[test]
fn server_that_reads_everything_after_a_while_is_alive() {
    let mut rig = Rig::online();
    for token in 0..20_000 {
        rig.call(token, 3600 * SECOND);
    }
    for _ in 0..10 {
        let offered = rig.engine.output().unwrap().len();
        rig.engine.handle_written(rig.now, offered);
        rig.engine.handle_write_blocked();
        rig.pass(20 * SECOND);
    }
    assert_eq!(rig.ended.len(), 0);
}

#[test]
fn bytes_buffered_by_the_system_are_no_sign_of_life() {
    let mut rig = Rig::online();
    for token in 0..36 {
        rig.call(token, 3600 * SECOND);
        rig.seen();
        rig.pass(SECOND);
    }
    assert_eq!(rig.ended.len(), 1);
}

#[test]
fn unanswered_pings_do_not_accumulate() {
    let mut rig = Rig::online();
    let mut unasked = Vec::new();
    FrameWriter::answer(&mut unasked, 4_000_000_000, 0).finish();
    let mut pings = 0;
    for _ in 0..100 {
        rig.pass(20 * SECOND);
        pings += rig.seen().len();
        rig.receive(&unasked);
    }
    assert_eq!((pings, rig.ended.len()), (100, 0));
    let connection = rig.engine.state.connection().unwrap();
    let remembered = (0..10_000).filter(|seq| connection.uses_seq(*seq)).count();
    assert!(remembered <= 8, "{remembered} pings");
}

#[test]
fn paused_reading_does_not_count_as_silence() {
    let mut rig = Rig::online();
    for _ in 0..100 {
        rig.engine.handle_reading_paused(rig.now);
        rig.pass(19 * SECOND);
    }
    assert_eq!((rig.seen(), rig.ended.len()), (vec![], 0));
}

#[test]
fn queue_is_sent_in_order_once_the_server_reads_again() {
    let mut rig = Rig::online();
    for token in 1..=10_000 {
        rig.call(token, 10 * SECOND);
    }
    let seqs = rig.seen_seqs();
    assert_eq!(seqs.len(), 10_000);
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn every_queued_byte_is_released() {
    let mut rig = Rig::online();
    let frame = UnsignedQuest::new(METHOD).frame_len();
    for token in 1..=10_000 {
        rig.call(token, SECOND);
    }
    rig.pass(SECOND);
    assert_eq!(rig.engine.take_released(), 10_000 * frame);
}

#[test]
fn abandoned_call_does_not_delay_others() {
    let mut rig = Rig::online();
    rig.call(GIVEN_UP, SECOND);
    rig.call(1, SECOND);
    assert_eq!(rig.seen_seqs().len(), 1);
    rig.pass(SECOND / 2);
    rig.call(2, SECOND);
    assert_eq!(rig.seen_seqs().len(), 1);
}
