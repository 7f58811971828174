//! [`Listener`] and [`ListenGuard`]: the two kinds of subscription.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Inner;
use crate::config::bounded;
use crate::dispatch::{Push, Queue, Ready, Sink, Taken};
use crate::engine::ListenerId;
use crate::error::Error;
use crate::net::Command;

/// The subscription of a listener or a handler. Dropping it ends the subscription.
pub(super) struct Subscription {
    id: ListenerId,
    sink: Arc<Sink>,
    /// A listener does not keep its client alive.
    client: Weak<Inner>,
}

impl Subscription {
    pub(super) fn new(id: ListenerId, sink: &Arc<Sink>, client: &Arc<Inner>) -> Subscription {
        Subscription { id, sink: Arc::clone(sink), client: Arc::downgrade(client) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.sink.abandon();
        if let Some(client) = self.client.upgrade() {
            client.shared.listeners.remove(self.id);
            let _ = client.io_thread.send(Command::Unlisten(self.id));
        }
    }
}

/// Receives pushes in the order in which they arrived. [`Listening::start`](crate::Listening::start) makes one.
///
/// Dropping it ends the subscription. It does not keep the client alive: once the client is closed, or its last clone
/// is dropped, the listener returns what is queued, and then [`Error::Closed`].
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), rtm_server_sdk::Error> {
/// # #[cfg(feature = "gate")] {
/// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
/// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
/// use rtm_server_sdk::{Error, Listen, Push};
/// use std::time::Duration;
///
/// let listener = client.listen(Listen::new().all_events()).start()?;
/// gate.push_event("login", 1001);
/// let push = listener.recv_timeout(Duration::from_secs(10))?;
/// assert!(matches!(push, Some(Push::Event(event)) if event.uid == 1001));
///
/// client.close();
/// assert!(matches!(listener.recv(), Err(Error::Closed(_))));
/// # }
/// # Ok(()) }
/// ```
#[must_use = "dropping a listener ends the subscription"]
pub struct Listener {
    subscription: Subscription,
}

impl Listener {
    pub(super) fn new(subscription: Subscription) -> Listener {
        Listener { subscription }
    }

    fn queue(&self) -> &Queue {
        &self.subscription.sink.queue
    }

    /// Blocks until there is a push, and takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client was closed and everything that arrived before has been taken.
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
    /// let listener = client.listen(Listen::new().event("login")).start()?;
    /// gate.push_event("login", 1001);
    /// assert!(matches!(listener.recv()?, Push::Event(event) if event.uid == 1001));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn recv(&self) -> Result<Push, Error> {
        self.queue().take_as(None, |next| match next {
            Taken::Push(push) => Ok(push.make()),
            Taken::Nothing | Taken::Closed => Err(Error::closed(false)),
        })
    }

    /// Blocks until there is a push, for at most `timeout`. Returns `None` if none arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client was closed and everything that arrived before has been taken.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::Listen;
    /// use std::time::Duration;
    ///
    /// let listener = client.listen(Listen::new().event("login")).start()?;
    /// assert!(listener.recv_timeout(Duration::from_millis(10))?.is_none());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Push>, Error> {
        self.queue().take_as(Some(Instant::now() + bounded(timeout)), pushed)
    }

    /// Takes the next push if there is one. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client was closed and everything that arrived before has been taken.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use rtm_server_sdk::Listen;
    ///
    /// let listener = client.listen(Listen::new().event("login")).start()?;
    /// assert!(listener.try_recv()?.is_none());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn try_recv(&self) -> Result<Option<Push>, Error> {
        self.queue().try_take_as(pushed)
    }

    /// Iterates over the pushes. `next` blocks until there is one; the iterator ends when the client is closed.
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
    /// let listener = client.listen(Listen::new().event("login")).start()?;
    /// for uid in [1001, 1002, 1003] {
    ///     gate.push_event("login", uid);
    /// }
    /// let events = listener.iter().filter_map(|push| match push {
    ///     Push::Event(event) => Some(event.uid),
    ///     _ => None,
    /// });
    /// assert_eq!(events.take(3).collect::<Vec<_>>(), [1001, 1002, 1003]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> Pushes<'_> {
        Pushes { listener: self }
    }
}

fn pushed(next: Taken<Ready<'_>>) -> Result<Option<Push>, Error> {
    match next {
        Taken::Push(push) => Ok(Some(push.make())),
        Taken::Nothing => Ok(None),
        Taken::Closed => Err(Error::closed(false)),
    }
}

/// The pushes of a [`Listener`], one after the other.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Pushes<'a> {
    listener: &'a Listener,
}

impl Iterator for Pushes<'_> {
    type Item = Push;

    fn next(&mut self) -> Option<Push> {
        self.listener.queue().take_as(None, |next| match next {
            Taken::Push(push) => Some(push.make()),
            Taken::Nothing | Taken::Closed => None,
        })
    }
}

impl<'a> IntoIterator for &'a Listener {
    type Item = Push;
    type IntoIter = Pushes<'a>;

    fn into_iter(self) -> Pushes<'a> {
        self.iter()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Keeps a handler subscribed. [`Listening::callback`](crate::Listening::callback) makes one.
///
/// Dropping it ends the subscription: the handler is not called again. The drop does not wait for a running handler, so
/// the guard may be dropped inside the handler.
#[must_use = "dropping the guard ends the subscription"]
pub struct ListenGuard {
    _subscription: Subscription,
}

impl ListenGuard {
    pub(super) fn new(subscription: Subscription) -> ListenGuard {
        ListenGuard { _subscription: subscription }
    }
}

impl fmt::Debug for ListenGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenGuard").finish_non_exhaustive()
    }
}
