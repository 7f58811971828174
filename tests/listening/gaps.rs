//! A gap marks every place where something may be missing.

use rtm_server_sdk::{GapReason, Listen, Push};

use crate::common::pushing::{next_quest, room_push};
use crate::common::watchdog::guarded;
use crate::common::wire;
use crate::{Pair, ROOM, heard, next};

#[test]
fn reconnect_is_reported_with_the_time_of_the_last_message() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        pair.connection.send(&room_push(1, ROOM, 1_700));
        assert_eq!(heard(&listener, 1), ["1700"]);
        pair.reconnect();
        pair.connection.send(&[room_push(1, ROOM, 1_700), room_push(2, ROOM, 1_800)].concat());
        let Push::Gap(gap) = next(&listener) else { panic!("no gap") };
        assert_eq!((gap.reason(), gap.since(), gap.missed()), (GapReason::Reconnected, Some(1_700), None));
        assert!(gap.error().is_none());
        assert_eq!(heard(&listener, 1), ["1800"]);
    });
}

#[test]
fn quiet_reconnect_is_reported_too() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.listen(Listen::new().event("login"));
        pair.reconnect();
        assert_eq!(heard(&listener, 1), ["Reconnected since None"]);
    });
}

#[test]
fn gap_precedes_pushes_that_arrive_before_the_answer() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        pair.drop_connection();
        let quest = next_quest(&pair.connection);
        pair.connection.send(&[room_push(1, ROOM, 1), wire::empty_answer(quest.seq())].concat());
        assert_eq!(heard(&listener, 2), ["Reconnected since None", "1"]);
    });
}

#[test]
fn refusal_after_a_reconnect_is_reported_and_the_subscription_stays() {
    guarded(|| {
        let mut pair = Pair::new();
        let listener = pair.listen(Listen::new().room(ROOM));
        pair.drop_connection();
        let quest = next_quest(&pair.connection);
        pair.connection.send(&wire::error_answer(quest.seq(), 200_021, "no longer"));
        assert_eq!(heard(&listener, 1), ["Reconnected since None"]);
        let Push::Gap(gap) = next(&listener) else { panic!("no gap") };
        assert_eq!(gap.reason(), GapReason::Refused);
        assert!(gap.error().is_some_and(|error| error.code() == 200_021), "{gap:?}");
        assert!(gap.to_string().contains("no longer"), "{gap}");
        pair.reconnect();
        pair.connection.send(&room_push(1, ROOM, 1));
        assert_eq!(heard(&listener, 2), ["Reconnected since None", "1"]);
        assert_eq!(pair.client.stats().gaps, 3);
    });
}
