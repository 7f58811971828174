//! [`Call`] and [`Pending`]: one call, and the three ways to make it.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::admission::{CallOptions, admit, make};
use super::{BACKSTOP, Client, Inner};
use crate::config::bounded;
use crate::dispatch::{CallReply, Callback, ClientState, GaveUp, PendingReply, Route};
use crate::engine::Outcome;
use crate::error::{ArgumentError, Error, Stage};
use crate::rtm::{AnswerReader, Request};

/// A call that has not been made yet: [`call`](Call::call) it, give it a [`callback`](Call::callback), or
/// [`submit`](Call::submit) it.
///
/// It is the vendor's pair of optional arguments, `callback=None` and `timeout=0`, as a builder. Nothing is sent, and
/// no error is reported, before one of the three.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), rtm_server_sdk::Error> {
/// # #[cfg(feature = "gate")] {
/// use rtm_server_sdk::{Client, gate::Gate};
/// use std::time::Duration;
///
/// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
/// let client = Client::new(80000001, "secret", gate.endpoint())?;
///
/// // Block for the answer, for 300 ms at most.
/// client.add_room_member(42, 1001).timeout(Duration::from_millis(300)).call()?;
///
/// // Hand in a callback.
/// let (sender, receiver) = std::sync::mpsc::channel();
/// client.get_room_members(42).callback(move |members| { let _ = sender.send(members); });
/// assert_eq!(receiver.recv().expect("the callback runs exactly once")?, [1001]);
///
/// // Submit now, wait later.
/// let pending = client.get_room_members(42).submit();
/// assert_eq!(pending.wait()?, [1001]);
/// # }
/// # Ok(()) }
/// ```
#[must_use = "a call is made only by `call`, `callback` or `submit`"]
pub struct Call<'a, T> {
    client: &'a Client,
    request: Request<T>,
    options: CallOptions,
}

impl<'a, T> Call<'a, T> {
    pub(super) fn new(client: &'a Client, request: Request<T>) -> Self {
        let options = CallOptions::new(&client.inner, &request);
        Call { client, request, options }
    }

    /// Sets the timeout of this call, for connecting, queueing, sending and waiting together. Zero means the client's
    /// default (`ClientBuilder::quest_timeout`), as in the vendor's API.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Error};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A server that never answers.
    /// let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = Client::new(80000001, "secret", silent.local_addr()?.to_string())?;
    /// let outcome = client.get_room_info(42).timeout(Duration::from_millis(100)).call();
    /// assert!(matches!(outcome, Err(Error::Timeout(_))));
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = if timeout.is_zero() { self.client.inner.quest_timeout } else { timeout };
        self
    }

    /// Sets whether this call waits for the next connection if there is none, through failed attempts, within its own
    /// time. Otherwise the call fails at once while the reconnect policy waits, and fails with the attempt that it
    /// waits for. Default: [`ClientBuilder::wait_for_ready`](crate::ClientBuilder::wait_for_ready). gRPC has the same
    /// setting under the same name.
    ///
    /// A call that may have been sent is not repeated: it fails with its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::{Client, Error, Stage};
    /// use std::time::Duration;
    ///
    /// // Nobody listens there: the call waits until its timeout.
    /// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
    /// let outcome = client.get_room_info(42).wait_for_ready(true).timeout(Duration::from_millis(200)).call();
    /// assert!(matches!(outcome, Err(Error::Timeout(timeout)) if timeout.stage() == Stage::Connecting));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_for_ready(mut self, wait: bool) -> Self {
        self.options.wait_for_ready = wait;
        self
    }

    /// Makes the call and blocks until its outcome is there.
    ///
    /// # Errors
    ///
    /// Every variant of [`Error`] except `QueueFull`: with too many calls in flight, `call` waits for room.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?;
    /// assert_eq!(client.get_room_members(42).call()?, [1001]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn call(self) -> Result<T, Error> {
        let Call { client, request: Request { quest, answer }, options } = self;
        let inner = &*client.inner;
        let deadline = deadline_after(options.timeout);
        let reply = CallReply::of_this_thread();
        make(inner, quest, options, deadline, Route::Reply(reply.sender()));
        let outcome = reply.wait(deadline + BACKSTOP, inner.busy_poll);
        finish(outcome, &answer, options.timeout, &inner.shared.state)
    }

    /// Submits the call. Returns once it is queued, so one thread can keep many calls in flight. With too many in
    /// flight it waits for room, within the call's time.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// // Three calls at once, from one thread.
    /// let calls: Vec<_> = (1..=3).map(|uid| client.add_room_member(42, uid).submit()).collect();
    /// for call in calls {
    ///     call.wait()?;
    /// }
    /// assert_eq!(client.get_room_members(42).call()?, [1, 2, 3]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn submit(self) -> Pending<T> {
        let Call { client, request: Request { quest, answer }, options } = self;
        let inner = &*client.inner;
        let deadline = deadline_after(options.timeout);
        let (sender, reply) = PendingReply::new();
        make(inner, quest, options, deadline, Route::Reply(sender));
        let state = Arc::clone(&inner.shared.state);
        Pending { reply: Some(reply), deadline, timeout: options.timeout, answer, state }
    }
}

impl<T: 'static> Call<'_, T> {
    /// Makes the call and returns at once. The callback gets the outcome exactly once, on a callback thread or on the
    /// executor (`ClientBuilder::callback_executor`), never inside this function. It may block, panic, and make calls.
    ///
    /// The outcome is [`Error::QueueFull`] with too many calls in flight, with as many callbacks that have not begun
    /// (`ClientBuilder::max_in_flight`), or with too many bytes that wait to be sent (`ClientBuilder::max_unsent`).
    /// Such refusals wait for a callback thread like any outcome, so a program that keeps calling behind a blocked
    /// callback fills its own memory. When the last clone of the client is dropped, calls that are still in flight end
    /// with [`Error::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// client.is_ban_of_room(42, 1001).callback(move |outcome| { let _ = sender.send(outcome); });
    /// assert!(!receiver.recv().expect("the callback runs exactly once")?);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn callback(self, callback: impl FnOnce(Result<T, Error>) + Send + 'static) {
        let Call { client, request: Request { quest, answer }, options } = self;
        let inner = &*client.inner;
        let route = Callback::new(move |outcome, state| callback(decode(outcome, &answer, state)));
        make(inner, quest, options, deadline_after(options.timeout), Route::Callback(route));
    }
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Call");
        debug
            .field("method", &self.request.answer.method())
            .field("timeout", &self.options.timeout)
            .finish_non_exhaustive()
    }
}

/// A call that was submitted. Dropping it abandons the answer, not the call.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{Client, Error};
///
/// let client = Client::new(80000001, "secret", "127.0.0.1:1")?;
/// let calls: Vec<_> = (1..=3).map(|rid| client.get_room_info(rid).submit()).collect();
/// for call in calls {
///     assert!(matches!(call.wait(), Err(Error::Connect(_) | Error::NotConnected(_))), "nobody listens there");
/// }
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the outcome comes out of `wait` or `try_wait`"]
pub struct Pending<T> {
    /// `None` once the outcome has been taken.
    reply: Option<PendingReply>,
    deadline: Instant,
    timeout: Duration,
    answer: AnswerReader<T>,
    // Only part of the shared state: a `Pending` may outlive its client, and must not keep the callback threads alive.
    state: Arc<ClientState>,
}

impl<T> Pending<T> {
    /// Blocks until the outcome is there, at the latest until the call's timeout, which started with `submit`.
    ///
    /// # Errors
    ///
    /// Those of [`Call::call`]. [`Error::InvalidArgument`] if [`try_wait`](Pending::try_wait) has taken the outcome.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// let info = client.get_room_info(42).submit();
    /// let members = client.get_room_members(42).submit();
    /// assert!(members.wait()?.is_empty());
    /// assert_eq!(info.wait()?.oinfo.as_deref(), Some("")); // The gate sends an empty text for an info that was never set.
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn wait(mut self) -> Result<T, Error> {
        let Some(reply) = self.reply.take() else {
            return Err(ArgumentError::new("`try_wait` has already taken the outcome of this call").into());
        };
        self.finish(reply.wait(self.deadline + BACKSTOP))
    }

    /// Returns the outcome if it is there, `None` if it is not there yet or has been taken. Never blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// let mut pending = client.get_room_members(42).submit();
    /// let members = loop {
    ///     match pending.try_wait() {
    ///         Some(outcome) => break outcome?,
    ///         None => std::thread::yield_now(), // Something else to do.
    ///     }
    /// };
    /// assert!(members.is_empty());
    /// assert!(pending.try_wait().is_none(), "the outcome was taken");
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn try_wait(&mut self) -> Option<Result<T, Error>> {
        let deadline = self.deadline + BACKSTOP;
        let outcome = match self.reply.as_ref()?.try_take() {
            Some(outcome) => Ok(outcome),
            None if Instant::now() < deadline => return None,
            None => self.reply.take()?.wait(deadline),
        };
        self.reply = None;
        Some(self.finish(outcome))
    }

    fn finish(&self, outcome: Result<Outcome, GaveUp>) -> Result<T, Error> {
        finish(outcome, &self.answer, self.timeout, &self.state)
    }
}

/// Counts an answer that has already arrived as abandoned.
impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(Ok(abandoned)) = self.reply.take().and_then(|reply| reply.try_take()) {
            self.state.counters.record_abandoned(&abandoned);
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Pending");
        debug.field("method", &self.answer.method()).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Submits a call for a thread that does not keep the client alive. If the client is dropped while the call waits for
/// permits, the call fails.
///
/// # Errors
///
/// The client is gone.
pub(super) fn submit_for<T>(client: &Weak<Inner>, request: Request<T>) -> Result<Pending<T>, Error> {
    let upgrade = || client.upgrade().ok_or_else(|| Error::closed(false));
    let (options, shared) = {
        let inner = upgrade()?;
        (CallOptions::new(&inner, &request), Arc::clone(&inner.shared))
    };
    let Request { quest, answer } = request;
    let deadline = deadline_after(options.timeout);
    let (sender, reply) = PendingReply::new();
    if let Some(admitted) = admit(&shared, quest, options, deadline, Route::Reply(sender)) {
        match upgrade() {
            Ok(inner) => admitted.send(&inner),
            Err(error) => admitted.completion.complete(Err(error)),
        }
    }
    Ok(Pending { reply: Some(reply), deadline, timeout: options.timeout, answer, state: Arc::clone(&shared.state) })
}

/// Returns the result of a call after the wait for its outcome.
fn finish<T>(
    outcome: Result<Outcome, GaveUp>,
    answer: &AnswerReader<T>,
    timeout: Duration,
    state: &ClientState,
) -> Result<T, Error> {
    match outcome {
        Ok(outcome) => decode(outcome, answer, state),
        Err(gave_up) => Err(timed_out(timeout, gave_up, state)),
    }
}

/// Decodes the result or the error from what the I/O thread delivered.
fn decode<T>(outcome: Outcome, reader: &AnswerReader<T>, state: &ClientState) -> Result<T, Error> {
    let answer = outcome?;
    let result = reader.read(answer.status, answer.flag, &answer.payload);
    if matches!(result, Err(Error::Decode(_))) {
        state.counters.undecodable.increment();
    }
    result
}

fn deadline_after(timeout: Duration) -> Instant {
    Instant::now() + bounded(timeout)
}

/// The error of a call that the I/O thread did not end in time, so the caller gave up.
fn timed_out(timeout: Duration, gave_up: GaveUp, state: &ClientState) -> Error {
    let stage = match gave_up {
        GaveUp::Unsent => *state.unsent_stage.lock(),
        GaveUp::Sent => Stage::WaitingForAnswer,
    };
    Error::timed_out(stage, timeout)
}
