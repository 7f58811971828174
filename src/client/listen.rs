//! [`Listening`]: a subscription before it starts.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listener::{ListenGuard, Listener, Subscription};
use super::{BACKSTOP, Client, Inner, catch_up};
use crate::config::bounded;
use crate::dispatch::{CallReply, Completion, Handler, Push, Route, Shared, Sink};
use crate::engine::NewSubscription;
use crate::error::{ArgumentError, Error, Stage};
use crate::net::{Command, SignListen};
use crate::rtm::methods::listen::{Listen, set_listen};
use crate::rtm::{Signer, next_salt};

/// The default limit of a listener's queue.
const USUAL_QUEUE: usize = 4096;
/// How long `start` waits to learn the newest messages of a listener's rooms. A room that is still unknown at the next
/// reconnect gets a gap.
const NEWEST_WAIT: Duration = Duration::from_millis(500);

/// # Listening
impl Client {
    /// Subscribes to messages and events that the server pushes (`setlisten`).
    ///
    /// Returns a lazy [`Listening`], which [`start`](Listening::start) or [`callback`](Listening::callback) starts.
    /// Many listeners share one client: the client subscribes to the union of what they want, and each gets what it
    /// asked for. Subscriptions outlive connections. See `docs/listening.md`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// use rtm_server_sdk::{Client, Listen, Push, gate::Gate};
    ///
    /// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", gate.endpoint())?;
    ///
    /// let listener = client.listen(Listen::new().room(42).event("login")).start()?;
    /// gate.push_event("login", 1001);
    /// match listener.recv()? {
    ///     Push::Event(event) => assert_eq!((&*event.name, event.uid), ("login", 1001)),
    ///     push => panic!("{push:?}"),
    /// }
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn listen(&self, listen: Listen) -> Listening<'_> {
        Listening { client: self, listen, timeout: self.inner.quest_timeout, queue: USUAL_QUEUE, fill_gaps: false }
    }
}

/// A subscription that has not started: [`start`](Listening::start) it, or give it a [`callback`](Listening::callback).
#[derive(Clone)]
#[must_use = "a subscription does nothing until `start` or `callback`"]
pub struct Listening<'a> {
    client: &'a Client,
    listen: Listen,
    timeout: Duration,
    queue: usize,
    fill_gaps: bool,
}

impl Listening<'_> {
    /// Sets how long the server may take to agree. Zero, and the default, is `ClientBuilder::quest_timeout`. A
    /// subscription that has started has no time limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = if timeout.is_zero() { self.client.inner.quest_timeout } else { timeout };
        self
    }

    /// Sets how many pushes may wait to be taken. Pushes that do not fit are dropped, and a [`Gap`](crate::Gap) says
    /// how many. Default 4,096; more than zero. The payloads in the queue take at most 32 MiB, whatever their number.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{GapReason, Listen, Push};
    ///
    /// let listener = client.listen(Listen::new().event("login")).queue(1).start()?;
    /// let other = client.listen(Listen::new().event("login")).start()?;
    /// for uid in [1001, 1002, 1003] {
    ///     gate.push_event("login", uid);
    ///     other.recv()?; // The push has arrived.
    /// }
    /// assert!(matches!(listener.recv()?, Push::Event(event) if event.uid == 1001));
    /// let Push::Gap(gap) = listener.recv()? else { panic!("two pushes did not fit") };
    /// assert_eq!((gap.reason(), gap.missed()), (GapReason::Overflow, Some(2)));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn queue(mut self, pushes: usize) -> Self {
        self.queue = pushes;
        self
    }

    /// Sets whether the client reads the history, after a reconnect, for messages that were missed in rooms named by
    /// id. Default false.
    ///
    /// The missed messages are read (`getroommsg`) and delivered, in order, before newer ones. A [`Gap`](crate::Gap)
    /// comes only if that fails, or if the history does not reach back far enough. Messages that the server does not
    /// store are missing without a gap. Groups, users, events and rooms that are not named by id are not read; a
    /// listener that wants any of these still gets a gap. See `docs/listening.md`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{Listen, Push};
    ///
    /// client.add_room_member(42, 1001).call()?;
    /// let listener = client.listen(Listen::new().room(42)).fill_gaps(true).start()?;
    /// client.send_room_chat(42, 1001, "before").call()?;
    /// assert!(matches!(listener.recv()?, Push::Message(_)));
    ///
    /// gate.disconnect_all();
    /// let other_client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// other_client.send_room_chat(42, 1001, "after").call()?;
    /// let Push::Message(message) = listener.recv()? else { panic!("the history reaches back") };
    /// assert_eq!(message.body.as_str(), Some("after"));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn fill_gaps(mut self, fill_gaps: bool) -> Self {
        self.fill_gaps = fill_gaps;
        self
    }

    /// Subscribes, and blocks until the server has agreed. Everything that it pushes from then on is in the listener's
    /// queue.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the `Listen` names nothing or too much, or the queue has a limit of zero;
    /// [`Error::Answer`] if the server refuses; [`Error::System`] if a listener that fills gaps gets no thread;
    /// otherwise the errors of any call.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{Error, Listen};
    ///
    /// let listener = client.listen(Listen::new().room(42).group(7).all_events()).start()?;
    /// assert!(matches!(client.listen(Listen::new()).start(), Err(Error::InvalidArgument(_))));
    /// # drop(listener);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Result<Listener, Error> {
        self.check()?;
        let sink = Sink::new(self.client.inner.shared.listeners.new_queue(self.queue));
        self.subscribe(&sink).map(Listener::new)
    }

    /// Subscribes, blocks until the server has agreed, and from then on calls `handler` with every push: one at a time,
    /// in order, until the guard is dropped.
    ///
    /// The handler runs on a thread of its own, `rtm-listener`, or on the executor
    /// (`ClientBuilder::callback_executor`). It may block, panic, and make calls, including blocking ones, without
    /// delaying anything else. Pushes that arrive meanwhile wait in the queue.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Listening::start), and [`Error::System`] if the operating system refuses a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::{Listen, Push};
    ///
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let guard = client.listen(Listen::new().all_events()).callback(move |push| { let _ = sender.send(push); })?;
    /// gate.push_event("logout", 1001);
    /// assert!(matches!(receiver.recv(), Ok(Push::Event(event)) if event.name == "logout"));
    /// drop(guard); // The handler is dropped too, and with it the sender.
    /// assert!(receiver.recv().is_err());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn callback(self, handler: impl FnMut(Push) + Send + 'static) -> Result<ListenGuard, Error> {
        self.check()?;
        let inner = &*self.client.inner;
        let queue = inner.shared.listeners.new_queue(self.queue);
        let handler: Handler = Box::new(handler);
        if inner.has_executor {
            let sink = Sink::in_executor(queue, handler, inner.shared.callbacks.clone());
            return self.subscribe(&sink).map(ListenGuard::new);
        }
        let sink = Sink::new(queue);
        // First, because a thread that fails to start must not leave a subscription behind.
        sink.run_on_thread(handler).map_err(Error::System)?;
        self.subscribe(&sink).map(ListenGuard::new)
    }

    fn check(&self) -> Result<(), ArgumentError> {
        self.listen.check()?;
        if self.queue == 0 {
            return Err(ArgumentError::new("the queue of a listener must be more than zero"));
        }
        Ok(())
    }

    /// Subscribes, and waits for the grant. Leaves nothing behind on failure.
    fn subscribe(self, sink: &Arc<Sink>) -> Result<Subscription, Error> {
        let inner = &self.client.inner;
        let listeners = &inner.shared.listeners;
        let catches_up = self.fill_gaps && self.listen.names_rooms();
        let listen = Arc::new(self.listen);
        let added = listeners.add(Arc::clone(&listen), catches_up, Arc::clone(sink));
        let id = added.inspect_err(|_| sink.abandon())?;
        let subscription = Subscription::new(id, sink, inner);
        if catches_up {
            catch_up::ensure_threads(inner).map_err(Error::System)?;
        }
        let deadline = Instant::now() + bounded(self.timeout);
        let reply = CallReply::of_this_thread();
        let token = Completion::uncounted(Arc::clone(&inner.shared), Route::Reply(reply.sender()));
        let wait_for_ready = inner.wait_for_ready;
        let request = NewSubscription { id, listen, deadline, timeout: self.timeout, wait_for_ready, token };
        send(inner, request);
        let timed_out = |_| Err(Error::timed_out(Stage::WaitingForAnswer, self.timeout));
        reply.wait(deadline + BACKSTOP, Duration::ZERO).unwrap_or_else(timed_out)?;
        if catches_up {
            listeners.wait_for_newest(id, deadline.min(Instant::now() + NEWEST_WAIT));
        }
        Ok(subscription)
    }
}

/// Creates the function with which the I/O thread signs each `setlisten`, when it is sent.
pub(super) fn listen_signer(signer: Arc<Signer>, shared: Arc<Shared>) -> SignListen {
    Box::new(move |listen| set_listen(listen).sign(&signer, next_salt(), shared.clock.unix_time()))
}

fn send(inner: &Inner, request: NewSubscription<Completion>) {
    if let Err(Command::Listen(request)) = inner.io_thread.send(Command::Listen(request)) {
        request.token.complete(Err(Error::closed(false)));
    }
}

impl fmt::Debug for Listening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("listen", &self.listen)
            .field("timeout", &self.timeout)
            .field("queue", &self.queue)
            .field("fill_gaps", &self.fill_gaps)
            .finish_non_exhaustive()
    }
}
