//! [`ServerPoint`]: a server's public key, for the client's side of the exchange.

use std::io;
use std::sync::Arc;

use elliptic_curve::PublicKey;
use elliptic_curve::pkcs8::{SubjectPublicKeyInfoRef, der};

use super::curve::{Curve, CurveType};
use super::ecdh::{RandomSource, SharedSecret, bare_point, fresh_key, read_point, shared_secret};
use super::key_error::KeyError;
use super::named_curve::curve_of_algorithm;

/// A server's public key, whose curve is known only at run time.
pub(super) trait ServerPoint: Send + Sync {
    fn curve(&self) -> Curve;

    /// Generates a key pair. Returns its public half as it is sent, and the secret shared with the server.
    fn exchange(&self, random: RandomSource<'_>) -> io::Result<(Vec<u8>, SharedSecret)>;
}

impl<C: CurveType> ServerPoint for PublicKey<C> {
    fn curve(&self) -> Curve {
        C::CURVE
    }

    fn exchange(&self, random: RandomSource<'_>) -> io::Result<(Vec<u8>, SharedSecret)> {
        let own = fresh_key::<C>(random)?;
        Ok((bare_point(&own.public_key()), shared_secret(&own, self)))
    }
}

/// Reads a public key from DER: a `SubjectPublicKeyInfo` with nothing around it.
pub(super) fn read_public_key(der: &[u8]) -> Result<Arc<dyn ServerPoint>, KeyError> {
    if der.is_empty() {
        return Err(KeyError::Empty);
    }
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(KeyError::PublicKeyInfo)?;
    let curve = curve_of_algorithm(info.algorithm)?;
    let point = info.subject_public_key.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
    match curve {
        Curve::Secp256k1 => server_point::<k256::Secp256k1>(point),
        Curve::Secp256r1 => server_point::<p256::NistP256>(point),
        Curve::Secp224r1 => server_point::<p224::NistP224>(point),
        Curve::Secp192r1 => server_point::<p192::NistP192>(point),
    }
}

fn server_point<C: CurveType>(point: &[u8]) -> Result<Arc<dyn ServerPoint>, KeyError> {
    Ok(Arc::new(read_point::<C>(point)?))
}
