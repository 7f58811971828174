//! What the engine asks its driver to do.

use std::net::SocketAddr;

use super::info::ConnectionInfo;
use super::listening::ListenerId;
use crate::error::Error;
use crate::fpnn::{Payload, PayloadReader, read_answer};
use crate::rtm::PushMethod;
use crate::rtm::methods::listen::SetListen;

/// What the driver is to do.
#[derive(Debug)]
pub enum Action<T> {
    /// Deliver the outcome.
    Complete(T, Outcome),
    /// Resolve the endpoint, and come back with `Engine::handle_resolved` and this number.
    Resolve(u64),
    /// Begin to connect to the address.
    Dial(DialId, SocketAddr),
    /// Drop the connection and all dials.
    Disconnect,
    /// Tell the user that a connection was made.
    Opened(ConnectionInfo),
    /// Tell the user that a connection ended.
    Ended(ConnectionInfo, Option<Error>),
    /// Sign a `setlisten`, and come back with `Engine::handle_listen_quest`.
    AskToListen(SetListen),
    /// The server refused a time stamp, and its clock shows this, in milliseconds since the epoch. Correct the clock that
    /// calls are signed with, and come back with `Engine::handle_clocks_compared`.
    CompareClocks { server_ms: i64 },
    /// The server granted a listener's wish. Connections are numbered for listeners alone.
    Granted { connection: u64, listener: ListenerId },
    /// The server refused a wish that it had granted on an earlier connection.
    Refused { connection: u64, listener: ListenerId, error: Error },
    /// Pushes came, one after the other. They have their answers already.
    Pushed { connection: u64, pushes: RawPushes },
}

/// Names one attempt to reach one address. Never used twice.
pub type DialId = usize;

/// Pushes as they came, one behind the other.
#[derive(Debug, Default)]
pub struct RawPushes {
    payloads: Vec<u8>,
    /// The method of each push, and where its payload ends.
    ends: Vec<(PushMethod, usize)>,
}

impl RawPushes {
    /// Adds a push, behind the others.
    pub fn add(&mut self, method: PushMethod, payload: &[u8]) {
        self.payloads.extend_from_slice(payload);
        self.ends.push((method, self.payloads.len()));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The method and the payload of each.
    pub fn iter(&self) -> impl Iterator<Item = (PushMethod, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(method, end)| {
            let payload = std::mem::replace(&mut start, end)..end;
            (method, self.payloads.get(payload).unwrap_or_default())
        })
    }
}

/// How a call ended, as far as the engine knows.
pub type Outcome = Result<RawAnswer, Error>;

/// An answer, still encoded.
#[derive(Debug, Default)]
pub struct RawAnswer {
    pub status: u8,
    pub flag: u8,
    pub payload: Payload,
}

impl RawAnswer {
    /// Whether the payload can be read at all, whatever it is the answer to.
    pub fn is_readable(&self) -> bool {
        let skip_all = |reader: &mut PayloadReader<'_>| {
            while reader.next_key()?.is_some() {
                reader.skip()?;
            }
            Ok(())
        };
        read_answer(self.status, self.flag, &self.payload, skip_all).is_ok()
    }
}
