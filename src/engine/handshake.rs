//! The handshake of a new connection, before it carries calls: a list of steps, each a quest with an answer.

use std::collections::VecDeque;

use super::outbuf::OutBuffer;
use super::settings::Settings;
use crate::error::{CloseReason, ConnectCause, Stage};
use crate::fpnn::{Answer, Decoder, read_answer};

/// One step: a quest that the server must answer before the next step begins.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Exchanges keys. From its answer on, everything is encrypted. It is the first step, since its quest must be the
    /// connection's first frame.
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

/// The steps that are left, and the one under way.
#[derive(Debug)]
pub(super) struct Handshake {
    steps: VecDeque<Step>,
    /// The sequence number of the quest of the step under way.
    awaited: Option<u32>,
}

impl Handshake {
    /// The steps that the settings ask for.
    #[cfg_attr(not(feature = "encryption"), allow(unused_variables, reason = "encryption brings the only setting"))]
    pub(super) fn new(settings: &Settings) -> Handshake {
        let steps: Vec<Option<Step>> = vec![
            #[cfg(feature = "encryption")]
            settings.encryption.clone().map(Step::ExchangeKeys),
        ];
        Handshake { steps: steps.into_iter().flatten().collect(), awaited: None }
    }

    /// Begins the next step with a quest of the number `seq`. Says whether there was one.
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

    /// Whether the number `seq` belongs to the step under way.
    pub(super) fn awaits(&self, seq: u32) -> bool {
        self.awaited == Some(seq)
    }

    /// The answer to the step under way has come.
    ///
    /// # Errors
    ///
    /// The step failed, and with it the connection.
    pub(super) fn handle_answer(&mut self, answer: Answer<'_>) -> Result<(), ConnectCause> {
        self.awaited = None;
        match read_answer(answer.status, answer.flag, answer.payload, |_| Ok(())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ConnectCause::KeyRefused(error)),
            // An answer that was deciphered with the wrong key has a payload that makes no sense, whatever it is.
            Err(_) => Err(ConnectCause::KeyUnreadable),
        }
    }

    /// Why there is no connection when it ends in the step under way.
    pub(super) fn interrupted_by(reason: CloseReason) -> ConnectCause {
        ConnectCause::KeyExchange(reason)
    }

    /// What a call waits for while the step is under way.
    pub(super) fn stage() -> Stage {
        Stage::KeyExchange
    }
}

/// Sends the quest in the clear. Everything after it is encrypted, in both directions.
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
