//! The request of a row, and the call for it.

use std::time::Duration;

use rtm_server_sdk::{Client, Error, ErrorCode, NewMessage, RoomId, UserId};

use crate::args::Operation;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) room: RoomId,
    pub(super) user: UserId,
    pub(super) detail: Detail,
}

/// What an operation needs in addition to a room and a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Detail {
    Nothing,
    /// The length of a ban; `None` for one without an end.
    Ban(Option<Duration>),
    /// With its own id, so that sending it twice stores it only once.
    Message(NewMessage),
}

impl Request {
    /// Makes the call. `done` gets its outcome, on another thread.
    pub(super) fn make(
        &self,
        client: &Client,
        operation: Operation,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        let Request { room, user, detail } = self;
        let call = match (operation, detail) {
            (Operation::Say, Detail::Message(message)) => {
                let call = client.send_room_message(*room, *user, message);
                return call.callback(move |sent| done(sent.map(drop)));
            }
            (Operation::Ban, Detail::Ban(time)) => client.add_room_ban(Some(*room), *user, *time),
            (Operation::Unban, _) => client.remove_room_ban(Some(*room), *user),
            (Operation::Remove, _) => client.delete_room_member(*room, *user),
            _ => client.add_room_member(*room, *user),
        };
        call.callback(done);
    }

    /// Whether the error of a retry shows that an earlier try with an unknown outcome had succeeded.
    pub(super) fn was_done_before(&self, error: &Error) -> bool {
        matches!(self.detail, Detail::Message(_)) && error.code() == ErrorCode::RTM_EC_DUPLICATED_MID
    }
}
