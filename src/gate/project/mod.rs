//! The state of one project. No wire, and time is a parameter.

mod bans;
mod messages;
mod rooms;

pub use bans::Bans;
pub use messages::{Filter, Messages, Row, Span};
pub use rooms::Rooms;

use crate::rtm::Signer;

/// A project: its secret, and all that its calls change.
#[derive(Debug)]
pub struct Project {
    /// Checks the signatures of its calls.
    pub signer: Signer,
    /// Members and infos.
    pub rooms: Rooms,
    /// Who may not speak where.
    pub bans: Bans,
    /// What was said in the rooms.
    pub messages: Messages,
}

impl Project {
    /// A project in which nothing has happened yet.
    pub fn new(signer: Signer) -> Project {
        Project { signer, rooms: Rooms::default(), bans: Bans::default(), messages: Messages::default() }
    }
}
