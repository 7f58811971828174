//! [`ClientBuilder`]: the settings of a client, and how it is built from them.

mod check;
mod parts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::listen::listen_signer;
use super::{Client, Inner};
use crate::config::{KeepAlive, ReconnectPolicy, bounded};
use crate::dispatch::{Callbacks, Executor, Hooks, OnClosed, OnConnected, Sampler};
use crate::engine::ConnectionInfo;
use crate::error::Error;
#[cfg(feature = "encryption")]
use crate::fpnn::Encryption;
use crate::net::IoThread;
use crate::rtm::{Signer, renew_after_fork};

/// Chosen by measurement: `docs/performance.md`.
const DEFAULT_BUSY_POLL: Duration = Duration::from_micros(50);
/// A caller polls this many times as long as the I/O thread, because its wait includes the way to that thread and back.
const CALLER_BUSY_POLL: u32 = 2;

/// The settings of a client, each with a default. [`Client::builder`] makes one.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{Client, KeepAlive, ReconnectPolicy};
/// use std::time::Duration;
///
/// let client = Client::builder(80000001, "secret", "rtm.example.com:13315")
///     .quest_timeout(Duration::from_secs(3))
///     .reconnect(ReconnectPolicy::default().max_delay(Duration::from_secs(20)))
///     .keep_alive(KeepAlive::default().interval(Duration::from_secs(10)))
///     .on_closed(|connection, error| eprintln!("lost {}: {error:?}", connection.peer_addr()))
///     .build()?; // Not connected yet: the first call connects.
/// assert!(!client.is_connected());
/// # Ok::<(), rtm_server_sdk::Error>(())
/// ```
#[must_use = "a builder does nothing until `build` or `connect` is called"]
pub struct ClientBuilder {
    pid: i32,
    secret: Zeroizing<String>,
    endpoint: String,
    quest_timeout: Duration,
    connect_timeout: Duration,
    auto_connect: bool,
    reconnect: ReconnectPolicy,
    wait_for_ready: bool,
    keep_alive: KeepAlive,
    correct_clock: bool,
    max_in_flight: usize,
    max_rate: Option<u32>,
    max_unsent: usize,
    max_undelivered: usize,
    busy_poll: Duration,
    max_payload: usize,
    callback_threads: usize,
    executor: Option<Executor>,
    on_connected: Option<OnConnected>,
    on_closed: Option<OnClosed>,
    metrics_label: Option<String>,
    #[cfg(feature = "encryption")]
    encryption: Option<Encryption>,
}

impl ClientBuilder {
    pub(super) fn new(pid: i32, secret: String, endpoint: String) -> ClientBuilder {
        ClientBuilder {
            pid,
            secret: secret.into(),
            endpoint,
            quest_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
            auto_connect: true,
            reconnect: ReconnectPolicy::default(),
            wait_for_ready: false,
            keep_alive: KeepAlive::default(),
            correct_clock: true,
            max_in_flight: 65_536,
            max_rate: None,
            max_unsent: 16 * 1024 * 1024,
            max_undelivered: 256 * 1024 * 1024,
            busy_poll: DEFAULT_BUSY_POLL,
            max_payload: 64 * 1024 * 1024,
            callback_threads: 1,
            executor: None,
            on_connected: None,
            on_closed: None,
            metrics_label: None,
            #[cfg(feature = "encryption")]
            encryption: None,
        }
    }

    /// Sets the timeout of every call without one of its own. It covers connecting, queueing, sending and waiting.
    /// Default 30 s, as in the vendor's SDK; more than zero.
    pub fn quest_timeout(mut self, timeout: Duration) -> Self {
        self.quest_timeout = bounded(timeout);
        self
    }

    /// Sets the timeout for making one connection: resolving the name, trying its addresses, exchanging keys. A call
    /// with a shorter timeout does not wait this long. Default 30 s; more than zero.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = bounded(timeout);
        self
    }

    /// Sets whether a call that finds no connection makes one. Default true; if false, such a call fails with
    /// [`Error::NotConnected`].
    pub fn auto_connect(mut self, auto_connect: bool) -> Self {
        self.auto_connect = auto_connect;
        self
    }

    /// Sets when to make a new connection after a loss or a failure. Default: at once, then with exponential back-off
    /// up to 2 s ([`ReconnectPolicy`]).
    pub fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// Sets whether calls wait for the next connection if there is none, through failed attempts, within their own
    /// time. Default false: a call made while the reconnect policy waits fails at once with [`Error::NotConnected`],
    /// and a call that waits for an attempt fails with the attempt.
    /// [`Call::wait_for_ready`](crate::Call::wait_for_ready) sets it for one call.
    ///
    /// Use it for batch jobs that should take longer rather than lose rows while the server restarts. A call that may
    /// have been sent is not repeated: it fails with its connection. Without
    /// [`auto_connect`](ClientBuilder::auto_connect), a call waits until the program connects.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    /// use std::time::Duration;
    ///
    /// let batch = Client::builder(80000001, "secret", "rtm.example.com:13315")
    ///     .wait_for_ready(true)
    ///     .quest_timeout(Duration::from_secs(120))
    ///     .build()?;
    /// # let _ = batch;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.wait_for_ready = wait;
        self
    }

    /// Sets when to test an idle connection. Default: `*ping` after 20 s without traffic, 3 tries.
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets whether the client corrects for a wrong clock on this machine. Default true.
    ///
    /// Each call carries the time at which it was signed, and the server refuses it with 200008
    /// ([`RTM_EC_INVALID_SERVER_TIME`](crate::ErrorCode::RTM_EC_INVALID_SERVER_TIME)) if that is too far from its own
    /// clock. The client then asks the server for its time (`*ping`), signs all calls with the server's time from then
    /// on, and logs once, at `warn`, how far the machine's clock is off. The refused call still fails, once the time is
    /// known, and its [`Error::retry`] is [`Retry::Now`](crate::Retry::Now). The client itself repeats a refused
    /// request for pushes.
    ///
    /// The call waits for the server's time for at most 2 s, and never beyond its own deadline. If the server does not
    /// tell its time, or the clock turns out to be right, nothing changes, and `retry` is
    /// [`Retry::Never`](crate::Retry::Never). Only signatures use the server's time: deadlines never depend on the time
    /// of day.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// use rtm_server_sdk::{Client, ErrorCode, Retry, gate::Gate};
    /// use std::time::Duration;
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// gate.advance(Duration::from_secs(90)); // This machine's clock is 90 s behind now.
    ///
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    /// let error = client.get_room_info(42).call().unwrap_err();
    /// assert_eq!((error.code(), error.retry()), (ErrorCode::RTM_EC_INVALID_SERVER_TIME, Retry::Now));
    /// client.get_room_info(42).call()?;
    ///
    /// let strict = Client::builder(80000001, "secret", gate.endpoint()).correct_clock(false).build()?;
    /// assert_eq!(strict.get_room_info(42).call().unwrap_err().retry(), Retry::Never);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn correct_clock(mut self, correct: bool) -> Self {
        self.correct_clock = correct;
        self
    }

    /// Limits the calls in flight. Beyond the limit, `call` and `submit` wait for room within their own time, and
    /// `callback` gets [`Error::QueueFull`]. A call is in flight until its outcome is there. The same number limits the
    /// callbacks that have not begun, counted separately, so a callback that blocks takes no room from calls without
    /// one. Default 65,536; more than zero.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls;
        self
    }

    /// Limits the calls that are sent in any second, in all three ways to call. Beyond the limit a call waits for its
    /// turn, in the order of the calls, within its own time; meanwhile it counts as in flight. A call whose time runs
    /// out before its turn fails with [`Error::Timeout`] and
    /// [`Stage::WaitingForTurn`](crate::Stage::WaitingForTurn), and is not executed. Default none; more than
    /// zero. [`Client::set_max_rate`] changes it.
    ///
    /// The RTM service counts the calls of a project over all its processes, and answers calls beyond its limit with
    /// 200010 (`RTM_EC_FREQUENCY_LIMITED`); one of the vendor's pages, of 2018, says 100 a second. Calls that the
    /// network delays arrive closer together than they were sent: stay a little below the limit.
    ///
    /// Turns are evenly spaced; after a pause, at most 20 ms' worth of calls leave together. To keep every second
    /// within the limit even then, long-term throughput is 98 % of it. The turns continue over a new connection. Calls
    /// that a listener makes to fill its gaps wait for their turn like others. Pings, answers to pushes, the key
    /// exchange and the request for pushes do not.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    /// use std::time::Duration;
    ///
    /// let batch = Client::builder(80000001, "secret", "rtm.example.com:13315")
    ///     .max_rate(80) // calls a second
    ///     .max_in_flight(100) // The last of them waits for its turn for a second and a quarter.
    ///     .quest_timeout(Duration::from_secs(10))
    ///     .build()?;
    /// # let _ = batch;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn max_rate(mut self, calls: u32) -> Self {
        self.max_rate = Some(calls);
        self
    }

    /// Limits the bytes of calls that wait to be sent, because the server reads slowly or there is no connection yet.
    /// Beyond the limit, `call` and `submit` wait for room within their own time, and `callback` gets
    /// [`Error::QueueFull`]. A call is accepted as long as there is any room, so its frame may exceed the limit.
    /// Default 16 MiB; more than zero.
    pub fn max_unsent(mut self, bytes: usize) -> Self {
        self.max_unsent = bytes;
        self
    }

    /// Limits the bytes of answers that nobody has taken yet: in `Pending`s that are not waited for, and in callbacks
    /// that have not begun. Above the limit the connection is not read until some are taken or dropped. Calls that wait
    /// for answers meanwhile may time out; keep-alive does not count the pause as the server's silence. The answer that
    /// is being received may exceed the limit. Answers of up to 512 bytes do not count. Default 256 MiB; more than
    /// zero.
    ///
    /// If answers that wait for callbacks fill it, a blocking call inside a callback cannot get its answer: the answer
    /// is not read until later callbacks run, and they wait for this one. The call fails with `Timeout`. If callbacks
    /// make blocking calls, set the limit well above all answers that can be in flight at once, or use calls with
    /// callbacks instead.
    pub fn max_undelivered(mut self, bytes: usize) -> Self {
        self.max_undelivered = bytes;
        self
    }

    /// Sets how long the I/O thread polls for answers and calls before it sleeps. A thread blocked in a call polls for
    /// its answer for up to twice as long. Zero turns both off. Default 50 µs.
    ///
    /// Waking a sleeping thread takes the system tens of microseconds, longer than a nearby server takes to answer. A
    /// thread polls only if that has paid off recently, and yields to other threads between polls. Nothing polls while
    /// the client is idle or the server is slow. The I/O thread does not poll either while more than 16 calls are in
    /// flight: those leave together after a wake. `docs/performance.md` has the gains and costs.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    /// use std::time::Duration;
    ///
    /// // Saves processor time rather than latency.
    /// let client = Client::builder(80000001, "secret", "127.0.0.1:1").busy_poll(Duration::ZERO).build()?;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn busy_poll(mut self, limit: Duration) -> Self {
        self.busy_poll = bounded(limit);
        self
    }

    /// Limits the payload, in bytes, of one packet from the server. A header that announces more closes the connection.
    /// Default 64 MiB; more than zero.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Sets how many threads run callbacks and hooks. More than zero; the default of 1 runs callbacks in the order of
    /// their answers.
    pub fn callback_threads(mut self, threads: usize) -> Self {
        self.callback_threads = threads;
        self
    }

    /// Runs callbacks and hooks on the caller's executor, such as a thread pool or an event loop, instead of callback
    /// threads.
    ///
    /// The executor receives one job at a time, on one of the client's threads, and should return at once. A job runs
    /// exactly once: if the executor drops it before it ran, it runs in the drop.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    ///
    /// // An event loop that takes jobs from a channel and runs them on its own thread.
    /// let (jobs, event_loop) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
    /// let client = Client::builder(80000001, "secret", "127.0.0.1:1")
    ///     .callback_executor(move |job| { let _ = jobs.send(job); })
    ///     .build()?;
    ///
    /// client.get_room_info(42).callback(|info| assert!(info.is_err(), "nobody listens there"));
    /// let job = event_loop.recv().expect("the client hands in a job");
    /// job(); // The callback runs here.
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    pub fn callback_executor(mut self, executor: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) -> Self {
        self.executor = Some(Box::new(executor));
        self
    }

    /// Sets a hook that is called after each connection is made. Hooks run one at a time, in the order of events, on
    /// the callback threads or the executor. They may block, and make calls.
    pub fn on_connected(mut self, hook: impl Fn(&ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.on_connected = Some(Box::new(hook));
        self
    }

    /// Sets a hook that is called after each connection ends. It gets the reason, or no error if the client was closed.
    pub fn on_closed(mut self, hook: impl Fn(&ConnectionInfo, Option<&Error>) + Send + Sync + 'static) -> Self {
        self.on_closed = Some(Box::new(hook));
        self
    }

    /// Encrypts every connection. Default: none.
    #[cfg(feature = "encryption")]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = Some(encryption);
        self
    }

    /// Sets the label `client` of this client's metrics. Default: no such label, so clients of the same project and
    /// endpoint add up. Use few values, such as the purpose of a client: each value creates its own series.
    ///
    /// Install the recorder first: a client that is built without one never records anything. `docs/metrics.md` lists
    /// the metrics.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Client;
    ///
    /// let chat = Client::builder(80000001, "secret", "rtm.example.com:13315").metrics_label("chat").build()?;
    /// let batch = Client::builder(80000001, "secret", "rtm.example.com:13315").metrics_label("batch").build()?;
    /// # Ok::<(), rtm_server_sdk::Error>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics_label(mut self, client: impl Into<String>) -> Self {
        self.metrics_label = Some(client.into());
        self
    }

    /// Builds the client. Nothing is sent yet: the first call connects, or [`Client::connect`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an invalid setting, [`Error::System`] if the operating system refuses a thread.
    pub fn build(mut self) -> Result<Client, Error> {
        self.check()?;
        renew_after_fork();
        let executor = self.executor.take();
        let has_executor = executor.is_some();
        let (callbacks, callback_threads) = Callbacks::start(self.callback_threads, executor).map_err(Error::System)?;
        let hooks = Arc::new(Hooks::new(self.on_connected.take(), self.on_closed.take()));
        let sampler = Sampler::new(&self.labels());
        let shared = Arc::new(self.shared(callbacks));
        let signer = Arc::new(Signer::new(self.pid, &self.secret));
        let sign_listen = listen_signer(Arc::clone(&signer), Arc::clone(&shared));
        let settings = self.engine_settings();
        let endpoint = Arc::clone(&settings.endpoint);
        let io_thread = IoThread::start(settings, Arc::clone(&shared), hooks, sign_listen, self.busy_poll, sampler)
            .map_err(Error::System)?;
        Ok(Client::assemble(Inner {
            io_thread,
            signer,
            has_executor,
            pid: self.pid,
            endpoint,
            quest_timeout: self.quest_timeout,
            wait_for_ready: self.wait_for_ready,
            connect_timeout: self.connect_timeout,
            busy_poll: self.busy_poll * CALLER_BUSY_POLL,
            shared,
            _callback_threads: callback_threads,
        }))
    }

    /// Builds the client and connects it.
    ///
    /// # Errors
    ///
    /// Those of [`build`](ClientBuilder::build) and of [`Client::connect`].
    pub fn connect(self) -> Result<Client, Error> {
        let client = self.build()?;
        client.connect()?;
        Ok(client)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("pid", &self.pid)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtm::{next_salt, pretend_to_be_forked};

    #[test]
    fn client_of_a_forked_child_signs_with_other_salts_than_its_parent() {
        let salt_of_the_parent = next_salt();
        pretend_to_be_forked();
        Client::new(1, "secret", "localhost:1").unwrap();
        assert!(next_salt().abs_diff(salt_of_the_parent) > 1 << 32, "the starts are two random numbers");
    }
}
