//! [`KeyError`]: what can be wrong with a key.

use elliptic_curve::pkcs8::{ObjectIdentifier, der, spki};

use super::curve::Curve;

/// What is wrong with a loaded key. Each text continues "the key cannot be used:", and none contains any part of the
/// key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The input is empty.
    #[error("it is empty")]
    Empty,
    /// No PEM block of the right kind. Holds the expected kind.
    #[error("it holds no PEM block that begins with -----BEGIN {0}-----")]
    NoPemBlock(&'static str),
    /// The PEM block, or the DER inside it, is damaged.
    #[error("its encoding is broken ({0})")]
    Encoding(der::Error),
    /// The DER is not that of a public key.
    #[error("it is not a public key ({0})")]
    PublicKeyInfo(spki::Error),
    /// A key of another algorithm, such as RSA or Ed25519.
    #[error("its algorithm ({0}) is not that of elliptic curve keys, 1.2.840.10045.2.1")]
    NotElliptic(ObjectIdentifier),
    /// The curve is left out, or spelt out as numbers.
    #[error("it does not name its curve")]
    UnnamedCurve,
    /// A curve that FPNN does not use.
    #[error("its curve ({0}) is not one of secp256k1, secp256r1, secp224r1 and secp192r1")]
    UnknownCurve(ObjectIdentifier),
    /// The point at infinity, which is not a key on any curve.
    #[error("its point is the one at infinity")]
    PointAtInfinity,
    /// Numbers that are not a point of the curve, or too few of them.
    #[error("its bytes are not a point of the curve {0}")]
    NotOnCurve(Curve),
}

impl From<der::Error> for KeyError {
    fn from(error: der::Error) -> KeyError {
        KeyError::Encoding(error)
    }
}
