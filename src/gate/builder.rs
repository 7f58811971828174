//! [`GateBuilder`]: configures and starts a gate.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::Gate;
#[cfg(feature = "encryption")]
use super::key::GateKey;
use super::listener::listen;
use super::server::{Server, SocketSettings};
use super::service::{Service, Settings};
use super::stats::Counters;
use crate::error::{Error, SystemError};
use crate::rtm::Signer;

/// Configures a [`Gate`]; [`bind`](GateBuilder::bind) starts it.
#[derive(Debug)]
#[must_use = "a gate serves once `bind` was called"]
pub struct GateBuilder {
    signers: FxHashMap<i32, Signer>,
    sockets: SocketSettings,
    service: Settings,
}

impl Gate {
    /// Starts building a gate, which serves no project yet.
    pub fn builder() -> GateBuilder {
        GateBuilder { signers: FxHashMap::default(), sockets: SocketSettings::default(), service: Settings::default() }
    }
}

impl GateBuilder {
    /// Serves a project. Call it once per project: each has its own rooms. A later secret of the same project replaces
    /// the earlier one.
    pub fn project(mut self, pid: i32, secret: impl AsRef<str>) -> GateBuilder {
        self.signers.insert(pid, Signer::new(pid, secret.as_ref()));
        self
    }

    /// Closes a connection that has sent nothing for this long, as the reference server does after 60 s. Default: zero,
    /// which means never.
    pub fn idle_timeout(mut self, timeout: Duration) -> GateBuilder {
        self.sockets.idle_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    /// Answers calls of a project beyond this many a second with 200010, as the service does (one of the vendor's pages
    /// says 100). A second starts with the first call after the previous second; calls with a wrong signature do not
    /// count. Zero refuses every call. Default: no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, ErrorCode, gate::Gate};
    /// use std::time::Duration;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").calls_per_second(1).bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// gate.pause();
    /// let pending = [1001, 1002].map(|uid| client.add_room_member(42, uid).submit());
    /// gate.resume();
    /// let [first, second] = pending.map(|pending| pending.wait());
    /// first?;
    /// assert_eq!(second.unwrap_err().code(), ErrorCode::RTM_EC_FREQUENCY_LIMITED);
    ///
    /// gate.advance(Duration::from_secs(1));
    /// client.add_room_member(42, 1002).call()?;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn calls_per_second(mut self, calls: u32) -> GateBuilder {
        self.service.rules.calls_per_second = Some(calls);
        self
    }

    /// Lets a user be in one room at a time, as the service does by default: entering another leaves the first.
    /// Default: false.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, gate::Gate};
    ///
    /// let gate = Gate::builder().project(80000001, "secret").single_room(true).bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// client.add_room_member(42, 1001).call()?;
    /// client.add_room_member(43, 1001).call()?;
    /// assert_eq!(client.get_room_members(42).call()?, []);
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn single_room(mut self, single_room: bool) -> GateBuilder {
        self.service.rules.single_room = single_room;
        self
    }

    /// Accepts a signature more than once, for clients such as the vendor's Python SDK, whose salts repeat within a
    /// millisecond. Default: false, which answers 200006.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::gate::Gate;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").accept_repeated_signatures(true).bind("127.0.0.1:0")?;
    /// # drop(gate);
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn accept_repeated_signatures(mut self, accept: bool) -> GateBuilder {
        self.service.accept_repeated_signatures = accept;
        self
    }

    /// Leaves Nagle's algorithm on, as the vendor's server does: a small answer waits until the previous one is
    /// acknowledged, which takes the peer up to 40 ms. Default: false.
    pub fn nagle(mut self, nagle: bool) -> GateBuilder {
        self.sockets.nagle = nagle;
        self
    }

    /// Serves encrypted sessions too, on the same port: the first packet of each connection decides.
    #[cfg(feature = "encryption")]
    pub fn key(mut self, key: GateKey) -> GateBuilder {
        self.service.handshake.key = Some(key);
        self
    }

    /// Closes every connection that does not begin an encrypted session. Without a [`key`](GateBuilder::key), that is
    /// every connection.
    #[cfg(feature = "encryption")]
    pub fn require_encryption(mut self) -> GateBuilder {
        self.service.handshake.is_required = true;
        self
    }

    /// Listens on an address such as `127.0.0.1:13325` and serves on its own thread. Port 0 picks a free port, which
    /// [`Gate::endpoint`] contains.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `address` is not an address, does not belong to this machine or is in use, or the thread
    /// cannot be started.
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

    /// Sets the limits on what peers can make the gate hold.
    #[cfg(test)]
    pub(super) fn limits(mut self, limits: super::connections::Limits) -> GateBuilder {
        self.sockets.limits = limits;
        self
    }

    /// Creates the service that a gate with these settings uses.
    #[cfg(feature = "unstable-internals")]
    pub(super) fn into_service(self) -> Service {
        Service::new(self.signers, self.service, Arc::default())
    }

    fn start(self, address: &str) -> io::Result<Gate> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let service = Service::new(self.signers, self.service, Arc::clone(&counters));
        let (server, commands) = Server::new(listener, service, Arc::clone(&counters), self.sockets)?;
        let thread = thread::Builder::new().name(format!("rtm-gate-{}", address.port())).spawn(|| server.run())?;
        Ok(Gate { address, endpoint: address.to_string(), counters, commands, thread: Some(thread) })
    }
}
