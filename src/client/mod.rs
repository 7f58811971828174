//! [`Client`]: the public API.

mod admission;
mod bans;
mod builder;
mod call;
mod catch_up;
mod history;
mod info;
mod listen;
mod listener;
mod members;
mod messages;
#[cfg(feature = "serde")]
mod quest;

pub use builder::ClientBuilder;
pub use call::{Call, Pending};
pub use history::RoomMessages;
pub use listen::Listening;
pub use listener::{ListenGuard, Listener, Pushes};

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::bounded;
use crate::dispatch::{CallReply, CallbackThreads, ClientState, Completion, Route, Shared};
use crate::engine::Stats;
use crate::error::{ConnectCause, ConnectError, Error, Stage, TimeoutError};
use crate::net::{Command, IoThread};
use crate::rtm::Signer;

/// The I/O thread ends a call at its deadline. If the system does not schedule that thread, the caller gives up this
/// much later.
const BACKSTOP: Duration = Duration::from_millis(3);
/// The same for an attempt to connect.
const CONNECT_BACKSTOP: Duration = Duration::from_millis(50);

/// A client of one RTM project, over one connection.
///
/// A client is cheap to clone and to share: all clones use the same connection and the same I/O thread. Dropping the
/// last clone closes it. See the [crate's page](crate) for a tour.
///
/// The functions of the Room API have the vendor's names; `docs/protocol.md`, section 2, has their wire methods and
/// fields. Each returns a [`Call`], which [`Call::call`], [`Call::callback`] or [`Call::submit`] makes. The outcome can
/// be any variant of [`Error`](crate::Error); the documentation of a function lists only the errors of its own.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::Client;
///
/// let client = Client::new(80000001, "secret", "rtm.example.com:13315")?;
/// let same_connection = client.clone();
/// std::thread::spawn(move || same_connection.is_connected());
/// # Ok::<(), rtm_server_sdk::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// The state shared by all clones. Fields are dropped in this order: the callback threads come last, because everything
/// before them may submit a last callback.
struct Inner {
    io_thread: IoThread,
    signer: Arc<Signer>,
    has_executor: bool,
    pid: i32,
    endpoint: Arc<str>,
    quest_timeout: Duration,
    wait_for_ready: bool,
    connect_timeout: Duration,
    /// How long a blocked caller polls for its answer before it sleeps.
    busy_poll: Duration,
    shared: Arc<Shared>,
    _callback_threads: CallbackThreads,
}

impl Client {
    /// Makes a client with all defaults. It is not connected yet: the first call connects.
    ///
    /// `pid` and `secret` are those of the project's server side, `endpoint` is `host:port`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if `endpoint` is not `host:port`, [`Error::System`] if the operating system refuses a
    /// thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Error};
    ///
    /// let client = Client::new(80000001, "secret", "rtm.example.com:13315")?;
    /// assert!(!client.is_connected());
    /// assert!(matches!(Client::new(80000001, "secret", "no port"), Err(Error::InvalidArgument(_))));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(pid: i32, secret: impl Into<String>, endpoint: impl Into<String>) -> Result<Client, Error> {
        Client::builder(pid, secret, endpoint).build()
    }

    /// Starts building a client with other settings: see [`ClientBuilder`].
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    /// use std::time::Duration;
    ///
    /// let client = Client::builder(80000001, "secret", "rtm.example.com:13315").quest_timeout(Duration::from_secs(3)).build()?;
    /// # let _ = client;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn builder(pid: i32, secret: impl Into<String>, endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(pid, secret.into(), endpoint.into())
    }

    fn assemble(inner: Inner) -> Client {
        Client { inner: Arc::new(inner) }
    }

    /// Connects now if there is no connection, without waiting for the reconnect policy.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] if it fails within `ClientBuilder::connect_timeout`, [`Error::Closed`] on a closed client.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.connect()?;
    /// assert!(client.is_connected());
    ///
    /// let nobody_listens = rtm_server_sdk::Client::new(80000001, "secret", "127.0.0.1:1")?;
    /// assert!(matches!(nobody_listens.connect(), Err(rtm_server_sdk::Error::Connect(_))));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn connect(&self) -> Result<(), Error> {
        let inner = &*self.inner;
        let reply = CallReply::of_this_thread();
        let completion = Completion::uncounted(Arc::clone(&inner.shared), Route::Reply(reply.sender()));
        let deadline = Instant::now() + inner.connect_timeout + CONNECT_BACKSTOP;
        if let Err(Command::Connect(completion)) = inner.io_thread.send(Command::Connect(completion)) {
            completion.complete(Err(Error::closed(false)));
        }
        let timed_out = || {
            let cause = ConnectCause::TimedOut { timeout: inner.connect_timeout, stage: Stage::Connecting };
            Error::Connect(ConnectError::new(Arc::clone(&inner.endpoint), cause))
        };
        reply.wait(deadline, Duration::ZERO).unwrap_or_else(|_| Err(timed_out())).map(drop)
    }

    /// Ends the connection and every call in flight, and stops the I/O thread. Later calls fail with [`Error::Closed`].
    ///
    /// It returns within a second, whatever the server does. It may be called more than once and from any thread,
    /// including from a callback. Callbacks of calls that it ends still run.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Error};
    ///
    /// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
    /// client.close();
    /// assert!(matches!(client.get_room_info(42).call(), Err(Error::Closed(_))));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) {
        self.inner.close();
    }

    /// Shuts the client down gracefully: accepts no new calls, waits for at most `timeout` until every call in flight
    /// has its outcome and every callback has run, then [closes](Client::close). Calls made from now on fail with
    /// [`Error::Closed`], including those that callbacks make, and so do calls that are still waiting for room.
    ///
    /// Inside a callback or a hook of this client it waits only for the outcomes, because the remaining callbacks may
    /// need its thread. They run once it has returned, as after `close`. Do not call it on the executor's own thread
    /// outside a callback (`ClientBuilder::callback_executor`): the callbacks that it waits for cannot run until it
    /// times out.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if calls are still in flight after `timeout`, or callbacks have not run. Those calls end as
    /// on `close`, and their callbacks run.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Error};
    /// use std::time::Duration;
    ///
    /// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
    /// client.add_room_member(42, 1001).callback(|outcome| eprintln!("{outcome:?}"));
    /// client.shutdown(Duration::from_secs(10))?; // The callback has run.
    /// assert!(matches!(client.add_room_member(42, 1002).call(), Err(Error::Closed(_))));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        let Shared { state, callbacks, .. } = &*self.inner.shared;
        let ClientState { permits, unfinished_callbacks, .. } = &**state;
        let deadline = Instant::now() + bounded(timeout);
        permits.close();
        let is_done = permits.wait_until_idle(deadline)
            && (callbacks.is_running_here() || unfinished_callbacks.wait_for_all(deadline));
        self.close();
        if is_done { Ok(()) } else { Err(TimeoutError::new(Stage::ShuttingDown, timeout).into()) }
    }

    /// Changes how many calls are sent in any second, for all clones of this client; `None` removes the limit. See
    /// [`ClientBuilder::max_rate`] for its meaning. 0 counts as 1, so that a program that keeps halving its rate never
    /// stops.
    ///
    /// It takes effect at once, also for calls that already wait for their turn. On a closed client it does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, ErrorCode};
    ///
    /// let client = Client::builder(80000001, "secret", "127.0.0.1:1").max_rate(100).build()?;
    /// if let Err(error) = client.get_room_info(42).call() {
    ///     if error.code() == ErrorCode::RTM_EC_FREQUENCY_LIMITED {
    ///         client.set_max_rate(Some(50)); // Others use the project too.
    ///     }
    /// }
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn set_max_rate(&self, calls: Option<u32>) {
        // After the client was closed, this has no effect.
        let _ = self.inner.io_thread.send(Command::SetMaxRate(calls));
    }

    /// Whether there is a connection now. It may be lost before the caller uses the result.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.io_thread.is_connected()
    }

    /// The endpoint as it was given.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// Counts of what has happened so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    ///
    /// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
    /// let _ = client.get_room_info(42).call();
    /// let stats = client.stats();
    /// assert_eq!((stats.calls, stats.failed_connect, stats.in_flight), (1, 1, 0));
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.shared.state.counters.read(self.inner.shared.state.permits.in_flight())
    }
}

impl Inner {
    fn close(&self) {
        self.shared.state.permits.close();
        self.io_thread.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Omits the secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("pid", &self.inner.pid)
            .field("endpoint", &self.inner.endpoint)
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
