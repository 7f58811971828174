//! Tests of encrypted sessions, and the golden bytes of `tests/vectors/encryption.json`.

mod golden;
mod keys;
mod openssl_keys;
mod pairs;

use elliptic_curve::pkcs8::{LineEnding, ObjectIdentifier, der::SecretDocument};
use sec1::{EcParameters, EcPrivateKey};
use serde::Deserialize;

use super::key_error::KeyError;
use super::session_key::SessionKey;
use super::*;
use crate::error::ProtocolError;
use crate::fpnn::{Decoder, Decryptor};
use crate::golden_files::{self, unhex};

const MAX_PAYLOAD: usize = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Vectors {
    plaintexts: Directions,
    key_quest_seq: u32,
    vectors: Vec<Session>,
    receive_splits: Vec<Split>,
    rejects: Vec<Reject>,
}

/// Bytes in hex, one entry per frame.
#[derive(Deserialize)]
struct Directions {
    client_to_server: Vec<String>,
    server_to_client: Vec<String>,
}

#[derive(Deserialize)]
struct Session {
    name: String,
    curve: String,
    bits: i64,
    client_private_hex: String,
    client_public_hex: String,
    server_private_hex: String,
    server_public_pem: String,
    server_public_der_hex: String,
    shared_secret_hex: String,
    aes_key_hex: String,
    iv_hex: String,
    stream_mode: Wire,
    package_mode: Wire,
}

#[derive(Deserialize)]
struct Wire {
    key_quest_bin_hex: String,
    key_quest_str_hex: String,
    #[serde(flatten)]
    frames: Directions,
}

#[derive(Deserialize)]
struct Split {
    name: String,
    session: String,
    mode: String,
    direction: String,
    chunks: Option<Vec<usize>>,
    every: Option<usize>,
}

#[derive(Deserialize)]
struct Reject {
    name: String,
    server_public_pem: Option<String>,
    session: Option<String>,
    mode: Option<String>,
    server_to_client_hex: Option<String>,
}

impl Vectors {
    fn load() -> Vectors {
        let vectors: Vectors = golden_files::load("encryption.json");
        assert_eq!((vectors.vectors.len(), vectors.receive_splits.len(), vectors.rejects.len()), (32, 16, 17));
        vectors
    }

    fn session(&self, name: &str) -> &Session {
        self.vectors.iter().find(|session| session.name == name).unwrap()
    }
}

impl Session {
    fn modes(&self) -> [(CipherMode, &Wire); 2] {
        [(CipherMode::Stream, &self.stream_mode), (CipherMode::Package, &self.package_mode)]
    }

    fn mode(&self, name: &str) -> (CipherMode, &Wire) {
        self.modes()[usize::from(name == "package_mode")]
    }

    fn key_bits(&self) -> KeyBits {
        if self.bits == 128 { KeyBits::Aes128 } else { KeyBits::Aes256 }
    }

    fn settings(&self, mode: CipherMode) -> Encryption {
        Encryption::from_pem(self.server_public_pem.as_bytes()).unwrap().key_bits(self.key_bits()).mode(mode)
    }

    /// Repeats the exchange of the session's client, with its private key instead of a random one.
    fn exchange(&self, mode: CipherMode) -> KeyExchange {
        KeyExchange::begin_with(&self.settings(mode), &mut |bytes| {
            bytes.copy_from_slice(&unhex(&self.client_private_hex));
            Ok(())
        })
        .unwrap()
    }

    fn client_opener(&self, mode: CipherMode) -> Decryptor {
        SessionKey::derive(&unhex(&self.shared_secret_hex), self.key_bits()).ciphers(mode).1
    }

    fn server_key(&self) -> ServerKey {
        let oid = match self.curve.as_str() {
            "secp256k1" => "1.3.132.0.10",
            "secp256r1" => "1.2.840.10045.3.1.7",
            "secp224r1" => "1.3.132.0.33",
            "secp192r1" => "1.2.840.10045.3.1.1",
            other => panic!("unknown curve {other}"),
        };
        let key = EcPrivateKey {
            private_key: &unhex(&self.server_private_hex),
            parameters: Some(EcParameters::NamedCurve(ObjectIdentifier::new_unwrap(oid))),
            public_key: None,
        };
        let pem = SecretDocument::encode_msg(&key).unwrap().to_pem("EC PRIVATE KEY", LineEnding::LF).unwrap();
        ServerKey::from_pem(pem.as_bytes()).unwrap()
    }
}

fn unhex_all(frames: &[String]) -> Vec<Vec<u8>> {
    frames.iter().map(|hex| unhex(hex)).collect()
}

fn receive(decoder: &mut Decoder, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = decoder.space();
        let now = space.len().min(bytes.len());
        space[..now].copy_from_slice(&bytes[..now]);
        decoder.advance(now);
        bytes = &bytes[now..];
    }
}

/// Returns all complete messages, each as text.
fn messages(decoder: &mut Decoder) -> Result<Vec<String>, ProtocolError> {
    let mut messages = Vec::new();
    while let Some(message) = decoder.next_frame()? {
        messages.push(format!("{message:?}"));
    }
    Ok(messages)
}

/// Decodes plain frames without a cipher.
fn plain_messages(frames: &[String]) -> Vec<String> {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    receive(&mut decoder, &unhex_all(frames).concat());
    messages(&mut decoder).unwrap()
}

fn decoder_with(decryptor: Decryptor) -> Decoder {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    decoder.set_decryptor(decryptor);
    decoder
}
