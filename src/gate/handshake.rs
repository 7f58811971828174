//! The first packet of a connection, which decides whether it is encrypted (`docs/protocol.md`, section 3).

use super::failure::Violation;
use crate::fpnn::{Decryptor, Encryptor, Quest};

#[cfg(feature = "encryption")]
use super::key::GateKey;

/// The quest that begins an encrypted session. It must be the connection's first.
pub(super) const KEY_METHOD: &[u8] = b"*key";

/// How sessions begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Handshake {
    /// The key for encrypted sessions, if they are served.
    #[cfg(feature = "encryption")]
    pub key: Option<GateKey>,
    /// Whether plain sessions are refused.
    #[cfg(feature = "encryption")]
    pub is_required: bool,
}

impl Handshake {
    /// Whether a session may be unencrypted.
    pub(super) fn allows_plain(&self) -> bool {
        #[cfg(feature = "encryption")]
        return !self.is_required;
        #[cfg(not(feature = "encryption"))]
        true
    }

    /// Returns the ciphers of the session that `*key` requests.
    ///
    /// # Errors
    ///
    /// On any error, the gate closes the connection without an answer, as the reference server does.
    #[cfg(feature = "encryption")]
    pub(super) fn accept(&self, quest: &Quest<'_>) -> Result<(Encryptor, Decryptor), Violation> {
        let key = self.key.as_ref().ok_or_else(|| Violation::KeyExchange("the gate has no key".into()))?;
        let (public_key, stream_mode, bits) = read_params(quest).map_err(Violation::Payload)?;
        let public_key = public_key.ok_or_else(|| Violation::KeyExchange("publicKey is missing".into()))?;
        key.server_key()
            .accept(public_key, stream_mode, bits)
            .map_err(|error| Violation::KeyExchange(error.to_string()))
    }

    #[cfg(not(feature = "encryption"))]
    pub fn accept(&self, _quest: &Quest<'_>) -> Result<(Encryptor, Decryptor), Violation> {
        Err(Violation::KeyExchange("this gate was built without encryption".into()))
    }
}

/// Reads the public key, whether the session is one stream, and the bits of the AES key.
#[cfg(feature = "encryption")]
fn read_params<'a>(quest: &Quest<'a>) -> Result<(Option<&'a [u8]>, bool, i64), crate::error::DecodeError> {
    let mut reader = quest.params()?;
    let (mut public_key, mut stream_mode, mut bits) = (None, false, 128);
    while let Some(key) = reader.next_key()? {
        match key {
            b"publicKey" => public_key = Some(reader.bytes("publicKey")?),
            b"streamMode" => stream_mode = reader.bool("streamMode")?,
            b"bits" => bits = reader.integral("bits")?,
            _ => reader.skip()?,
        }
    }
    Ok((public_key, stream_mode, bits))
}
