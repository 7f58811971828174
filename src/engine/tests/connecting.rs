//! Making a connection.

use super::*;
use crate::error::{ConnectCause, Stage};

#[test]
fn call_without_a_connection_makes_one_and_waits_for_it() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.resolve(&["192.0.2.1:13315"]);
    assert_eq!(rig.seen(), []);
    assert!(rig.dialed());
    let seqs = rig.seen_seqs();
    rig.answer(seqs[0]);
    assert_eq!(rig.codes(), [(1, 0)]);
}

#[test]
fn calls_made_while_connecting_are_all_sent_in_order() {
    let mut rig = Rig::new();
    for token in 1..=50 {
        rig.call(token, SECOND);
    }
    rig.resolve(&["192.0.2.1:13315"]);
    rig.dialed();
    assert_eq!(rig.resolves.len(), 1);
    for seq in rig.seen_seqs() {
        rig.answer(seq);
    }
    assert_eq!(rig.codes(), (1..=50).map(|token| (token, 0)).collect::<Vec<_>>());
}

#[test]
fn failed_attempt_fails_the_calls_that_waited_for_it() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.fail_resolve();
    let error = rig.error();
    assert!(matches!(&error, Error::Connect(connect) if matches!(connect.cause(), ConnectCause::Resolve(_))));
    assert!(!error.may_have_executed());
}

#[test]
fn name_without_an_address_is_reported() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.resolve(&[]);
    assert!(matches!(rig.error(), Error::Connect(connect) if matches!(connect.cause(), ConnectCause::NoAddress)));
}

#[test]
fn every_address_is_tried() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.resolve(&["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"]);
    rig.refuse();
    rig.refuse();
    assert_eq!(rig.dials.len(), 3);
    assert!(rig.dialed());
    assert_eq!(rig.opened[0].peer_addr(), "192.0.2.2:1".parse().unwrap());
}

#[test]
fn silent_address_delays_the_next_only_briefly() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.resolve(&["[2001:db8::1]:1", "192.0.2.1:1"]);
    rig.pass(249 * MILLI);
    assert_eq!(rig.dials.len(), 1);
    rig.pass(MILLI);
    assert_eq!(rig.dials.len(), 2);
    // The first one wins after all, and the second is dropped.
    let (first, peer) = rig.dials[0];
    assert!(rig.engine.handle_dialed(rig.now, first, peer));
    assert!(!rig.dialed());
}

#[test]
fn last_refusal_ends_the_attempt_only_if_no_dial_is_open() {
    let mut rig = Rig::new();
    rig.call(1, 10 * SECOND);
    rig.resolve(&["[2001:db8::1]:1", "192.0.2.1:1"]);
    rig.pass(250 * MILLI);
    rig.refuse();
    assert_eq!(rig.codes(), []);
    let (first, _) = rig.dials[0];
    rig.engine.handle_dial_failed(rig.now, first, io::ErrorKind::TimedOut.into());
    rig.act();
    assert_eq!(rig.codes(), [(1, 20012)]);
}

#[test]
fn call_times_out_with_the_stage_it_was_in() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.pass(SECOND);
    assert!(matches!(rig.error(), Error::Timeout(timeout) if timeout.stage() == Stage::Resolving));

    rig.call(2, SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    rig.pass(SECOND);
    let error = rig.error();
    assert!(matches!(&error, Error::Timeout(timeout) if timeout.stage() == Stage::Connecting));
    assert!(!error.may_have_executed());

    rig.call(3, SECOND);
    rig.dialed();
    rig.pass(SECOND);
    let error = rig.error();
    assert!(matches!(&error, Error::Timeout(timeout) if timeout.stage() == Stage::WaitingForAnswer));
    assert!(error.may_have_executed());
}

#[test]
fn call_that_timed_out_while_connecting_is_not_sent_later() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.call(2, 10 * SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    rig.pass(2 * SECOND);
    rig.dialed();
    assert_eq!(rig.seen().len(), 1);
    assert_eq!(rig.codes(), [(1, 20003)]);
}

#[test]
fn connecting_ends_at_its_own_timeout() {
    let mut rig = Rig::with(|settings| settings.connect_timeout = 3 * SECOND);
    rig.call(1, 60 * SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    rig.pass(3 * SECOND);
    let error = rig.error();
    let Error::Connect(connect) = &error else { panic!("{error}") };
    assert!(matches!(connect.cause(), ConnectCause::TimedOut { stage: Stage::Connecting, .. }), "{error}");
    assert_eq!(rig.hang_ups, 1);
}

#[test]
fn late_lookup_does_not_fail_the_next_attempt() {
    let mut rig = Rig::with(|settings| settings.connect_timeout = SECOND);
    rig.call(1, 60 * SECOND);
    rig.pass(SECOND);
    rig.call(2, 60 * SECOND);
    assert_eq!(rig.resolves.len(), 1, "the first question is still open");
    rig.fail_resolve();
    assert_eq!(rig.codes(), [(1, 20012)]);
    assert_eq!(rig.resolves.len(), 2, "the second attempt asks for itself");
    rig.resolve(&["192.0.2.1:1"]);
    assert!(rig.dialed());
}

#[test]
fn hanging_lookups_do_not_accumulate() {
    let mut rig = Rig::with(|settings| {
        settings.connect_timeout = 100 * MILLI;
        settings.reconnect = ReconnectPolicy::never();
    });
    for token in 0..50 {
        rig.call(token, SECOND);
        rig.pass(200 * MILLI);
    }
    assert_eq!(rig.resolves.len(), 1);
    // The result of the lookup that hung serves the current attempt.
    rig.call(50, SECOND);
    rig.resolve(&["192.0.2.1:1"]);
    assert!(rig.dialed());
}

#[cfg(feature = "encryption")]
#[test]
fn failed_key_exchange_fails_the_attempt() {
    let encryption = crate::fpnn::Encryption::from_pem(include_bytes!("public_key.pem")).unwrap();
    let mut rig = Rig::with(|settings| settings.encryption = Some(encryption));
    rig.call(1, SECOND);
    rig.resolve(&["192.0.2.1:13315"]);
    assert!(rig.dialed());
    rig.hang_up();
    assert!(matches!(rig.error(), Error::Connect(error) if matches!(error.cause(), ConnectCause::KeyExchange(_))));
    assert_eq!((rig.stats().connections, rig.opened.len(), rig.ended.len()), (0, 0, 0));
    let lookups = rig.resolves.len();
    rig.pass(600 * SECOND);
    assert_eq!(rig.resolves.len(), lookups, "a client that was never connected waits for a call");
}

#[cfg(feature = "encryption")]
#[test]
fn failed_key_exchange_on_one_address_leads_to_the_next() {
    let encryption = crate::fpnn::Encryption::from_pem(include_bytes!("public_key.pem")).unwrap();
    let mut rig = Rig::with(|settings| settings.encryption = Some(encryption));
    rig.call(1, SECOND);
    rig.resolve(&["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"]);
    rig.pass(250 * MILLI);
    // The second address wins. The dropped dial is tried again before the untried address.
    assert!(rig.dialed());
    rig.hang_up();
    assert!(rig.dialed());
    rig.hang_up();
    assert!(rig.dialed());
    let addresses: Vec<_> = rig.dials.iter().map(|(_, address)| address.to_string()).collect();
    assert_eq!(addresses, ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"]);
    assert_eq!(rig.codes(), []);
    rig.hang_up();
    assert!(matches!(rig.error(), Error::Connect(error) if matches!(error.cause(), ConnectCause::KeyExchange(_))));
    assert_eq!(rig.resolves.len(), 1);
}

#[test]
fn expired_call_is_not_sent() {
    let mut rig = Rig::online();
    rig.call(1, Duration::ZERO);
    assert!(matches!(rig.error(), Error::Timeout(error) if error.stage() == Stage::Queued));
    assert_eq!(rig.seen(), []);
}

#[test]
fn without_auto_connect_a_call_does_not_connect() {
    let mut rig = Rig::with(|settings| settings.auto_connect = false);
    rig.call(1, SECOND);
    assert!(matches!(rig.error(), Error::NotConnected(error) if error.retry_after().is_none()));
    assert!(rig.resolves.is_empty());
    rig.connect();
    rig.call(2, SECOND);
    assert_eq!(rig.seen().len(), 1);
}

#[test]
fn connect_on_a_connection_is_done_at_once() {
    let mut rig = Rig::online();
    rig.engine.handle_connect(rig.now, 9);
    rig.act();
    assert_eq!(rig.codes(), [(9, 0)]);
    assert_eq!(rig.resolves.len(), 1);
}

#[test]
fn close_ends_everything_under_way() {
    let mut rig = Rig::new();
    rig.call(1, SECOND);
    rig.engine.handle_connect(rig.now, 2);
    rig.engine.handle_close(rig.now);
    rig.act();
    rig.call(3, SECOND);
    assert_eq!(rig.codes(), [(1, 20015), (2, 20015), (3, 20015)]);
    assert!(rig.engine.is_closed());
    assert_eq!(rig.engine.take_released(), 2 * UnsignedQuest::new(METHOD).frame_len());
}
