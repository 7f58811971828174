//! The server's own quests: how each is answered, and which pushes are passed on.

use std::collections::VecDeque;

use super::action::{Action, RawPushes};
use super::outbuf::OutBuffer;
use crate::code::ErrorCode;
use crate::error::ProtocolError;
use crate::fpnn::{FrameWriter, Quest};
use crate::rtm::PushMethod;

/// Answers to the server's quests may fill the out-buffer up to this. A server that goes on asking without reading them is
/// hostile.
const MOST_UNREAD_ANSWERS: usize = 16 * 1024 * 1024;

/// Answers the server's quest: a push is taken, whatever it holds and whether anybody listens;
/// other methods there are none. A one-way quest is owed no answer.
pub(super) fn answer_quest(
    out: &mut OutBuffer,
    quest: &Quest<'_>,
    push: Option<PushMethod>,
) -> Result<(), ProtocolError> {
    let Some(seq) = quest.seq else { return Ok(()) };
    match quest.method {
        _ if push.is_some() => out.push_with(|out| FrameWriter::answer(out, seq, 0).finish()),
        b"*ping" => out.push_with(|out| FrameWriter::answer(out, seq, 0).finish()),
        method => {
            let message = format!("this client has no method {}", method.escape_ascii());
            let code = ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD.value();
            out.push_with(|out| FrameWriter::error_answer(out, seq, code, &message))
        }
    };
    if out.len() > MOST_UNREAD_ANSWERS { Err(ProtocolError::QuestFlood) } else { Ok(()) }
}

/// A push came on the connection of this number. Those that come one after the other are handed on together.
pub(super) fn hand_on<T>(actions: &mut VecDeque<Action<T>>, on: u64, method: PushMethod, payload: &[u8]) {
    if let Some(Action::Pushed { connection, pushes }) = actions.back_mut() {
        if *connection == on {
            return pushes.add(method, payload);
        }
    }
    let mut pushes = RawPushes::default();
    pushes.add(method, payload);
    actions.push_back(Action::Pushed { connection: on, pushes });
}
