//! The handshake of a new connection, before it carries calls: a list of steps, each a quest with an answer.

use std::collections::VecDeque;

use super::outbuf::OutBuffer;
use super::settings::Settings;
use crate::error::{CloseReason, ConnectCause, Stage};
use crate::fpnn::{Answer, Decoder, read_answer};

/// One step: a quest that the server must answer before the next step begins.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Exchanges keys. Everything from its answer on is encrypted. It must be the first step, because its quest must be
    /// the connection's first frame.
    #[cfg(feature = "encryption")]
    ExchangeKeys(crate::fpnn::Encryption),
}

impl Step {
    #[cfg_attr(not(feature = "encryption"), allow(unused_variables, reason = "encryption brings the only step"))]
    fn begin(self, seq: u32, out: &mut OutBuffer, decoder: &mut Decoder) -> Result<(), ConnectCause> {
        match self {
            #[cfg(feature = "encryption")]
            Step::ExchangeKeys(encryption) => exchange_keys(&encryption, seq, out, decoder),
        }
    }
}

/// The current step and the steps that follow it.
#[derive(Debug)]
pub(super) struct Handshake {
    steps: VecDeque<Step>,
    /// The sequence number of the current step's quest.
    awaited: Option<u32>,
}

impl Handshake {
    /// Creates the steps that the settings require.
    #[cfg_attr(not(feature = "encryption"), allow(unused_variables, reason = "encryption brings the only setting"))]
    pub(super) fn new(settings: &Settings) -> Handshake {
        let steps: Vec<Option<Step>> = vec![
            #[cfg(feature = "encryption")]
            settings.encryption.clone().map(Step::ExchangeKeys),
        ];
        Handshake { steps: steps.into_iter().flatten().collect(), awaited: None }
    }

    /// Begins the next step with a quest numbered `seq`. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// The step could not begin.
    pub(super) fn begin_next(
        &mut self,
        seq: u32,
        out: &mut OutBuffer,
        decoder: &mut Decoder,
    ) -> Result<bool, ConnectCause> {
        let Some(step) = self.steps.pop_front() else { return Ok(false) };
        step.begin(seq, out, decoder)?;
        self.awaited = Some(seq);
        Ok(true)
    }

    /// Whether `seq` is the number of the current step's quest.
    pub(super) fn awaits(&self, seq: u32) -> bool {
        self.awaited == Some(seq)
    }

    /// Handles the answer to the current step.
    ///
    /// # Errors
    ///
    /// The step failed, so the connection must end.
    pub(super) fn handle_answer(&mut self, answer: Answer<'_>) -> Result<(), ConnectCause> {
        self.awaited = None;
        match read_answer(answer.status, answer.flag, answer.payload, |_| Ok(())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ConnectCause::KeyRefused(error)),
            // Deciphering an answer with the wrong key results in a meaningless payload.
            Err(_) => Err(ConnectCause::KeyUnreadable),
        }
    }

    /// The cause of the failed attempt if the connection ends during the current step.
    pub(super) fn interrupted_by(reason: CloseReason) -> ConnectCause {
        ConnectCause::KeyExchange(reason)
    }

    /// What a call waits for during the current step.
    pub(super) fn stage() -> Stage {
        Stage::KeyExchange
    }
}

/// Sends the quest in plain text. Everything after it is encrypted, in both directions.
#[cfg(feature = "encryption")]
fn exchange_keys(
    encryption: &crate::fpnn::Encryption,
    seq: u32,
    out: &mut OutBuffer,
    decoder: &mut Decoder,
) -> Result<(), ConnectCause> {
    let exchange =
        crate::fpnn::KeyExchange::begin(encryption).map_err(|error| ConnectCause::KeyGeneration(error.into()))?;
    out.push_with(|out| exchange.write_quest(out, seq));
    let (encryptor, decryptor) = exchange.into_session();
    out.set_encryptor(encryptor);
    decoder.set_decryptor(decryptor);
    Ok(())
}
