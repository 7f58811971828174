//! Keys in PEM and in DER, and the points that clients send: an accepted key can be used, and any other is refused.

use rtm_server_sdk::Encryption;
use rtm_server_sdk::fpnn::{KeyExchange, ServerKey};

/// One server's key on each of the four curves, for tests alone.
pub const SERVER_KEYS: [&str; 4] = [
    include_str!("keys/secp256k1.pem"),
    include_str!("keys/secp256r1.pem"),
    include_str!("keys/secp224r1.pem"),
    include_str!("keys/secp192r1.pem"),
];

pub fn check(data: &[u8]) {
    for encryption in [Encryption::from_pem(data), Encryption::from_der(data)].into_iter().flatten() {
        let mut quest = Vec::new();
        KeyExchange::begin(&encryption).expect("the system has random numbers").write_quest(&mut quest, 1);
        assert!(!quest.is_empty());
    }
    if let Ok(key) = ServerKey::from_pem(data) {
        check_private_key(&key);
    }
    for pem in SERVER_KEYS {
        check_point(&ServerKey::from_pem(pem.as_bytes()).unwrap(), data);
    }
}

/// An accepted private key is encoded as one that is accepted again, and so is its public half.
fn check_private_key(key: &ServerKey) {
    let again = ServerKey::from_pem(key.to_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(again.curve(), key.curve());
    let public_pem = key.public_pem().unwrap();
    assert_eq!(again.public_pem().unwrap(), public_pem);
    Encryption::from_pem(public_pem.as_bytes()).unwrap();
}

/// A client's point has the width of its curve, or is refused.
fn check_point(key: &ServerKey, point: &[u8]) {
    let width = match key.curve().name() {
        "secp256k1" | "secp256r1" => 64,
        "secp224r1" => 56,
        _ => 48,
    };
    for (stream_mode, bits) in [(true, 128), (false, 256)] {
        if key.accept(point, stream_mode, bits).is_ok() {
            assert_eq!(point.len(), width);
        }
    }
    assert!(key.accept(point, true, 192).is_err());
}
