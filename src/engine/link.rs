//! One connection's bytes, in and out, and its silence. A new connection has a new one of these.

use std::time::Instant;

use super::Settings;
use super::info::ConnectionInfo;
use super::keepalive::Silence;
use super::outbuf::{HIGH_WATER, LOW_WATER, OutBuffer};
use crate::code::ErrorCode;
use crate::error::ProtocolError;
use crate::fpnn::{Decoder, FrameWriter, Quest};

/// Answers to the server's quests may fill the out-buffer up to this. A server that asks on without reading them is
/// hostile.
const MOST_UNREAD_ANSWERS: usize = 16 * 1024 * 1024;

/// The link to the server.
#[derive(Debug)]
pub(super) struct Link {
    pub info: ConnectionInfo,
    pub decoder: Decoder,
    pub out: OutBuffer,
    pub silence: Silence,
    /// The sequence numbers of the pings that wait for their answers.
    pub pings: Vec<u32>,
    since: Instant,
    /// The out-buffer was full and has not run low since.
    is_full: bool,
}

impl Link {
    pub fn new(info: ConnectionInfo, settings: &Settings, now: Instant) -> Link {
        Link {
            info,
            decoder: Decoder::new(settings.max_payload),
            out: OutBuffer::default(),
            silence: Silence::new(settings.keep_alive.clone(), now),
            pings: Vec::new(),
            since: now,
            is_full: false,
        }
    }

    pub fn info_at(&self, now: Instant) -> ConnectionInfo {
        ConnectionInfo { lived: now.saturating_duration_since(self.since), ..self.info.clone() }
    }

    /// Whether the out-buffer takes more calls: it is filled to the high-water mark, then emptied to the low one.
    pub fn has_room(&mut self) -> bool {
        let mark = if self.is_full { LOW_WATER } else { HIGH_WATER };
        self.is_full = self.out.len() >= mark;
        !self.is_full
    }

    pub fn send_ping(&mut self, seq: u32) {
        self.pings.push(seq);
        self.out.push_with(|out| FrameWriter::two_way_quest(out, seq, "*ping", 0).finish());
    }

    #[cfg(feature = "encryption")]
    pub fn begin_key_exchange(&mut self, exchange: crate::fpnn::KeyExchange, seq: u32) {
        self.out.push_with(|out| exchange.write_quest(out, seq));
        let (encryptor, decryptor) = exchange.into_session();
        self.out.set_encryptor(encryptor);
        self.decoder.set_decryptor(decryptor);
    }
}

/// Gives the server's quest the answer that it is owed. A one-way quest is owed none.
pub(super) fn answer_quest(out: &mut OutBuffer, quest: &Quest<'_>) -> Result<(), ProtocolError> {
    let Some(seq) = quest.seq else { return Ok(()) };
    match quest.method {
        b"ping" | b"*ping" => out.push_with(|out| FrameWriter::answer(out, seq, 0, 0).finish()),
        method => {
            let message = format!("this client has no method {}", method.escape_ascii());
            let code = ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD.value();
            out.push_with(|out| FrameWriter::error_answer(out, seq, code, &message))
        }
    };
    if out.len() > MOST_UNREAD_ANSWERS { Err(ProtocolError::QuestFlood) } else { Ok(()) }
}
