//! Finds the curve that a key names.

use elliptic_curve::pkcs8::ObjectIdentifier;
use elliptic_curve::pkcs8::spki::AlgorithmIdentifierRef;

use super::curve::Curve;
use super::key_error::KeyError;

/// The curve of a key whose encoding begins with `algorithm`.
pub(super) fn curve_of_algorithm(algorithm: AlgorithmIdentifierRef<'_>) -> Result<Curve, KeyError> {
    if algorithm.oid != elliptic_curve::ALGORITHM_OID {
        return Err(KeyError::NotElliptic(algorithm.oid));
    }
    let oid = algorithm.parameters_oid().map_err(|_| KeyError::UnnamedCurve)?;
    curve_of_oid(oid)
}

/// Returns the curve with this `oid`.
pub(super) fn curve_of_oid(oid: ObjectIdentifier) -> Result<Curve, KeyError> {
    Curve::ALL.into_iter().find(|curve| curve.oid() == oid).ok_or(KeyError::UnknownCurve(oid))
}
