//! A local RTM gate for development and tests: all that a room has, over TCP, in memory, in this process.
//!
//! Any RTM server SDK can talk to it, the vendor's own included. Signatures, time stamps and salts are really checked,
//! each failure has the code that the service documents, and nothing is kept when the gate is gone.
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
//! | a message, its editing, its deletion, the history, the counts | as the service does |
//! | `*ping` | `{ts}`, in milliseconds, without a signature |
//! | an unknown method, whatever its signature | 20004 |
//! | `pid`, `sign`, `salt` or `ts` missing or of a wrong type | 200034 |
//! | a project that the gate does not serve | 200001 |
//! | a wrong signature | 200002 |
//! | a `ts` more than 60 s away from the gate's clock | 200008 |
//! | a signature that was used before | 200006 |
//! | a parameter missing, of a wrong type, or out of range | 200034 |
//! | an empty batch | 200033 |
//! | an `mtype` outside 1..=127 | 200005 |
//! | an info of more than 65,535 bytes, a message of more than 20,480, attributes of more than 2,048 | 200030 |
//! | a sender who is not in the room | 200040 |
//! | a sender who is banned in the room | 200045 |
//! | a `mid` that its sender has used in the room before | 200053 |
//! | a message that is not there, to be read, edited or deleted | 200070 |
//! | a message older than `timeLimit`, to be edited | 200021 |
//! | a payload in JSON, compressed, or marked as encrypted | 10008 |
//!
//! The first of these lines that fits decides, from the unknown method downwards. A one-way quest is executed and gets
//! no answer. Answers carry version 1 and the flag of msgpack, whatever the quest's header said; they come in the order
//! of the quests.
//!
//! What breaks the protocol closes its connection, and no other, without an answer: bytes that are no packet, a packet
//! of more than 8 MiB, a payload that is empty, cut short or not a map with string keys, a flag byte that announces
//! both or neither of msgpack and JSON, a quest without a method. An answer that comes unasked is ignored.
//!
//! - A room exists as soon as something names it. An info that was never set is the empty string.
//! - A ban with a `btime` of 0 or less, or without one, is for ever. Without `rid` it holds in every room. A ban
//!   replaces an earlier one of the same room, or of all rooms.
//! - Removing a ban without `rid` lifts every ban of that user, those of single rooms included. Removing it in one room
//!   leaves a ban of all rooms as it is.
//! - Each room keeps its last 500 messages, of every type, for as long as the gate runs. Their `mtime` never goes back. A
//!   deleted message keeps its row in the history, marked and without its content. The last 1,048,576 `mid`s of a
//!   project are remembered.
//! - A text that is not UTF-8 is kept as binary.
//! - Integers may be floats with a whole value; a nil counts as a parameter that was left out.
//! - Used signatures are remembered until their time stamp is too old to pass, the last 16,777,216 of them at most.
//! - With a key, the gate serves plain and encrypted sessions on one port. A key exchange that fails, or that is not the
//!   connection's first packet, closes the connection.
//! - A peer that does not read its answers is not read from any more, until it does. One that has sent its last byte
//!   still gets its answers.
//!
//! It logs with the crate `log`: what it refuses and why at `warn`, connections that end unplanned at `info`, all others
//! at `debug`.

// Lowest layer first; each file knows only those above it in this list.
mod clock;
mod failure;
#[cfg(feature = "encryption")]
mod key;
mod project;
mod replay;

mod handshake;
mod params;
mod reply;

mod methods;
mod stats;

mod service;
mod session;

mod connection;
mod server;

#[cfg(test)]
mod tests;

#[cfg(feature = "encryption")]
pub use crate::fpnn::Curve;
#[cfg(feature = "encryption")]
pub use key::{GateKey, PrivatePem};
pub use stats::GateStats;

use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Waker;
use mio::net::TcpListener;
use rustc_hash::FxHashMap;

use crate::error::{Error, SystemError};
use crate::rtm::Signer;
use handshake::Handshake;
use server::Server;
use service::Service;
use stats::Counters;

/// A running gate. It serves on a thread of its own, `rtm-gate-PORT`, until it is dropped.
///
/// Dropping it closes its port and all its connections, and returns once the thread has ended. The port can be bound
/// again at once.
pub struct Gate {
    address: SocketAddr,
    endpoint: String,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// A builder for a gate, which serves no project yet.
    pub fn builder() -> GateBuilder {
        GateBuilder { signers: FxHashMap::default(), idle_timeout: None, handshake: Handshake::default() }
    }

    /// The address that the gate listens on, with its real port, as a client takes it: `127.0.0.1:40123`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The address that the gate listens on, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the gate has done so far.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        self.counters.snapshot()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = self.waker.wake();
        if let (Ok(()), Some(thread)) = (woken, self.thread.take()) {
            // If it panicked, the panic was reported there.
            _ = thread.join();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("endpoint", &self.endpoint).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Configures a [`Gate`]; [`bind`](GateBuilder::bind) starts it.
#[derive(Debug)]
#[must_use = "a gate serves once `bind` was called"]
pub struct GateBuilder {
    signers: FxHashMap<i32, Signer>,
    idle_timeout: Option<Duration>,
    handshake: Handshake,
}

impl GateBuilder {
    /// Serves a project. Call it once for each of several projects: each has rooms of its own. The later secret of one
    /// project replaces the earlier.
    pub fn project(mut self, pid: i32, secret: impl AsRef<str>) -> GateBuilder {
        self.signers.insert(pid, Signer::new(pid, secret.as_ref()));
        self
    }

    /// Closes a connection that has sent nothing for this long, as the reference server does after 60 s. Zero, the
    /// default, is never.
    pub fn idle_timeout(mut self, timeout: Duration) -> GateBuilder {
        self.idle_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    /// Serves encrypted sessions too, on the same port: the first packet of each connection decides.
    #[cfg(feature = "encryption")]
    pub fn key(mut self, key: GateKey) -> GateBuilder {
        self.handshake.key = Some(key);
        self
    }

    /// Closes every connection that does not begin an encrypted session. Without a [`key`](GateBuilder::key), that is
    /// every connection.
    #[cfg(feature = "encryption")]
    pub fn require_encryption(mut self) -> GateBuilder {
        self.handshake.is_required = true;
        self
    }

    /// Listens on an address such as `127.0.0.1:13325` and serves on a thread of its own. Port 0 takes a free port, which
    /// [`Gate::endpoint`] tells.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `address` is not an address, does not belong to this machine or is in use, or the thread cannot
    /// be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::gate::Gate;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").project(80000002, "other").bind("127.0.0.1:0")?;
    /// let taken = Gate::builder().bind(gate.endpoint());
    /// assert!(taken.unwrap_err().to_string().starts_with("listening on 127.0.0.1:"));
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn bind(self, address: impl Display) -> Result<Gate, Error> {
        let address = address.to_string();
        self.start(&address).map_err(|error| Error::System(SystemError::new(format!("listening on {address}"), error)))
    }

    fn start(self, address: &str) -> io::Result<Gate> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let service = Service::new(self.signers, self.handshake, Arc::clone(&counters));
        let (server, waker) =
            Server::new(listener, service, Arc::clone(&counters), self.idle_timeout, Arc::clone(&stop))?;
        let thread = thread::Builder::new().name(format!("rtm-gate-{}", address.port())).spawn(|| server.run())?;
        Ok(Gate { address, endpoint: address.to_string(), counters, stop, waker, thread: Some(thread) })
    }
}

/// Listens on the first address of that name that works. On Unix, the port of a gate that was dropped
/// can be bound again at once: mio sets `SO_REUSEADDR`.
fn listen(address: &str) -> io::Result<TcpListener> {
    let mut last_error = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}
