//! A session's key, derived from the shared secret, and the ciphers of both directions.

use md5::{Digest, Md5};

#[cfg(feature = "unstable-internals")]
use super::aes_cfb::KEY_LEN_256;
use super::aes_cfb::{AesKey, Iv, PackageDecryptor, PackageEncryptor, StreamDecryptor, StreamEncryptor};
use super::cipher_options::{CipherMode, KeyBits};
use crate::fpnn::cipher::{Decryptor, Encryptor};

/// The key material of a session's ciphers.
pub(super) struct SessionKey {
    pub(super) key: AesKey,
    pub(super) iv: Iv,
}

impl SessionKey {
    /// Derives the key from the shared secret, which has at least 24 bytes.
    pub(super) fn derive(secret: &[u8], bits: KeyBits) -> SessionKey {
        let mut iv = Iv::default();
        Md5::new_with_prefix(secret).finalize_into((&mut *iv).into());
        SessionKey { key: AesKey::derive(secret, bits), iv }
    }

    /// Creates the ciphers of one side. Both directions start from the same key and IV, so both sides have the same
    /// ciphers.
    pub(super) fn ciphers(&self, mode: CipherMode) -> (Encryptor, Decryptor) {
        let SessionKey { key, iv } = self;
        match mode {
            CipherMode::Stream => {
                let (encryptor, decryptor) = (StreamEncryptor::new(key, iv), StreamDecryptor::new(key, iv));
                (Encryptor::Stream(Box::new(encryptor)), Decryptor::Stream(Box::new(decryptor)))
            }
            CipherMode::Package => {
                let (encryptor, decryptor) = (PackageEncryptor::new(key, iv), PackageDecryptor::new(key, iv));
                (Encryptor::Package(Box::new(encryptor)), Decryptor::Package(Box::new(decryptor)))
            }
        }
    }
}

/// Creates one side of a session with a known shared secret, without a key exchange. For this crate's fuzz targets.
#[cfg(feature = "unstable-internals")]
#[must_use]
pub fn session_of_secret(secret: &[u8; KEY_LEN_256], bits: KeyBits, mode: CipherMode) -> (Encryptor, Decryptor) {
    SessionKey::derive(secret, bits).ciphers(mode)
}
