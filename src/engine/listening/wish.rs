//! A listener's wish, and its state on the current connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::rtm::methods::listen::Listen;

/// Names one listener of a client. Numbers count up and are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// A new listener's wish.
#[derive(Debug)]
pub struct NewWish<T> {
    pub id: ListenerId,
    pub listen: Arc<Listen>,
    /// When the time of the first grant runs out.
    pub deadline: Instant,
    /// The time that it had, for its error.
    pub timeout: Duration,
    /// Whether it waits for the next connection, through failed attempts, as calls may (`ClientBuilder::wait_for_ready`).
    pub wait_for_ready: bool,
    /// Who waits for the first grant.
    pub token: T,
}

/// What became of a wish.
#[derive(Debug)]
pub(in crate::engine) enum Decision<T> {
    /// The server granted it. The first time, with the token of the caller that waits for it.
    Granted(ListenerId, Option<T>),
    /// The server refused a wish that it had granted on an earlier connection. The wish stays.
    Refused(ListenerId, Error),
    /// The first grant did not come. The wish is gone.
    Failed(T, Error),
}

/// What is known of a listener's wish.
#[derive(Debug)]
pub(super) struct Wish<T> {
    pub listen: Arc<Listen>,
    pub standing: Standing,
    /// Until the first grant.
    pub waiter: Option<Waiter<T>>,
}

/// Who waits for the first grant; see [`NewWish`].
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub token: T,
    pub deadline: Instant,
    pub timeout: Duration,
    pub wait_for_ready: bool,
}

/// What the server said to a wish on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet: it was not asked.
    Undecided,
    /// It is being asked.
    Asked,
    Granted,
    Refused,
}
