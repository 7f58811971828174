//! [`KeyExchange`]: the client's side of `*key`.

use std::fmt;
use std::io;

use super::cipher_options::{CipherMode, KeyBits};
use super::ecdh::{RandomSource, system_random};
use super::encryption::Encryption;
use super::session_key::SessionKey;
use crate::fpnn::cipher::{Decryptor, Encryptor};
use crate::fpnn::frame_writer::FrameWriter;
use crate::fpnn::method::MethodName;

/// The name of the quest that begins an encrypted session.
const METHOD: MethodName<'static> = MethodName::literal("*key");

/// A connection's key exchange: the quest to send in plain text, and the ciphers for everything after it, including its
/// answer.
pub struct KeyExchange {
    public_key: Vec<u8>,
    key_bits: KeyBits,
    mode: CipherMode,
    encryptor: Encryptor,
    decryptor: Decryptor,
}

impl KeyExchange {
    /// Generates a key pair for one connection, and derives the session's ciphers.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers.
    pub fn begin(settings: &Encryption) -> io::Result<KeyExchange> {
        KeyExchange::begin_with(settings, &mut system_random)
    }

    pub(super) fn begin_with(settings: &Encryption, random: RandomSource<'_>) -> io::Result<KeyExchange> {
        let (public_key, secret) = settings.server.exchange(random)?;
        let (encryptor, decryptor) = SessionKey::derive(&secret, settings.key_bits).ciphers(settings.mode);
        Ok(KeyExchange { public_key, key_bits: settings.key_bits, mode: settings.mode, encryptor, decryptor })
    }

    /// Appends the quest to `out`. It must be the connection's first frame.
    pub fn write_quest(&self, out: &mut Vec<u8>, seq: u32) {
        let mut frame = FrameWriter::two_way_quest(out, seq, METHOD);
        let stream_mode = self.mode == CipherMode::Stream;
        let params = frame.params().bin("publicKey", &self.public_key).bool("streamMode", stream_mode);
        params.int("bits", self.key_bits.on_the_wire());
        frame.finish();
    }

    /// Returns the ciphers of the session.
    #[must_use]
    pub fn into_session(self) -> (Encryptor, Decryptor) {
        (self.encryptor, self.decryptor)
    }
}

impl fmt::Debug for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyExchange")
            .field("key_bits", &self.key_bits)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
