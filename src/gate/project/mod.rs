//! The state of one project. It knows nothing of the wire, and time is a parameter.

mod bans;
mod listeners;
mod messages;
mod rate;
mod rooms;

pub(super) use bans::Bans;
pub(super) use listeners::{ConnectionId, Interest, Listeners, Subject};
pub(super) use messages::{Filter, Messages, Row, Span};
pub(super) use rate::Rate;
pub(super) use rooms::Rooms;

use crate::rtm::Signer;

/// A project: its secret, and everything that its calls change.
#[derive(Debug)]
pub(super) struct Project {
    /// Checks the signatures of its calls.
    pub signer: Signer,
    /// Members and infos.
    pub rooms: Rooms,
    /// The bans of users.
    pub bans: Bans,
    /// The messages in the rooms.
    pub messages: Messages,
    /// What each connection listens to.
    pub listeners: Listeners,
    /// The limit on its calls, if any.
    pub rate: Option<Rate>,
}

/// Rules of the service that a gate follows only on request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// The limit on each project's calls per second.
    pub calls_per_second: Option<u32>,
    /// Whether a user who enters a room leaves the previous one.
    pub single_room: bool,
}

impl Project {
    /// Creates a project without any history.
    pub(super) fn new(signer: Signer, rules: Rules) -> Project {
        Project {
            signer,
            rooms: Rooms::new(rules.single_room),
            bans: Bans::default(),
            messages: Messages::default(),
            listeners: Listeners::default(),
            rate: rules.calls_per_second.map(Rate::new),
        }
    }
}
