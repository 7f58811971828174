//! A local RTM gate for development and tests: everything about rooms, over TCP, in memory, in this process.
//!
//! Any RTM server SDK can talk to it, including the vendor's. It checks signatures, time stamps and salts as the
//! service does, answers each failure with the code that the service documents, and keeps nothing after it ends.
//!
//! ```
//! use rtm_server_sdk::Client;
//! use rtm_server_sdk::gate::Gate;
//!
//! let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
//! let client = Client::new(80000001, "secret", gate.endpoint())?;
//! client.add_room_member(42, 1001).call()?;
//! assert_eq!(client.get_room_members(42).call()?, [1001]);
//! assert_eq!(gate.stats().executed("addroommember"), 1);
//! # Ok::<(), rtm_server_sdk::Error>(())
//! ```
//!
//! # What it does
//!
//! | quest | answer |
//! | --- | --- |
//! | one of the Room methods | as the service does; `uids` in ascending order, `cn` with the rooms as strings |
//! | a batch of members or rooms | as the service does; `successedUids` names users who were there to be removed |
//! | sending, reading, editing, deleting and counting messages, the history | as the service does |
//! | `addlisten`, `removelisten`, `setlisten` | `{}`, and from then on pushes: see below |
//! | `*ping` | `{ts}`, in milliseconds, without a signature |
//! | an unknown method, whatever its signature | 20004 |
//! | `pid`, `sign`, `salt` or `ts` missing or of a wrong type | 200034 |
//! | a project that the gate does not serve | 200001 |
//! | a wrong signature | 200002 |
//! | a `ts` more than 60 s away from the gate's clock | 200008 |
//! | a signature that was used before | 200006 |
//! | a call over [`calls_per_second`](GateBuilder::calls_per_second) | 200010 |
//! | a parameter missing, of a wrong type, or out of range | 200034 |
//! | an empty batch | 200033 |
//! | an `mtype` outside 1..=127 | 200005 |
//! | an info of more than 65,535 bytes, a message of more than 20,480, attributes of more than 2,048 | 200030 |
//! | a sender who is not in the room | 200040 |
//! | a sender who is banned in the room | 200045 |
//! | a `mid` that its sender has used in the room before | 200053 |
//! | reading, editing or deleting a message that does not exist | 200070 |
//! | editing a message older than `timeLimit` | 200021 |
//! | a payload in JSON, compressed, or marked as encrypted | 10008 |
//!
//! From the unknown method downwards, the first matching row decides. A one-way quest is executed and gets no answer.
//! Answers carry version 1 and the msgpack flag, whatever the quest's header said, and come in the order of the quests.
//! Answers to the gate's own quests are accepted whatever they contain.
//!
//! A violation of the protocol closes its connection, and no other, without an answer: bytes that are not a packet, a
//! packet of more than 8 MiB, a payload that is empty, truncated or not a map with string keys, a flag byte that
//! announces both or neither of msgpack and JSON, a quest without a method. Answers to earlier quests are delivered
//! first. An unexpected answer is ignored.
//!
//! - A room exists once a call names it. An info that was never set is the empty string.
//! - A ban with a `btime` of 0 or less, or without one, never ends. Without `rid` it holds in every room. A ban
//!   replaces an earlier one of the same room, or of all rooms.
//! - Removing a ban without `rid` ends every ban of that user, including those in single rooms. Removing it in one room
//!   does not end a ban in all rooms.
//! - Each room keeps its last 500 messages, of every type, as long as the gate runs. Their `mtime` never decreases. A
//!   deleted message keeps its row in the history, marked and without content. The gate remembers the last 1,048,576
//!   `mid`s of a project.
//! - A message is pushed to every connection that listens to its room, including the sender's. The pushes of a
//!   connection are numbered from 1. A connection that listens to events gets a `ping` every 20 s. The gate itself
//!   makes no events and no messages to groups or users: [`Gate::push_event`] and [`Gate::push_message`] push them.
//! - `setlisten` replaces the kinds that it names, by a list, a boolean or both, and keeps the others. A list by itself
//!   ends "all of that kind". A map instead of a list is read as the list of its keys.
//! - A text that is not UTF-8 is kept as binary.
//! - Integers may be floats with a whole value; nil counts as a missing parameter.
//! - The gate remembers used signatures until their time stamp is too old to pass, at most the last 16,777,216.
//! - With a key, the gate serves plain and encrypted sessions on one port. A key exchange that fails, or that is not
//!   the connection's first packet, closes the connection.
//! - The gate stops reading from a peer that does not read its answers, until it does. It closes a connection that is
//!   behind by 8 MiB of pushes. A peer that has half-closed its connection still gets its answers.
//! - There are at most 4,096 connections. If incomplete packets and unread bytes of all connections together exceed 128
//!   MiB, the connection that holds the most is closed.
//!
//! It logs through the crate `log`: refusals and their reasons at `warn`, connections that end unexpectedly at `info`,
//! all others at `debug`.

// Lowest layer first; each file knows only those above it in this list.
mod clock;
mod failure;
mod fault;
#[cfg(feature = "encryption")]
mod key;
mod project;
mod replay;

mod handshake;
mod outbox;
mod params;
mod push;
mod reply;

mod methods;
mod stats;

mod service;
mod session;

mod command;
mod connection;
mod connections;
mod listener;
mod server;

mod builder;

#[cfg(feature = "unstable-internals")]
#[doc(hidden)]
pub mod internals;
#[cfg(test)]
mod tests;

#[cfg(feature = "encryption")]
pub use crate::fpnn::Curve;
pub use builder::GateBuilder;
pub use fault::Fault;
#[cfg(feature = "encryption")]
pub use key::{GateKey, PrivatePem};
pub use stats::GateStats;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::rtm::{Message, UserId};
use command::{Command, CommandSender};
use stats::Counters;

/// A running gate. It serves on a thread of its own, `rtm-gate-PORT`, until it is dropped.
///
/// Dropping it closes its port and all its connections, and returns once the thread has ended. The port can be bound
/// again at once. The methods that make it misbehave for tests return once they have taken effect.
pub struct Gate {
    address: SocketAddr,
    endpoint: String,
    counters: Arc<Counters>,
    commands: CommandSender,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// The address that the gate listens on, with its real port, as a client's endpoint: `127.0.0.1:40123`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The address that the gate listens on, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns counts of what the gate has done so far.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        self.counters.snapshot()
    }

    /// Makes the gate mishandle quests from now on. If several faults match a quest, the first in the order of
    /// injection applies.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::gate::{Fault, Gate};
    /// use rtm_server_sdk::{Client, Error};
    /// use std::time::Duration;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// gate.inject(Fault::silence().on("getroommembers"));
    /// let error = client.get_room_members(42).timeout(Duration::from_millis(50)).call().unwrap_err();
    /// assert!(matches!(error, Error::Timeout(_)));
    /// client.get_room_info(42).call()?;
    ///
    /// gate.clear_faults();
    /// client.get_room_members(42).call()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn inject(&self, fault: Fault) {
        self.run(Command::Inject(fault));
    }

    /// Removes all injected faults. Quests that the gate has already received are not affected.
    pub fn clear_faults(&self) {
        self.run(Command::ClearFaults);
    }

    /// Moves the gate's clock forward for good: bans expire, time stamps become too old, idle connections are closed,
    /// delayed answers are sent. It advances by at most 1,000 years.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, gate::Gate};
    /// use std::time::Duration;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// client.add_room_ban(Some(42), 1001, Some(Duration::from_secs(30))).call()?;
    /// assert!(client.is_ban_of_room(42, 1001).call()?);
    /// gate.advance(Duration::from_secs(30));
    /// assert!(!client.is_ban_of_room(42, 1001).call()?);
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn advance(&self, duration: Duration) {
        self.run(Command::Advance(duration));
    }

    /// Closes every connection. New ones are accepted as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, ReconnectPolicy, gate::Gate};
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::builder(80000001, "secret", gate.endpoint()).reconnect(ReconnectPolicy::never()).connect()?;
    /// assert_eq!(client.get_room_members(42).call()?, []);
    ///
    /// gate.disconnect_all();
    /// assert_eq!(gate.stats().connections_open, 0);
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn disconnect_all(&self) {
        self.run(Command::DisconnectAll);
    }

    /// Stops serving, like a server that hangs: connections are accepted and stay open, but nothing is answered or
    /// pushed until [`resume`](Gate::resume).
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, gate::Gate};
    /// use std::time::Duration;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// gate.pause();
    /// let pending = client.add_room_member(42, 1001).submit();
    /// assert!(client.get_room_info(42).timeout(Duration::from_millis(50)).call().is_err());
    /// gate.resume();
    /// pending.wait()?;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn pause(&self) {
        self.run(Command::Pause);
    }

    /// Serves again after [`pause`](Gate::pause), beginning with what arrived in the meantime.
    pub fn resume(&self) {
        self.run(Command::Resume);
    }

    /// Pushes an event, such as `login`, to every connection that listens to it. The event carries that connection's
    /// project and the gate's time.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Listen, Push, gate::Gate};
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// let listener = client.listen(Listen::new().event("login")).start()?;
    /// gate.push_event("login", 1001);
    /// let Push::Event(event) = listener.recv()? else { panic!("an event was pushed") };
    /// assert_eq!((&*event.name, event.uid), ("login", 1001));
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn push_event(&self, name: &str, uid: UserId) {
        self.run(Command::PushEvent(name.to_owned(), uid));
    }

    /// Pushes a message to every connection that listens to its target. The message is neither stored nor checked.
    /// Without an `mtime`, it gets the gate's time.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Listen, Message, MessageType, Push, Target, gate::Gate};
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// let listener = client.listen(Listen::new().group(7)).start()?;
    /// gate.push_message(Message {
    ///     target: Target::Group(7),
    ///     from: 1001,
    ///     mid: 1,
    ///     mtype: MessageType::CHAT,
    ///     body: "hello".into(),
    ///     attrs: String::new(),
    ///     mtime: None,
    /// });
    /// let Push::Message(message) = listener.recv()? else { panic!("a message was pushed") };
    /// assert_eq!((message.target, message.body.as_str()), (Target::Group(7), Some("hello")));
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn push_message(&self, message: Message) {
        self.run(Command::PushMessage(Box::new(message)));
    }

    fn run(&self, command: Command) {
        if let Err(error) = self.commands.run(command) {
            log::error!("the gate's thread cannot be woken: {error}");
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let stopped = self.commands.run(Command::Stop);
        if let (Ok(()), Some(thread)) = (stopped, self.thread.take()) {
            // If the thread panicked, the panic was reported there.
            _ = thread.join();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("endpoint", &self.endpoint).field("stats", &self.stats()).finish_non_exhaustive()
    }
}
