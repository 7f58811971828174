//! [`GateKey`]: the key pair with which a gate serves encrypted sessions.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{ArgumentError, Error};
use crate::fpnn::{Curve, ServerKey};

/// A gate's key pair. Clients need its public half ([`public_pem`](GateKey::public_pem)).
///
/// `Debug` shows only the curve. The private half is wiped when the last clone is dropped.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::gate::{Curve, Gate, GateKey};
/// use rtm_server_sdk::{Client, Encryption};
///
/// let key = GateKey::generate(Curve::Secp256k1)?;
/// let encryption = Encryption::from_pem(key.public_pem()?.as_bytes())?;
/// let gate = Gate::builder().project(80000001, "secret").key(key).bind("127.0.0.1:0")?;
///
/// let client = Client::builder(80000001, "secret", gate.endpoint()).encryption(encryption).connect()?;
/// client.add_room_member(42, 1001).call()?;
/// # Ok::<(), rtm_server_sdk::Error>(())
/// ```
#[derive(Clone)]
pub struct GateKey {
    key: Arc<ServerKey>,
}

impl GateKey {
    /// Makes a new key pair.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the operating system has no random numbers.
    pub fn generate(curve: Curve) -> Result<GateKey, Error> {
        let key = ServerKey::generate(curve).map_err(|error| Error::system_failed("making a key pair", error))?;
        Ok(GateKey { key: Arc::new(key) })
    }

    /// Reads a private key from PEM: a block `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC 1), not encrypted.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`], whose text says what is wrong with the key without showing any of it.
    pub fn from_pem(pem: &[u8]) -> Result<GateKey, Error> {
        match ServerKey::from_pem(pem) {
            Ok(key) => Ok(GateKey { key: Arc::new(key) }),
            Err(error) => Err(Error::invalid_argument(format!("the gate's private key cannot be used: {error}"))),
        }
    }

    /// Reads a private key from a PEM file; see [`from_pem`](GateKey::from_pem).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`]: the file cannot be read, or its key cannot be used.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<GateKey, Error> {
        let path = path.as_ref();
        let pem = std::fs::read(path).map(Zeroizing::new).map_err(|error| {
            ArgumentError::caused_by(format!("the gate's private key {} cannot be read", path.display()), error)
        })?;
        GateKey::from_pem(&pem)
    }

    /// The private half as PEM (PKCS#8), for the gate only. It is wiped from memory when the [`PrivatePem`] is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the key cannot be encoded, which does not happen with the four curves.
    pub fn private_pem(&self) -> Result<PrivatePem, Error> {
        self.key.to_pem().map(PrivatePem).map_err(|error| cannot_be_encoded("private", error))
    }

    /// The public half as PEM, for clients: what [`Encryption::from_pem`](crate::Encryption::from_pem) reads.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the key cannot be encoded, which does not happen with the four curves.
    pub fn public_pem(&self) -> Result<String, Error> {
        self.key.public_pem().map_err(|error| cannot_be_encoded("public", error))
    }

    pub(super) fn server_key(&self) -> &ServerKey {
        &self.key
    }
}

fn cannot_be_encoded(half: &str, error: impl fmt::Display) -> Error {
    Error::invalid_argument(format!("the {half} key cannot be encoded: {error}"))
}

impl fmt::Debug for GateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateKey").field("curve", &self.key.curve()).finish_non_exhaustive()
    }
}

/// A private key as PEM text. It dereferences to `str`; its memory is wiped when it is dropped, and `Debug` shows none
/// of it.
///
/// The caller is responsible for wiping copies (`to_owned`, `format!`).
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::gate::{Curve, GateKey};
///
/// let pem = GateKey::generate(Curve::Secp256k1)?.private_pem()?;
/// assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
/// assert_eq!(format!("{pem:?}"), "PrivatePem(..)");
/// let same_key = GateKey::from_pem(pem.as_bytes())?;
/// # let _ = same_key;
/// # Ok::<(), rtm_server_sdk::Error>(())
/// ```
pub struct PrivatePem(Zeroizing<String>);

impl Deref for PrivatePem {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem(..)")
    }
}
