//! The state of one project. No wire, and time is a parameter.

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

/// A project: its secret, and all that its calls change.
#[derive(Debug)]
pub(super) struct Project {
    /// Checks the signatures of its calls.
    pub signer: Signer,
    /// Members and infos.
    pub rooms: Rooms,
    /// Who may not speak where.
    pub bans: Bans,
    /// What was said in the rooms.
    pub messages: Messages,
    /// Who is pushed what.
    pub listeners: Listeners,
    /// The limit on its calls, if any.
    pub rate: Option<Rate>,
}

/// The rules of the service that a gate follows only on request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// The calls a second of each project.
    pub calls_per_second: Option<u32>,
    /// Whether a user who enters a room leaves the one before.
    pub single_room: bool,
}

impl Project {
    /// A project in which nothing has happened yet.
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
