//! A local RTM gate: the Room methods over TCP, in memory, for development and tests.
//!
//! Any RTM SDK can talk to it. Signatures, time stamps and salts are really checked. It knows the wire, but nothing of
//! this crate's client, so that a test of the client against it is a test of the wire.
//!
//! # Examples
//!
//! ```
//! use rtm_server_sdk::{Client, gate::Gate};
//!
//! let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
//! let client = Client::new(80000001, "secret", gate.endpoint())?;
//! client.add_room_member(42, 1001).call()?;
//! assert_eq!(gate.stats().executed("addroommember"), 1);
//!
//! // A wrong secret is told as the real service tells it.
//! let stranger = Client::new(80000001, "guess", gate.endpoint())?;
//! assert_eq!(stranger.get_room_members(42).call().unwrap_err().code(), 200002);
//! # Ok::<(), rtm_server_sdk::Error>(())
//! ```

mod auth;
mod methods;
mod rooms;
mod server;
mod session;
mod stats;

pub use stats::GateStats;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mio::net::TcpListener;
use mio::{Poll, Waker};
use slab::Slab;

use crate::error::{ArgumentError, Error, SystemError};
use auth::Projects;
use server::{Server, WAKER};
use stats::Counters;

/// A running gate. It serves on a thread of its own until it is dropped.
pub struct Gate {
    endpoint: String,
    address: SocketAddr,
    counters: Arc<Counters>,
    is_stopped: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Settings of a gate.
    pub fn builder() -> GateBuilder {
        GateBuilder { projects: Projects::default() }
    }

    /// Where the gate listens, as `host:port`, with the real port.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where the gate listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the gate has done so far.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        self.counters.read()
    }
}

/// Closes all connections and waits for the thread.
impl Drop for Gate {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            log::error!("the gate cannot be woken for its end: {error}");
        } else if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Settings of a [`Gate`]. Made by [`Gate::builder`].
#[derive(Debug)]
#[must_use = "a builder makes a gate only by `bind`"]
pub struct GateBuilder {
    projects: Projects,
}

impl GateBuilder {
    /// Serves this project. May be called for several.
    pub fn project(mut self, pid: i32, secret: impl AsRef<str>) -> Self {
        self.projects.add(pid, secret.as_ref());
        self
    }

    /// Listens on `address`, such as `127.0.0.1:0`, where port 0 stands for any free one, and begins to serve.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if `address` is none, or no project was given; [`Error::System`] if the machine
    /// refuses the address, or a thread.
    pub fn bind(self, address: &str) -> Result<Gate, Error> {
        let wanted: SocketAddr = address
            .parse()
            .map_err(|error| ArgumentError::caused_by(format!("`{address}` is no address to listen on"), error))?;
        if self.projects.is_empty() {
            return Err(ArgumentError::new("a gate needs a project to serve").into());
        }
        let listening = |error| Error::System(SystemError::new(format!("listening on {address}"), error));
        let listener = TcpListener::bind(wanted).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        self.serve(listener, address).map_err(|error| Error::System(SystemError::new("starting the gate", error)))
    }

    fn serve(self, listener: TcpListener, address: SocketAddr) -> io::Result<Gate> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let counters = Arc::new(Counters::new());
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut server = Server {
            poll,
            listener,
            projects: self.projects,
            counters: Arc::clone(&counters),
            is_stopped: Arc::clone(&is_stopped),
            sessions: Slab::new(),
            unfinished: Vec::new(),
            accept_at: None,
        };
        server.register()?;
        let thread = thread::Builder::new().name("rtm-gate".into()).spawn(move || server.run())?;
        Ok(Gate { endpoint: address.to_string(), address, counters, is_stopped, waker, thread: Some(thread) })
    }
}
