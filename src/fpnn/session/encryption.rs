//! [`Encryption`], the public settings of encrypted sessions.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::cipher_options::{CipherMode, KeyBits};
use super::key_error::KeyError;
use super::pem::read_block;
use super::server_point::{ServerPoint, read_public_key};
use crate::error::{ArgumentError, Error};

/// Encrypts every connection of a client: the server's public key, and how to use it.
///
/// Each connection begins with FPNN's quest `*key`. In it the client sends the public half of a key pair that it makes
/// for this connection only, on the curve of the server's key: secp256k1, secp256r1, secp224r1 or secp192r1. Both sides
/// compute the same secret, and everything that follows, in both directions, is enciphered with AES in CFB mode.
/// (`docs/protocol.md`, section 3, describes the whole exchange and the sources of its facts.)
///
/// FPNN's encryption hides the content from an eavesdropper. It does not authenticate the data: an attacker who can
/// change bytes in transit may garble or alter frames unnoticed. In [`CipherMode::Package`] equal frames look equal,
/// and secp192r1 and secp224r1 are weaker than recommended today. Prefer the defaults, [`KeyBits::Aes256`] and
/// [`CipherMode::Stream`]; if you need more, use a tunnel.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::{CipherMode, Encryption, Error, KeyBits};
///
/// let pem = b"-----BEGIN PUBLIC KEY-----
/// MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEV9U/ve8AkYKb8KTqkMHNb2923TeseGz9
/// F/k0Nq4XKb6vMae6Nyllmb0WyrbmMv/aOKBKMG2zFKHembj+rLyJEg==
/// -----END PUBLIC KEY-----
/// ";
/// let encryption = Encryption::from_pem(pem)?;
/// assert_eq!(format!("{encryption:?}"), "Encryption { curve: secp256k1, key_bits: Aes256, mode: Stream }");
///
/// // For a server that knows only the older settings.
/// let modest = encryption.clone().key_bits(KeyBits::Aes128).mode(CipherMode::Package);
/// # let _ = modest;
///
/// let error = Encryption::from_pem(b"hello").unwrap_err();
/// assert!(matches!(error, Error::InvalidArgument(_)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Encryption {
    pub(super) server: Arc<dyn ServerPoint>,
    pub(super) key_bits: KeyBits,
    pub(super) mode: CipherMode,
}

impl Encryption {
    /// Reads the server's public key from PEM: the first block `PUBLIC KEY` (a `SubjectPublicKeyInfo`), as `openssl ec
    /// -pubout` writes it. The key names its curve, and its point may be compressed. Anything that OpenSSL accepts is
    /// accepted: text and other blocks around the block, lines of any length, white space in and between them.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`], whose text says what is wrong: not PEM, empty, damaged, not an elliptic curve key,
    /// not on one of the four curves, not a point of its curve.
    pub fn from_pem(pem: &[u8]) -> Result<Encryption, Error> {
        read_block(pem, "PUBLIC KEY")
            .and_then(|der| read_public_key(der.as_bytes()))
            .map(Encryption::with_key)
            .map_err(unusable)
    }

    /// Reads the server's public key from a PEM file; see [`from_pem`](Encryption::from_pem).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`]: the file cannot be read (the [`io::Error`](std::io::Error) is its
    /// [`source`](std::error::Error::source)), or its key cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Encryption;
    ///
    /// let error = Encryption::from_pem_file("no/such/key.pem").unwrap_err();
    /// assert!(error.to_string().starts_with("the server's public key no/such/key.pem cannot be read"));
    /// ```
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Encryption, Error> {
        let path = path.as_ref();
        let pem = std::fs::read(path).map_err(|error| {
            ArgumentError::caused_by(format!("the server's public key {} cannot be read", path.display()), error)
        })?;
        Encryption::from_pem(&pem)
    }

    /// Reads the server's public key from DER: a `SubjectPublicKeyInfo` with nothing around it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`], as [`from_pem`](Encryption::from_pem) does; bytes after the key are refused too.
    ///
    /// # Examples
    ///
    /// ```
    /// use rtm_server_sdk::Encryption;
    ///
    /// let error = Encryption::from_der(b"").unwrap_err();
    /// assert_eq!(error.to_string(), "the server's public key cannot be used: it is empty");
    /// ```
    pub fn from_der(der: &[u8]) -> Result<Encryption, Error> {
        read_public_key(der).map(Encryption::with_key).map_err(unusable)
    }

    /// Sets the length of the AES key. Default [`KeyBits::Aes256`].
    #[must_use]
    pub fn key_bits(mut self, key_bits: KeyBits) -> Self {
        self.key_bits = key_bits;
        self
    }

    /// Sets how frames are enciphered. Default [`CipherMode::Stream`].
    #[must_use]
    pub fn mode(mut self, mode: CipherMode) -> Self {
        self.mode = mode;
        self
    }

    fn with_key(server: Arc<dyn ServerPoint>) -> Encryption {
        Encryption { server, key_bits: KeyBits::default(), mode: CipherMode::default() }
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("curve", &format_args!("{}", self.server.curve()))
            .field("key_bits", &self.key_bits)
            .field("mode", &self.mode)
            .finish()
    }
}

fn unusable(error: KeyError) -> Error {
    Error::invalid_argument(format!("the server's public key cannot be used: {error}"))
}
