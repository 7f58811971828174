//! The public API as other programs use it: every name, with its types.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use rtm_server_sdk::{
    Call, Client, ClientBuilder, ConnectionInfo, Error, ErrorCode, KeepAlive, Pending, ReconnectPolicy, RoomId,
    RoomInfo, Stage, UserId,
};

use common::answering::AnsweringServer;
use common::dead_ends::ClosedPort;
use common::fixtures::{PID, SECRET};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::{eventually, receive};

fn is_shareable<T: Send + Sync + 'static>() {}
fn is_send<T: Send>() {}
fn shows<T: Debug>() {}

#[test]
fn types_cross_threads_as_promised() {
    is_shareable::<Client>();
    is_shareable::<Error>();
    is_send::<Pending<RoomInfo>>();
    is_send::<Call<'static, HashMap<RoomId, i64>>>();
    is_shareable::<RoomInfo>();
    is_shareable::<ConnectionInfo>();
    is_shareable::<KeepAlive>();
    is_shareable::<ReconnectPolicy>();
    is_send::<ClientBuilder>();
    shows::<(Client, ClientBuilder, Error, ErrorCode, RoomInfo, ConnectionInfo)>();
    shows::<(KeepAlive, ReconnectPolicy, Pending<()>, Call<'static, ()>)>();
    fn is_error<T: std::error::Error>() {}
    is_error::<Error>();
    fn is_clone<T: Clone>() {}
    is_clone::<Client>();
    is_clone::<Error>();
}

/// Each function, with its arguments and its result written out.
#[test]
fn nine_functions_have_their_types() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = Client::new(PID, SECRET, server.endpoint()).unwrap();
        let (rid, uid): (RoomId, UserId) = (42_i64, 1001_i64);
        let added: Call<'_, ()> = client.add_room_member(rid, uid);
        added.call().unwrap();
        let deleted: Call<'_, ()> = client.delete_room_member(rid, uid);
        deleted.call().unwrap();
        let set: Call<'_, ()> = client.set_room_info(rid, Some("o"), None);
        set.call().unwrap();
        let info: Call<'_, RoomInfo> = client.get_room_info(rid);
        let RoomInfo { oinfo, pinfo, .. } = info.call().unwrap();
        let _: (Option<String>, Option<String>) = (oinfo, pinfo);
        let banned: Call<'_, ()> = client.add_room_ban(None, uid, Some(Duration::from_millis(1500)));
        banned.call().unwrap();
        let unbanned: Call<'_, ()> = client.remove_room_ban(Some(rid), uid);
        unbanned.call().unwrap();
        let is_banned: Call<'_, bool> = client.is_ban_of_room(rid, uid);
        is_banned.call().unwrap();
        let members: Call<'_, Vec<UserId>> = client.get_room_members(rid);
        members.call().unwrap();
        let counts: Call<'_, HashMap<RoomId, i64>> = client.get_room_count(&[rid, 43]);
        counts.call().unwrap();

        let received = server.received();
        let methods: Vec<_> = received.iter().map(|quest| &quest.method[..]).collect();
        let expected = [
            "addroommember",
            "delroommember",
            "setroominfo",
            "getroominfo",
            "addroomban",
            "removeroomban",
            "isbanofroom",
            "getroommembers",
            "getroomcount",
        ];
        assert_eq!(methods, expected);
        // Rounded up to whole seconds; and without a room, for all rooms.
        assert_eq!((received[4].int("btime"), received[4].get("rid")), (2, None));
    });
}

#[test]
fn three_ways_to_make_a_call() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = Client::new(80000001, "secret", server.endpoint()).unwrap();
        client.add_room_member(42, 1001).call().unwrap();
        let uids: Vec<i64> = client.get_room_members(42).timeout(Duration::from_secs(10)).call().unwrap();
        assert_eq!(uids, [1, 2]);

        let (sender, outcomes) = crossbeam_channel::unbounded();
        let boxed: Box<dyn FnOnce(Result<bool, Error>) + Send> = Box::new(move |banned| match banned {
            Ok(banned) => _ = sender.send(format!("banned: {banned}")),
            Err(error) => _ = sender.send(format!("{} ({})", error, error.code())),
        });
        client.is_ban_of_room(42, 1001).callback(boxed);
        assert_eq!(receive(&outcomes, "the callback"), "banned: true");

        let pending = client.get_room_info(42).submit();
        let info = pending.wait().unwrap();
        assert_eq!(info, RoomInfo { oinfo: Some("o".into()), pinfo: Some("p".into()) });
        let mut pending: Pending<RoomInfo> = client.get_room_info(42).submit();
        let _: Option<Result<RoomInfo, Error>> = pending.try_wait();
    });
}

#[test]
fn builder_has_its_settings() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (sender, events) = crossbeam_channel::unbounded();
        let closed = sender.clone();
        let builder: ClientBuilder = Client::builder(80000001, String::from("secret"), server.endpoint())
            .quest_timeout(Duration::from_secs(30))
            .connect_timeout(Duration::from_secs(30))
            .auto_connect(true)
            .reconnect(ReconnectPolicy::default())
            .keep_alive(KeepAlive::disabled())
            .max_in_flight(65_536)
            .max_payload(64 * 1024 * 1024)
            .callback_threads(2)
            .on_connected(move |_: &ConnectionInfo| _ = sender.send("connected"))
            .on_closed(move |_: &ConnectionInfo, _: Option<&Error>| _ = closed.send("closed"));
        let client: Client = builder.connect().unwrap();
        assert!(client.is_connected());
        assert_eq!(client.endpoint(), server.endpoint());
        assert_eq!(receive(&events, "on_connected"), "connected");
        client.close();
        assert!(!client.is_connected());
        assert_eq!(receive(&events, "on_closed"), "closed");

        let executor = |job: Box<dyn FnOnce() + Send>| job();
        let client = Client::builder(1, "secret", server.endpoint()).callback_executor(executor).build().unwrap();
        assert!(!client.is_connected(), "`build` makes no connection");
        eventually("the other client's connection is accepted", || server.accepted() == 1);
    });
}

#[test]
fn nonsense_is_rejected_when_the_client_is_made() {
    let builder = || Client::builder(1, "secret", "127.0.0.1:1");
    let rejected = [
        Client::new(1, "secret", ""),
        Client::new(1, "secret", "no port"),
        Client::new(1, "secret", "host:99999"),
        builder().max_in_flight(0).build(),
        builder().max_payload(0).build(),
        builder().callback_threads(0).build(),
        builder().quest_timeout(Duration::ZERO).build(),
        builder().connect_timeout(Duration::ZERO).connect(),
    ];
    for (index, outcome) in rejected.into_iter().enumerate() {
        assert!(matches!(&outcome, Err(Error::InvalidArgument { .. })), "number {index}: {outcome:?}");
    }
}

#[test]
fn secret_is_shown_nowhere() {
    guarded(|| {
        const HUSH: &str = "hush-5ecret";
        let port = ClosedPort::new();
        let builder = Client::builder(PID, HUSH, port.endpoint());
        let mut shown = format!("{builder:?} {builder:#?}");
        let client = builder.build().unwrap();
        shown += &format!("{client:?} {client:#?} {:?}", client.get_room_info(1));
        let error = client.get_room_info(1).call().unwrap_err();
        shown += &format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown += &format!("{cause} {cause:?}");
            source = cause.source();
        }
        shown += &format!("{:?}", client.get_room_info(1).submit());
        assert!(!shown.contains(HUSH), "{shown}");
        assert!(shown.contains(&port.endpoint()), "{shown}");
    });
}

#[test]
fn call_without_a_connection_fails_if_auto_connect_is_off() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = Client::builder(PID, SECRET, server.endpoint()).auto_connect(false).build().unwrap();
        let error = client.get_room_info(1).call().unwrap_err();
        assert!(matches!(error, Error::NotConnected { .. }), "{error:?}");
        assert_eq!(error.code(), 20_012);
        assert!(!error.may_have_executed());
        assert_eq!(server.accepted(), 0);
        client.connect().unwrap();
        client.get_room_info(1).call().unwrap();
    });
}

#[test]
fn call_while_the_policy_waits_fails_at_once() {
    guarded(|| {
        let port = ClosedPort::new();
        let policy = ReconnectPolicy::regressive().free_failures(1).first_delay(Duration::from_secs(60));
        let client = Client::builder(PID, SECRET, port.endpoint()).reconnect(policy).build().unwrap();
        assert!(matches!(client.get_room_info(1).call(), Err(Error::Connect { .. })));
        let error = client.get_room_info(1).call().unwrap_err();
        assert!(matches!(error, Error::NotConnected { .. }), "{error:?}");
        assert_eq!(error.code(), 20_012);
        assert!(!error.may_have_executed());
    });
}

#[test]
fn errors_of_every_variant_can_be_made() {
    let made: fn(Stage, Duration) -> Error = Error::timed_out;
    assert_eq!(made(Stage::Connecting, Duration::from_secs(1)).code(), 20_003);
    let made: fn(ErrorCode, &str) -> Error = Error::from_answer;
    assert_eq!(made(ErrorCode::RTM_EC_SAME_SIGN, "again").code(), 200_006);
}

#[test]
fn codes_have_their_official_names() {
    let timeout: ErrorCode = ErrorCode::FPNN_EC_CORE_TIMEOUT;
    assert_eq!((timeout.value(), timeout.name()), (20_003_i32, Some("FPNN_EC_CORE_TIMEOUT")));
    assert_eq!(ErrorCode::RTM_EC_INVALID_PID_OR_SIGN.value(), 200_002);
    assert_eq!(ErrorCode::from(123_456).name(), None);
}

#[test]
fn names_are_resolved() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = Client::new(PID, SECRET, format!("localhost:{}", server.address().port())).unwrap();
        client.get_room_info(1).call().unwrap();
        // Reserved for names that do not exist (RFC 6761).
        let nowhere = Client::new(PID, SECRET, "nowhere.invalid:1").unwrap();
        let error = nowhere.get_room_info(1).timeout(Duration::from_secs(20)).call().unwrap_err();
        assert!(matches!(error, Error::Connect { .. } | Error::Timeout { .. }), "{error:?}");
        assert!(!error.may_have_executed());
    });
}

#[test]
fn clones_share_one_connection() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = Client::new(PID, SECRET, server.endpoint()).unwrap();
        let clone = client.clone();
        client.connect().unwrap();
        clone.connect().unwrap();
        assert!(clone.is_connected());
        let connection = server.accept();
        drop(client);
        let pending = clone.get_room_info(1).submit();
        connection.answer(&connection.next());
        pending.wait().unwrap();
        assert_eq!(server.accepted(), 1);
    });
}
