//! A client for the Room API of RTM, the real-time messaging cloud, for servers written in Rust. Every function can
//! block, take a callback, or be waited for later. One connection and one I/O thread serve all clones of a client. No
//! async runtime is needed, and a local gate for tests comes with it.
//!
//! 1. [A first call](#a-first-call)
//! 2. [Three ways to call](#three-ways-to-call)
//! 3. [Timeouts](#timeouts)
//! 4. [Errors](#errors)
//! 5. [Threads and callbacks](#threads-and-callbacks)
//! 6. [Connecting and reconnecting](#connecting-and-reconnecting)
//! 7. [Listening](#listening)
//! 8. [Encryption](#encryption)
//! 9. [Testing your own code](#testing-your-own-code)
//! 10. [Features](#features)
//! 11. [Minimum Rust version](#minimum-rust-version)
//! 12. [Guides](#guides)
//!
//! # A first call
//!
//! A client needs the project's number, its secret, and the endpoint as `host:port`. Nothing is sent before the
//! first call.
//!
//! ```no_run
//! use rtm_server_sdk::{Client, Error};
//!
//! fn main() -> Result<(), Error> {
//!     let client = Client::new(80000001, "secret", "rtm.example.com:13315")?;
//!     client.add_room_member(42, 1001).call()?;
//!     println!("{:?}", client.get_room_members(42).call()?);
//!     Ok(())
//! }
//! ```
//!
//! The functions have the vendor's names:
//!
//! - members: [`add_room_member`](Client::add_room_member), [`delete_room_member`](Client::delete_room_member),
//!   [`get_room_members`](Client::get_room_members), [`get_room_count`](Client::get_room_count), and batches of them;
//! - info: [`set_room_info`](Client::set_room_info), [`get_room_info`](Client::get_room_info);
//! - bans: [`add_room_ban`](Client::add_room_ban), [`remove_room_ban`](Client::remove_room_ban),
//!   [`is_ban_of_room`](Client::is_ban_of_room);
//! - messages: [`send_room_message`](Client::send_room_message), [`send_room_chat`](Client::send_room_chat),
//!   [`edit_room_message`](Client::edit_room_message), [`delete_room_message`](Client::delete_room_message) and more;
//! - history: [`get_room_message`](Client::get_room_message), [`get_room_chat`](Client::get_room_chat),
//!   [`room_messages`](Client::room_messages);
//! - messages and events as they happen: [`listen`](Client::listen);
//! - any other method, by its name: `quest`, with the feature `serde`.
//!
//! # Three ways to call
//!
//! Every function returns a [`Call`], which does nothing until one of three methods makes it.
//!
//! ```
//! use rtm_server_sdk::{Client, Error};
//! use std::time::Duration;
//!
//! fn three_ways(client: &Client) -> Result<(), Error> {
//!     // 1. Block for the answer, here with a timeout for this call.
//!     let members = client.get_room_members(42).timeout(Duration::from_millis(300)).call()?;
//!     println!("{members:?}");
//!
//!     // 2. Hand in a callback. Returns at once; the callback runs exactly once, on another thread.
//!     client.is_ban_of_room(42, 1001).callback(|outcome| match outcome {
//!         Ok(banned) => println!("banned: {banned}"),
//!         Err(error) => eprintln!("{error:#} ({})", error.code()),
//!     });
//!
//!     // 3. Submit now, wait later: one thread can keep thousands of calls in flight.
//!     let pending = client.get_room_info(42).submit();
//!     println!("{:?}", pending.wait()?.oinfo);
//!     Ok(())
//! }
//! # #[cfg(feature = "gate")] {
//! # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
//! # three_ways(&Client::new(80000001, "secret", gate.endpoint())?)?;
//! # }
//! # Ok::<(), Error>(())
//! ```
//!
//! [`Pending::try_wait`] checks without blocking. Dropping a [`Pending`] abandons the answer, not the call.
//!
//! # Timeouts
//!
//! A call times out after 30 s. [`ClientBuilder::quest_timeout`] sets another default, [`Call::timeout`] the timeout of
//! one call. The timeout covers everything: waiting for room among the calls in flight, connecting, waiting for a turn
//! under [`ClientBuilder::max_rate`], sending, and waiting for the answer. When it expires, the call fails with
//! [`Error::Timeout`], whose [`stage`](error::TimeoutError::stage) says what the call was waiting for. A late answer is
//! dropped, and the connection stays in use.
//!
//! ```
//! use rtm_server_sdk::{Client, Error, Stage};
//! use std::net::TcpListener;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server that never answers.
//! let silent = TcpListener::bind("127.0.0.1:0")?;
//! let client = Client::new(80000001, "secret", silent.local_addr()?.to_string())?;
//!
//! client.connect()?;
//! match client.get_room_info(42).timeout(Duration::from_millis(200)).call() {
//!     Err(Error::Timeout(timeout)) => assert_eq!(timeout.stage(), Stage::WaitingForAnswer),
//!     outcome => panic!("{outcome:?}"),
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! | variant | what to do |
//! | --- | --- |
//! | [`Answer`](Error::Answer) | the server refused the call: its [`code`](AnswerError::code) and [`message`](AnswerError::message) say why |
//! | [`Timeout`](Error::Timeout) | set a longer timeout, or make fewer calls at once |
//! | [`ConnectionClosed`](Error::ConnectionClosed) | repeat the call if it cannot have been executed, otherwise read the state from the server first |
//! | [`Connect`](Error::Connect) | check the endpoint and the network; the next call tries again |
//! | [`NotConnected`](Error::NotConnected) | wait for [`retry_after`](error::NotConnectedError::retry_after), or call [`Client::connect`] |
//! | [`QueueFull`](Error::QueueFull) | use `call` or `submit`, which wait for room, or raise [`max_in_flight`](ClientBuilder::max_in_flight) |
//! | [`Decode`](Error::Decode) | the call was executed, and its answer makes no sense: read the state from the server |
//! | [`InvalidArgument`](Error::InvalidArgument) | change the arguments: the text says which |
//! | [`Closed`](Error::Closed) | nothing: the program closed the client |
//! | [`System`](Error::System) | check the limits of the process: it got no thread, or no socket |
//!
//! [`Error::code`] is the code that the vendor's SDKs give. [`Error::retry`] says whether another try can help and
//! when, [`Error::may_have_executed`] whether the server may already have acted on the call. `docs/errors.md` lists
//! both for every code; `docs/recipes.md` has a retry loop.
//!
//! ```
//! use rtm_server_sdk::{Client, Error, ErrorCode};
//!
//! fn let_in(client: &Client, rid: i64, uid: i64) -> Result<(), String> {
//!     match client.add_room_member(rid, uid).call() {
//!         Ok(()) => Ok(()),
//!         Err(Error::Answer(answer)) if answer.code() == ErrorCode::RTM_EC_MAX_ROOM_COUNT => {
//!             Err("leave another room first".into())
//!         }
//!         Err(error) if !error.may_have_executed() => Err(format!("nothing was changed: {error:#}")),
//!         Err(error) => Err(format!("the outcome is unknown: {error:#}")),
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let nobody_listens = Client::new(80000001, "secret", "127.0.0.1:1")?;
//! assert!(let_in(&nobody_listens, 42, 1001).unwrap_err().starts_with("nothing was changed"));
//! # Ok(()) }
//! ```
//!
//! # Threads and callbacks
//!
//! A client has one I/O thread, `rtm-io`, which never runs your code, and one callback thread, `rtm-callback`, or more
//! ([`ClientBuilder::callback_threads`]). A host name is looked up on a thread of its own, `rtm-resolve`.
//!
//! - A callback runs exactly once, whatever happens: an answer, an error, a timeout, a loss, the end of the client.
//! - It never runs inside [`Call::callback`], and it never holds up the connection. It may block.
//! - It may make calls, blocking ones included, even on the only callback thread.
//! - A panic in it is logged and affects no other callback.
//!
//! [`ClientBuilder::callback_executor`] runs callbacks elsewhere: on a pool, or in an old event loop that wants
//! everything on its own thread.
//!
//! At most 65,536 calls are in flight ([`ClientBuilder::max_in_flight`]). Beyond that, `call` and `submit` wait for
//! room within their own time; a callback gets [`Error::QueueFull`], since it must not block its caller.
//!
//! The service limits the calls a second of a project, and refuses those beyond its limit with 200010.
//! [`ClientBuilder::max_rate`] keeps a client below that limit: its calls wait for their turn.
//!
//! # Connecting and reconnecting
//!
//! The first call connects, or [`Client::connect`], or [`ClientBuilder::connect`]. All addresses of a name are tried.
//!
//! When the connection is lost, the calls in flight fail with [`Error::ConnectionClosed`], and the client makes a new
//! connection by itself: it tries at once, again after 50 ms, then after ever longer waits of up to 2 s
//! ([`ReconnectPolicy`]). A call made during a wait fails at once with [`Error::NotConnected`], unless it
//! [waits for the connection](ClientBuilder::wait_for_ready). No call whose bytes may have left is sent again. A ping
//! ([`KeepAlive`]) tests an idle connection, so that a dead one is noticed.
//!
//! ```
//! use rtm_server_sdk::{Client, KeepAlive, ReconnectPolicy};
//! use std::time::Duration;
//!
//! let client = Client::builder(80000001, "secret", "rtm.example.com:13315")
//!     .reconnect(ReconnectPolicy::default().max_delay(Duration::from_secs(20)))
//!     .keep_alive(KeepAlive::default().interval(Duration::from_secs(10)))
//!     .on_connected(|connection| println!("connected to {}", connection.peer_addr()))
//!     .on_closed(|connection, error| println!("lost {}: {error:?}", connection.peer_addr()))
//!     .build()?;
//! # Ok::<(), rtm_server_sdk::Error>(())
//! ```
//!
//! [`Client::close`] ends the connection and all calls in flight. So does dropping the last clone: a program that waits
//! for callbacks must keep its client until they have run.
//!
//! # Listening
//!
//! [`Client::listen`] subscribes to messages and events, which the server pushes over the same connection. A thread
//! takes them from a [`Listener`], or a callback gets them one by one. Each listener gets its pushes in order and each
//! message once, over reconnects; where some may be missing, a [`Gap`] stands in their place.
//!
//! ```
//! # fn main() -> Result<(), rtm_server_sdk::Error> {
//! # #[cfg(feature = "gate")] {
//! # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
//! # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
//! use rtm_server_sdk::{Listen, Push};
//!
//! let listener = client.listen(Listen::new().room(42)).start()?;
//! client.add_room_member(42, 1001).call()?;
//! client.send_room_chat(42, 1001, "hello").call()?;
//! match listener.recv()? {
//!     Push::Message(message) => assert_eq!(message.body.as_str(), Some("hello")),
//!     push => panic!("{push:?}"),
//! }
//! # }
//! # Ok(()) }
//! ```
//!
//! # Encryption
//!
//! With the feature `encryption`, a client that knows the server's public key encrypts its connections: see
//! `Encryption`.
//!
//! ```no_run
//! # #[cfg(feature = "encryption")]
//! # fn main() -> Result<(), rtm_server_sdk::Error> {
//! use rtm_server_sdk::{Client, Encryption};
//!
//! let encryption = Encryption::from_pem_file("server-public.pem")?;
//! let client = Client::builder(80000001, "secret", "rtm.example.com:13315").encryption(encryption).connect()?;
//! # Ok(()) }
//! # #[cfg(not(feature = "encryption"))]
//! # fn main() {}
//! ```
//!
//! Encryption keeps others from reading the data. It does not keep them from changing it on the way: the protocol does
//! not authenticate the data. `docs/security.md` has the details.
//!
//! # Testing your own code
//!
//! With the feature `gate`, a server with all of these functions runs inside a test: over TCP, in memory, with
//! signatures checked as the service checks them. See the module `gate`. The program `rtm-gate`, in the repository's
//! `tools/`, serves the same to other processes.
//!
//! ```
//! # fn main() -> Result<(), rtm_server_sdk::Error> {
//! # #[cfg(feature = "gate")] {
//! use rtm_server_sdk::{Client, Error, gate::Gate};
//!
//! /// The code under test.
//! fn open_room(client: &Client, rid: i64, host: i64) -> Result<(), Error> {
//!     client.set_room_info(rid, Some("Welcome!"), None).call()?;
//!     client.add_room_member(rid, host).call()
//! }
//!
//! let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
//! let client = Client::new(80000001, "secret", gate.endpoint())?;
//! open_room(&client, 42, 1001)?;
//! assert_eq!(client.get_room_members(42).call()?, [1001]);
//! # }
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `encryption` | yes | encrypted sessions: `Encryption`, `ClientBuilder::encryption` |
//! | `gate` | no | the local gate: the module `gate`, and the examples. It adds no dependency |
//! | `metrics` | no | metrics of every client through the facade `metrics`, for Prometheus and others: `ClientBuilder::metrics_label` |
//! | `serde` | no | `Client::quest`: any method by name, with types of your own |
//! | `unstable-internals` | no | the internals of the crate, for its benches, tests and fuzz targets; no promise of stability |
//!
//! The crate writes to [`log`]: losses at `warn`, connections at `info`, attempts at `debug`, each call at `trace`.
//! [`Client::stats`] has counters; with the feature `metrics` they go to a recorder (`docs/metrics.md`).
//!
//! # Minimum Rust version
//!
//! Rust 1.85. Raising it is a minor version change.
//!
//! # Guides
//!
//! They are part of the package, in its folder `docs`.
//!
//! | page | what it is for |
//! | --- | --- |
//! | [`docs/errors.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/errors.md) | every variant and every code |
//! | [`docs/recipes.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/recipes.md) | retries, readiness, shutdown, HTTP statuses, many projects, order, fork |
//! | [`docs/migrating-from-python.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/migrating-from-python.md) | from the vendor's Python SDK to this library |
//! | [`docs/listening.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/listening.md) | pushes: order, duplicates, gaps, what to do on each |
//! | [`docs/testing.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/testing.md) | testing a program against the gate |
//! | [`docs/connection.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/connection.md) | connecting, losses, reconnecting |
//! | [`docs/logging.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/logging.md) | what each log level shows |
//! | [`docs/metrics.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/metrics.md) | metrics for Prometheus and others |
//! | [`docs/security.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/security.md) | what encryption protects against |
//! | [`docs/performance.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/performance.md) | latency, throughput, memory, and how to measure them |
//! | [`docs/protocol.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/protocol.md) | the bytes on the wire |
//! | [`docs/design.md`](https://docs.rs/crate/rtm-server-sdk/latest/source/docs/design.md) | how the crate works inside, and why |
#![cfg_attr(docsrs, feature(doc_cfg))]
// With the codec public, what is still unreachable is meant for the crate alone.
#![cfg_attr(feature = "unstable-internals", warn(unreachable_pub))]

// Lowest layer first; each knows only those above it in this list. `docs/design.md` says what each holds.
mod code;
mod config;
pub mod error;

#[cfg(not(feature = "unstable-internals"))]
mod fpnn;
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod fpnn;

#[cfg(not(feature = "unstable-internals"))]
mod rtm;
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod rtm;

#[cfg(not(feature = "unstable-internals"))]
#[allow(unreachable_pub, reason = "public with the feature `unstable-internals`")]
mod engine;
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod engine;

mod sync;

mod dispatch;

mod net;

mod client;

#[cfg(feature = "gate")]
pub mod gate;

#[cfg(doctest)]
mod doc_samples;
#[cfg(test)]
#[path = "../tests/common/golden_files.rs"]
mod golden_files;

pub use client::{Call, Client, ClientBuilder, ListenGuard, Listener, Listening, Pending, Pushes, RoomMessages};
pub use code::ErrorCode;
pub use config::{KeepAlive, ReconnectPolicy};
#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub use dispatch::listeners_internals;
pub use dispatch::{Gap, GapReason, Push};
pub use engine::{ConnectionInfo, Stats};
pub use error::{AnswerError, Error, Retry, Stage};
#[cfg(feature = "encryption")]
pub use fpnn::{CipherMode, Encryption, KeyBits};
pub use rtm::methods::history::{History, HistoryPage};
pub use rtm::methods::info::RoomInfo;
pub use rtm::methods::listen::Listen;
pub use rtm::methods::messages::{MessageCount, SentMessage};
pub use rtm::{Event, Message, MessageBody, MessageId, MessageType, NewMessage, RoomId, Target, UserId};
