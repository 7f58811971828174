//! ECDH itself, generic over the curve.

use std::io;

use elliptic_curve::ecdh::diffie_hellman;
use elliptic_curve::sec1::{Tag, ToEncodedPoint};
use elliptic_curve::{FieldBytes, PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::curve::CurveType;
use super::key_error::KeyError;

/// How many random values are tried as a key. On the worst of the curves, one in 2^32 is not valid.
const TRIES: usize = 8;

/// The X coordinate of the shared point, at the curve's full width.
pub(super) type SharedSecret = Zeroizing<Vec<u8>>;

/// Fills a buffer with random bytes.
pub(super) type RandomSource<'a> = &'a mut dyn FnMut(&mut [u8]) -> io::Result<()>;

/// The random numbers of the operating system.
pub(super) fn system_random(bytes: &mut [u8]) -> io::Result<()> {
    Ok(getrandom::fill(bytes)?)
}

/// Generates a private key.
pub(super) fn fresh_key<C: CurveType>(random: RandomSource<'_>) -> io::Result<SecretKey<C>> {
    let mut bytes = Zeroizing::new(FieldBytes::<C>::default());
    for _ in 0..TRIES {
        random(&mut bytes)?;
        if let Ok(key) = SecretKey::from_bytes(&bytes) {
            return Ok(key);
        }
    }
    Err(io::Error::other("the system's random numbers are not random"))
}

/// Computes the secret shared by the owners of `private` and `public`.
pub(super) fn shared_secret<C: CurveType>(private: &SecretKey<C>, public: &PublicKey<C>) -> SharedSecret {
    let scalar = Zeroizing::new(private.to_nonzero_scalar());
    #[allow(clippy::needless_borrows_for_generic_args, reason = "a copy of the scalar would not be wiped")]
    let secret = diffie_hellman(&*scalar, public.as_affine());
    Zeroizing::new(secret.raw_secret_bytes().to_vec())
}

/// Encodes a point as FPNN sends it: X and Y at the curve's full width, without a prefix.
pub(super) fn bare_point<C: CurveType>(public: &PublicKey<C>) -> Vec<u8> {
    public.to_encoded_point(false).as_bytes()[1..].to_vec()
}

/// Decodes a point as stored in keys, compressed or not, and checks that it lies on the curve.
pub(super) fn read_point<C: CurveType>(bytes: &[u8]) -> Result<PublicKey<C>, KeyError> {
    if bytes == [Tag::Identity as u8] {
        return Err(KeyError::PointAtInfinity);
    }
    PublicKey::from_sec1_bytes(bytes).map_err(|_| KeyError::NotOnCurve(C::CURVE))
}
