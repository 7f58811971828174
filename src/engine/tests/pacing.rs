//! A limit on calls per second.

use super::*;
use crate::error::Stage;
use crate::rtm::methods::listen::Listen;

fn paced(rate: u32) -> Rig {
    let mut rig = Rig::with(|settings| settings.max_rate = Some(rate));
    rig.connect();
    rig
}

impl Rig {
    /// Advances the time. Returns which call reached the server when, counted from the start.
    fn watch(&mut self, time: Duration) -> Vec<(Duration, u32)> {
        let end = self.now + time;
        let mut seen = Vec::new();
        loop {
            let now = self.elapsed();
            seen.extend(self.seen_seqs().into_iter().map(|seq| (now, seq)));
            if self.now >= end {
                return seen;
            }
            self.pass(MILLI);
        }
    }

    /// Changes the limit now.
    fn set_max_rate(&mut self, rate: Option<u32>) {
        self.engine.handle_max_rate(self.now, rate);
        self.act();
    }

    fn stage_of_timeout(&mut self) -> Stage {
        match self.error() {
            Error::Timeout(timeout) => timeout.stage(),
            other => panic!("expected a timeout, got {other:?}"),
        }
    }
}

/// Whether no second has more calls than the rate.
fn is_within(rate: usize, seen: &[(Duration, u32)]) -> bool {
    seen.windows(rate + 1).all(|calls| calls[rate].0 - calls[0].0 >= SECOND)
}

fn is_in_order(seen: &[(Duration, u32)]) -> bool {
    seen.windows(2).all(|pair| pair[0].1 < pair[1].1)
}

#[test]
fn calls_go_out_in_order_and_at_the_rate() {
    let mut rig = paced(100);
    let mut seen = Vec::new();
    for token in 1..=400 {
        rig.call(token, 60 * SECOND);
        // The first calls go together, the last ones as others end.
        if token > 300 {
            seen.extend(rig.watch(5 * MILLI));
        }
    }
    seen.extend(rig.watch(10 * SECOND));
    assert_eq!(seen.len(), 400);
    assert!(is_in_order(&seen));
    assert!(is_within(100, &seen), "{seen:?}");
    let last = seen[399].0;
    assert!(last <= Duration::from_millis(400 * 1020 / 100), "{last:?}");
}

#[test]
fn no_second_after_a_pause_exceeds_the_rate() {
    let mut rig = paced(50);
    let mut seen = Vec::new();
    for round in 0..4 {
        for token in 0..60 {
            rig.call(round * 100 + token, 60 * SECOND);
        }
        seen.extend(rig.watch(Duration::from_millis(1990)));
    }
    assert_eq!(seen.len(), 240);
    assert!(is_within(50, &seen), "{seen:?}");
}

#[test]
fn call_that_expires_before_its_turn_is_not_sent_and_uses_no_turn() {
    let mut rig = paced(1);
    rig.call(1, 10 * SECOND);
    rig.call(2, 500 * MILLI);
    rig.call(3, 10 * SECOND);
    rig.pass(500 * MILLI);
    let error = rig.error();
    assert!(!error.may_have_executed());
    assert!(matches!(error, Error::Timeout(timeout) if timeout.stage() == Stage::WaitingForTurn));
    let seen = rig.watch(SECOND);
    assert_eq!(seen.len(), 2);
    assert!(seen[1].0 <= Duration::from_millis(1021), "{:?}", seen[1].0);
}

#[test]
fn call_delayed_by_a_full_connection_does_not_report_the_rate() {
    let mut rig = paced(1_000_000);
    for token in 0..10_000 {
        rig.call(token, SECOND);
        rig.pass(Duration::from_micros(2));
    }
    rig.pass(2 * SECOND);
    assert_eq!(rig.stage_of_timeout(), Stage::Queued);
}

#[test]
fn pings_answers_and_setlistens_do_not_wait_for_turns() {
    let mut rig = Rig::with(|settings| {
        settings.max_rate = Some(1);
        settings.keep_alive = KeepAlive::default().interval(100 * MILLI);
    });
    rig.connect();
    for token in 1..=3 {
        rig.call(token, 10 * SECOND);
    }
    assert_eq!(rig.seen_seqs().len(), 1);
    let mut bytes = Vec::new();
    FrameWriter::two_way_quest(&mut bytes, 5, MethodName::literal("ping")).finish();
    rig.receive(&bytes);
    rig.listen(1, Listen::new().room(1));
    rig.pass(100 * MILLI);
    let is_quest = |seen: &Seen, wanted: &str| matches!(seen, Seen::Quest { method, .. } if method == wanted);
    let seen = rig.seen();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0], Seen::Answer { seq: 5, status: 0 });
    assert!(is_quest(&seen[1], "setlisten") && is_quest(&seen[2], "*ping"), "{seen:?}");
}

#[test]
fn rate_change_applies_to_waiting_calls() {
    let mut rig = paced(1);
    for token in 1..=300 {
        rig.call(token, 600 * SECOND);
    }
    assert_eq!(rig.watch(500 * MILLI).len(), 1);
    rig.set_max_rate(Some(100));
    let seen = rig.watch(SECOND);
    assert!(is_within(100, &seen) && seen.len() >= 95, "{}", seen.len());
    rig.set_max_rate(Some(2));
    let seen = rig.watch(10 * SECOND);
    assert!((19..=20).contains(&seen.len()), "{}", seen.len());
    rig.set_max_rate(None);
    let seen = rig.watch(Duration::ZERO);
    assert!(seen.len() > 150 && is_in_order(&seen));
    assert_eq!(rig.engine.stage(), Stage::Queued);
}

#[test]
fn calls_before_the_limit_do_not_count_towards_it() {
    let mut rig = Rig::online();
    for token in 1..=100 {
        rig.call(token, 600 * SECOND);
    }
    assert_eq!(rig.seen_seqs().len(), 100);
    rig.set_max_rate(Some(1));
    rig.call(101, 600 * SECOND);
    rig.call(102, 600 * SECOND);
    assert_eq!(rig.seen_seqs().len(), 1);
}

#[test]
fn turns_continue_on_a_new_connection() {
    let mut rig = paced(1);
    for token in 1..=2 {
        rig.waiting_call(token, 60 * SECOND);
    }
    assert_eq!(rig.watch(100 * MILLI).len(), 1);
    rig.hang_up();
    rig.pass(20 * MILLI);
    rig.resolve(&["192.0.2.1:13315"]);
    assert!(rig.dialed());
    assert!(rig.is_ready());
    assert_eq!(rig.watch(Duration::from_millis(880)), [], "a turn of its own for the new connection");
    assert_eq!(rig.watch(100 * MILLI).len(), 1);
}

#[test]
fn engine_is_due_once_a_turn_and_never_for_ended_calls() {
    let mut rig = paced(10);
    for token in 1..=100 {
        rig.call(token, SECOND);
    }
    let mut wakes = 0;
    while let Some(due) = rig.engine.next_due().filter(|due| *due < rig.start + 10 * SECOND) {
        assert!(due > rig.now || wakes == 0, "woken twice at {:?}", rig.elapsed());
        wakes += 1;
        rig.now = due;
        rig.engine.handle_timeout(due);
        rig.act();
    }
    assert_eq!(rig.outcomes.len(), 100, "all have run out of time");
    assert!((10..=12).contains(&wakes), "{wakes}");
}
