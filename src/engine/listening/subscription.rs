//! A listener's subscription, and its state on the current connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::rtm::methods::listen::Listen;

/// Identifies one listener of a client. Ids are assigned in ascending order and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// The subscription of a new listener.
#[derive(Debug)]
pub struct NewSubscription<T> {
    pub id: ListenerId,
    pub listen: Arc<Listen>,
    /// When the first grant times out.
    pub deadline: Instant,
    /// The timeout, for the error.
    pub timeout: Duration,
    /// Whether it waits for the next connection despite failed attempts, as calls may
    /// (`ClientBuilder::wait_for_ready`).
    pub wait_for_ready: bool,
    /// Represents the caller that waits for the first grant.
    pub token: T,
}

/// A decision about a subscription.
#[derive(Debug)]
pub(in crate::engine) enum Decision<T> {
    /// The server granted it. The first time, this has the token of the waiting caller.
    Granted(ListenerId, Option<T>),
    /// The server refused a subscription that it had granted on an earlier connection. The subscription stays.
    Refused(ListenerId, Error),
    /// The first grant failed. The subscription is gone.
    Failed(T, Error),
}

/// The state of a subscription.
#[derive(Debug)]
pub(super) struct Subscription<T> {
    pub listen: Arc<Listen>,
    pub standing: Standing,
    /// Present until the first grant.
    pub waiter: Option<Waiter<T>>,
}

/// The caller that waits for the first grant; see [`NewSubscription`].
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub token: T,
    pub deadline: Instant,
    pub timeout: Duration,
    pub wait_for_ready: bool,
}

/// The state of a subscription on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not requested yet.
    Undecided,
    /// Requested.
    Asked,
    Granted,
    Refused,
}
