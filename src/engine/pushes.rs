//! Answers the server's own quests, and passes pushes on.

use std::collections::VecDeque;

use super::action::{Action, RawPushes};
use super::outbuf::OutBuffer;
use crate::code::ErrorCode;
use crate::error::ProtocolError;
use crate::fpnn::{FrameWriter, Quest};
use crate::rtm::PushMethod;

/// How many bytes of answers the out-buffer may hold. A server that keeps sending quests without reading the answers is
/// hostile.
const MOST_UNREAD_ANSWERS: usize = 16 * 1024 * 1024;

/// Answers a quest of the server. Pushes are acknowledged, whatever they contain and whether or not anybody listens.
/// Other methods get an error, and one-way quests no answer.
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

/// Passes a push on. Consecutive pushes of one connection are passed on together.
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
