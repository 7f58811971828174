//! Actions that the engine requests from its driver.

use std::net::SocketAddr;

use super::info::ConnectionInfo;
use super::listening::ListenerId;
use crate::error::Error;
use crate::fpnn::{Payload, read_answer};
use crate::rtm::PushMethod;
use crate::rtm::methods::listen::SetListen;
use crate::rtm::methods::read_nothing;

/// An action for the driver.
#[derive(Debug)]
pub enum Action<T> {
    /// Deliver the outcome.
    Complete(T, Outcome),
    /// Resolve the endpoint, and call `Engine::handle_resolved` with this number.
    Resolve(u64),
    /// Start connecting to the address.
    Dial(DialId, SocketAddr),
    /// Drop the connection and all dials.
    Disconnect,
    /// Report a new connection to the user.
    Opened(ConnectionInfo),
    /// Report the end of a connection to the user.
    Ended(ConnectionInfo, Option<Error>),
    /// Sign a `setlisten`, and call `Engine::handle_listen_quest`.
    AskToListen(SetListen),
    /// The server refused a time stamp, and its clock shows this time, in milliseconds since the epoch. Correct the
    /// clock that signs calls, and call `Engine::handle_clocks_compared`.
    CompareClocks { server_ms: i64 },
    /// The server granted a listener's subscription. Listeners have their own numbering of connections.
    Granted { connection: u64, listener: ListenerId },
    /// The server refused a subscription that it had granted on an earlier connection.
    Refused { connection: u64, listener: ListenerId, error: Error },
    /// Consecutive pushes. They have been answered.
    Pushed { connection: u64, pushes: RawPushes },
}

/// Identifies one attempt to reach one address. Ids are never reused.
pub type DialId = usize;

/// The payloads of pushes, in order of arrival.
#[derive(Debug, Default)]
pub struct RawPushes {
    payloads: Vec<u8>,
    /// The method of each push, and the end of its payload.
    ends: Vec<(PushMethod, usize)>,
}

impl RawPushes {
    /// Adds a push at the end.
    pub fn add(&mut self, method: PushMethod, payload: &[u8]) {
        self.payloads.extend_from_slice(payload);
        self.ends.push((method, self.payloads.len()));
    }

    /// The number of pushes.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The method and the payload of each push.
    pub fn iter(&self) -> impl Iterator<Item = (PushMethod, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(method, end)| {
            let payload = std::mem::replace(&mut start, end)..end;
            (method, self.payloads.get(payload).unwrap_or_default())
        })
    }
}

/// How a call ended, as far as the engine can tell.
pub type Outcome = Result<RawAnswer, Error>;

/// An answer, still encoded.
#[derive(Debug, Default)]
pub struct RawAnswer {
    pub status: u8,
    pub flag: u8,
    pub payload: Payload,
}

impl RawAnswer {
    /// Whether the payload can be parsed, whatever it answers.
    pub fn is_readable(&self) -> bool {
        read_answer(self.status, self.flag, &self.payload, read_nothing).is_ok()
    }
}
