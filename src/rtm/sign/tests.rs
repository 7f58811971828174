//! Signatures made by the vendor's SDKs.

use serde::Deserialize;

use super::*;
use crate::golden_files;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    pid: String,
    secret: String,
    salt: String,
    cmd: String,
    ts: String,
    sign: String,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vectors = golden_files::load("signatures.json");
    assert_eq!(vectors.vectors.len(), 34);
    vectors.vectors
}

#[test]
fn signatures_are_those_of_the_vectors() {
    for vector in vectors() {
        let signer = Signer::new(vector.pid.parse().unwrap(), &vector.secret);
        let (salt, ts): (i128, i128) = (vector.salt.parse().unwrap(), vector.ts.parse().unwrap());
        let sign = signer.sign(salt, vector.cmd.as_bytes(), ts);
        assert_eq!(std::str::from_utf8(&sign).unwrap(), vector.sign, "{}", vector.name);
    }
}

#[test]
fn debug_does_not_show_the_secret() {
    let shown = format!("{:?}", Signer::new(80_000_001, "hush-hush"));
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!shown.contains("104"), "the secret's bytes are shown: {shown}");
}
