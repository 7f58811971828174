//! [`ServerKey`]: the server's side of `*key`.

use std::fmt;
use std::io;

use elliptic_curve::pkcs8::der::{self, Decode};
use elliptic_curve::pkcs8::{self, EncodePrivateKey, EncodePublicKey, LineEnding, PrivateKeyInfo};
use elliptic_curve::sec1::Tag;
use elliptic_curve::{FieldBytes, PublicKey, SecretKey};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::cipher_options::{CipherMode, KeyBits};
use super::curve::{Curve, CurveType};
use super::ecdh::{RandomSource, SharedSecret, fresh_key, read_point, shared_secret, system_random};
use super::key_error::KeyError;
use super::named_curve::{curve_of_algorithm, curve_of_oid};
use super::pem::read_block;
use super::session_key::SessionKey;
use crate::fpnn::cipher::{Decryptor, Encryptor};

/// The label of a private key as written by `openssl ecparam -genkey`.
const SEC1_LABEL: &str = "EC PRIVATE KEY";
/// The label of a private key as written by `openssl genpkey`.
const PKCS8_LABEL: &str = "PRIVATE KEY";

/// A server's private key. Wiped when it is dropped.
pub struct ServerKey {
    private: Box<dyn ServerScalar>,
}

impl ServerKey {
    /// Generates a key on `curve`.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers.
    pub fn generate(curve: Curve) -> io::Result<ServerKey> {
        let random: RandomSource<'_> = &mut system_random;
        let private = match curve {
            Curve::Secp256k1 => boxed(fresh_key::<k256::Secp256k1>(random)?),
            Curve::Secp256r1 => boxed(fresh_key::<p256::NistP256>(random)?),
            Curve::Secp224r1 => boxed(fresh_key::<p224::NistP224>(random)?),
            Curve::Secp192r1 => boxed(fresh_key::<p192::NistP192>(random)?),
        };
        Ok(ServerKey { private })
    }

    /// Reads a private key from PEM: a block `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC 1), not encrypted.
    ///
    /// # Errors
    ///
    /// The key cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<ServerKey, ServerKeyError> {
        match read_block(pem, SEC1_LABEL) {
            Err(KeyError::NoPemBlock(_)) => ServerKey::from_pkcs8(read_block(pem, PKCS8_LABEL)?.as_bytes()),
            der => ServerKey::from_sec1(der?.as_bytes()),
        }
    }

    fn from_sec1(der: &[u8]) -> Result<ServerKey, ServerKeyError> {
        let key = EcPrivateKey::from_der(der).map_err(ServerKeyError::EcPrivateKey)?;
        let curve = key.parameters.and_then(|parameters| parameters.named_curve()).ok_or(KeyError::UnnamedCurve)?;
        ServerKey::on_curve(curve_of_oid(curve)?, key)
    }

    fn from_pkcs8(der: &[u8]) -> Result<ServerKey, ServerKeyError> {
        let info = PrivateKeyInfo::try_from(der).map_err(ServerKeyError::PrivateKeyInfo)?;
        let curve = curve_of_algorithm(info.algorithm)?;
        let key = EcPrivateKey::from_der(info.private_key).map_err(ServerKeyError::EcPrivateKey)?;
        ServerKey::on_curve(curve, key)
    }

    fn on_curve(curve: Curve, key: EcPrivateKey<'_>) -> Result<ServerKey, ServerKeyError> {
        let private = match curve {
            Curve::Secp256k1 => SecretKey::<k256::Secp256k1>::try_from(key).map(boxed),
            Curve::Secp256r1 => SecretKey::<p256::NistP256>::try_from(key).map(boxed),
            Curve::Secp224r1 => SecretKey::<p224::NistP224>::try_from(key).map(boxed),
            Curve::Secp192r1 => SecretKey::<p192::NistP192>::try_from(key).map(boxed),
        };
        Ok(ServerKey { private: private.map_err(ServerKeyError::EcPrivateKey)? })
    }

    /// The curve of the key, which clients must use too.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.private.curve()
    }

    /// Encodes the private key as PEM (PKCS#8), for the server to keep.
    ///
    /// # Errors
    ///
    /// The key cannot be encoded.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, ServerKeyError> {
        self.private.to_pem()
    }

    /// Encodes the public key as PEM, for clients.
    ///
    /// # Errors
    ///
    /// The key cannot be encoded.
    pub fn public_pem(&self) -> Result<String, ServerKeyError> {
        self.private.public_pem()
    }

    /// Returns the ciphers of the session that a client requested with `*key`. `client_public` is X and Y at the
    /// curve's full width; `bits` is the length of the AES key.
    ///
    /// # Errors
    ///
    /// The client's point has the wrong length or is not on the curve, or there is no AES key of `bits` bits. The
    /// reference server then closes the connection without an answer.
    pub fn accept(
        &self,
        client_public: &[u8],
        stream_mode: bool,
        bits: i64,
    ) -> Result<(Encryptor, Decryptor), ServerKeyError> {
        let key_bits = match bits {
            128 => KeyBits::Aes128,
            256 => KeyBits::Aes256,
            other => return Err(ServerKeyError::UnknownBits(other)),
        };
        let mode = if stream_mode { CipherMode::Stream } else { CipherMode::Package };
        let secret = self.private.secret_with(client_public)?;
        Ok(SessionKey::derive(&secret, key_bits).ciphers(mode))
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey").field("curve", &self.curve()).finish_non_exhaustive()
    }
}

/// What is wrong with a server's key or with a client's request. No text contains any part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerKeyError {
    /// The same things that can be wrong with a client's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The DER is not that of a private key.
    #[error("it is not a private key in PKCS#8 ({0})")]
    PrivateKeyInfo(pkcs8::Error),
    /// The private key is not one of an elliptic curve.
    #[error("it is not the private key of an elliptic curve ({0})")]
    EcPrivateKey(der::Error),
    /// A client's point of another length than the curve's.
    #[error("the client's key has {actual} bytes, and one of the curve {curve} has {expected}")]
    PointLength {
        /// The curve of the server's key.
        curve: Curve,
        /// The expected length, in bytes.
        expected: usize,
        /// The actual length, in bytes.
        actual: usize,
    },
    /// A client asks for AES with a length of key that FPNN does not use.
    #[error("the client asks for AES with {0} bits, and there are only 128 and 256")]
    UnknownBits(i64),
}

/// A private key whose curve is known only at run time.
trait ServerScalar: Send + Sync {
    fn curve(&self) -> Curve;
    fn secret_with(&self, client_public: &[u8]) -> Result<SharedSecret, ServerKeyError>;
    fn to_pem(&self) -> Result<Zeroizing<String>, ServerKeyError>;
    fn public_pem(&self) -> Result<String, ServerKeyError>;
}

impl<C: CurveType> ServerScalar for SecretKey<C> {
    fn curve(&self) -> Curve {
        C::CURVE
    }

    fn secret_with(&self, client_public: &[u8]) -> Result<SharedSecret, ServerKeyError> {
        Ok(shared_secret(self, &read_bare_point::<C>(client_public)?))
    }

    fn to_pem(&self) -> Result<Zeroizing<String>, ServerKeyError> {
        self.to_pkcs8_pem(LineEnding::LF).map_err(ServerKeyError::PrivateKeyInfo)
    }

    fn public_pem(&self) -> Result<String, ServerKeyError> {
        self.public_key().to_public_key_pem(LineEnding::LF).map_err(|error| KeyError::PublicKeyInfo(error).into())
    }
}

fn boxed<C: CurveType>(key: SecretKey<C>) -> Box<dyn ServerScalar> {
    Box::new(key)
}

/// Decodes a client's point: X and Y at the curve's full width, without a prefix.
fn read_bare_point<C: CurveType>(bytes: &[u8]) -> Result<PublicKey<C>, ServerKeyError> {
    let expected = 2 * FieldBytes::<C>::default().len();
    if bytes.len() != expected {
        return Err(ServerKeyError::PointLength { curve: C::CURVE, expected, actual: bytes.len() });
    }
    let mut tagged = Vec::with_capacity(1 + expected);
    tagged.push(Tag::Uncompressed as u8);
    tagged.extend_from_slice(bytes);
    Ok(read_point(&tagged)?)
}
