//! Counts what happens on a client.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use super::action::RawAnswer;

macro_rules! counters {
    (calls: $calls:literal, $($name:ident $($kind:ident)?: $meaning:literal,)+) => {
        /// The counters. Any thread updates them without a lock.
        #[derive(Debug, Default)]
        pub struct Counters {
            /// On its own cache line: callers update it, while the I/O thread updates nearly all others.
            pub calls: CachePadded<Counter>,
            $(pub $name: kind!($($kind)?),)+
        }

        /// Counts of what has happened on a client so far (`Client::stats`). All clones share one set of counters.
        ///
        /// The counters are read one after the other while others count on, so that sums may be off by what is under
        /// way. Once nothing is, `calls` is the sum of `answered`, `refused` and all that begin with `failed_`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            #[doc = $calls]
            pub calls: u64,
            $(#[doc = $meaning] pub $name: u64,)+
            /// Calls in flight now: made, and without an outcome yet (`ClientBuilder::max_in_flight`).
            pub in_flight: u64,
        }

        impl Counters {
            pub fn read(&self, in_flight: usize) -> Stats {
                Stats {
                    calls: self.calls.get(),
                    $($name: self.$name.get(),)+
                    in_flight: in_flight as u64,
                }
            }
        }
    };
}

macro_rules! kind {
    () => {
        Counter
    };
    (striped) => {
        StripedCounter
    };
}

counters! {
    calls: "Calls made: every `call`, `callback` and `submit`.",
    sent: "Calls whose bytes went to the connection's out-buffer.",
    answered: "Calls that the server answered with a result.",
    refused: "Calls that the server answered with an error.",
    failed_timeout: "Calls whose time ran out.",
    failed_closed: "Calls whose connection ended with them in flight.",
    failed_connect: "Calls that failed because no connection could be made, or there was none.",
    failed_queue_full: "Calls that found no room (`Error::QueueFull`).",
    failed_argument: "Calls with an argument that can never work.",
    failed_cancelled: "Calls that ended because the client was closed.",
    undecodable: "Answers that could not be decoded. Abandoned answers are only checked for being well-formed. Their \
                  calls count as `answered` or `refused` too.",
    late_answers: "Answers that arrived after their call had ended. They are dropped.",
    quests_from_server: "Quests that the server sent, including one-way quests.",
    pushes_received: "Pushes that arrived while there was a listener.",
    pushes_duplicate: "Messages that were pushed again and dropped.",
    pushes_delivered striped: "Messages and events that listeners took, including those from the history.",
    pushes_overflowed: "Messages and events that did not fit a listener's queue.",
    gaps: "Gaps that listeners took.",
    bytes_in: "Bytes received.",
    bytes_out: "Bytes sent.",
    connections: "Connections made.",
    connect_failures: "Attempts to connect that failed.",
}

impl Counters {
    /// Counts an answer that nobody reads if it cannot be decoded.
    pub fn record_abandoned(&self, answer: &RawAnswer) {
        if !answer.is_readable() {
            self.undecodable.increment();
        }
    }
}

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// A counter that many threads update at once, each on one of several stripes. Each stripe has its own cache line, so
/// the threads do not compete.
#[derive(Debug, Default)]
pub struct StripedCounter([CachePadded<Counter>; STRIPES]);

const STRIPES: usize = 8;

impl StripedCounter {
    /// Increments a stripe. `stripe` may be any number.
    pub fn increment(&self, stripe: usize) {
        self.0[stripe % STRIPES].increment();
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.get()).sum()
    }
}
