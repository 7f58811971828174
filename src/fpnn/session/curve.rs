//! The four curves of FPNN, as values and as types.

use std::fmt;

use elliptic_curve::CurveArithmetic;
use elliptic_curve::pkcs8::{AssociatedOid, ObjectIdentifier};
use elliptic_curve::sec1::{FromEncodedPoint, ModulusSize, ToEncodedPoint, ValidatePublicKey};

/// A curve that FPNN knows (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// The usual one, known from Bitcoin.
    Secp256k1,
    /// Also P-256 and prime256v1.
    Secp256r1,
    /// Also P-224.
    Secp224r1,
    /// Also P-192 and prime192v1.
    Secp192r1,
}

impl Curve {
    /// All of them.
    pub const ALL: [Curve; 4] = [Curve::Secp256k1, Curve::Secp256r1, Curve::Secp224r1, Curve::Secp192r1];

    /// The name that FPNN uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Curve::Secp256k1 => "secp256k1",
            Curve::Secp256r1 => "secp256r1",
            Curve::Secp224r1 => "secp224r1",
            Curve::Secp192r1 => "secp192r1",
        }
    }

    pub(super) fn oid(self) -> ObjectIdentifier {
        match self {
            Curve::Secp256k1 => k256::Secp256k1::OID,
            Curve::Secp256r1 => p256::NistP256::OID,
            Curve::Secp224r1 => p224::NistP224::OID,
            Curve::Secp192r1 => p192::NistP192::OID,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A curve as a type: what code that is generic over the four curves needs.
pub(super) trait CurveType:
    elliptic_curve::Curve<FieldBytesSize: ModulusSize>
    + CurveArithmetic<AffinePoint: FromEncodedPoint<Self> + ToEncodedPoint<Self>>
    + AssociatedOid
    + ValidatePublicKey
{
    const CURVE: Curve;
}

impl CurveType for k256::Secp256k1 {
    const CURVE: Curve = Curve::Secp256k1;
}

impl CurveType for p256::NistP256 {
    const CURVE: Curve = Curve::Secp256r1;
}

impl CurveType for p224::NistP224 {
    const CURVE: Curve = Curve::Secp224r1;
}

impl CurveType for p192::NistP192 {
    const CURVE: Curve = Curve::Secp192r1;
}
