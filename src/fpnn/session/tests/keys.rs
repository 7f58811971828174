//! Loading keys: which are accepted, which are refused, and with which text.

use std::error::Error as _;
use std::io;

use super::super::server_key::ServerKeyError;
use super::openssl_keys::{EXPLICIT_CURVE, KEYS};
use super::*;
use crate::Error;

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn public_pem(curve: Curve) -> String {
    pem("PUBLIC KEY", KEYS.iter().find(|key| key.curve == curve).unwrap().public)
}

/// Returns what a client with this key sends and computes if its random private key is this number.
fn exchange_with(settings: &Encryption, number: u8) -> (Vec<u8>, ecdh::SharedSecret) {
    let exchanged = settings.server.exchange(&mut |bytes| {
        bytes.fill(0);
        *bytes.last_mut().unwrap() = number;
        Ok(())
    });
    exchanged.unwrap()
}

fn refusal(result: Result<Encryption, Error>) -> String {
    match result {
        Err(error @ Error::InvalidArgument(_)) => {
            assert!(error.source().is_none(), "the text says it all: {error:?}");
            let text = error.to_string();
            text.strip_prefix("the server's public key cannot be used: ").unwrap().to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_keys_are_refused_when_they_are_loaded() {
    let vectors = Vectors::load();
    let refused: Vec<(&str, String)> = vectors
        .rejects
        .iter()
        .filter_map(|reject| Some((&*reject.name, reject.server_public_pem.as_ref()?)))
        .map(|(name, pem)| (name, refusal(Encryption::from_pem(pem.as_bytes()))))
        .collect();
    let texts: Vec<(&str, &str)> = refused.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let expected = [
        ("pem.not_on_curve", "its bytes are not a point of the curve secp256k1"),
        ("pem.truncated", "its encoding is broken"),
        ("pem.garbage", "it holds no PEM block that begins with -----BEGIN PUBLIC KEY-----"),
        ("pem.empty", "it is empty"),
        ("pem.point_at_infinity", "its point is the one at infinity"),
        ("pem.curve_secp384r1", "its curve (1.3.132.0.34) is not one of secp256k1, secp256r1, secp224r1 and secp192r1"),
        ("pem.ed25519", "its algorithm (1.3.101.112) is not that of elliptic curve keys, 1.2.840.10045.2.1"),
    ];
    assert_eq!(texts.len(), expected.len());
    for ((name, text), (expected_name, begin)) in texts.iter().zip(expected) {
        assert_eq!(*name, expected_name);
        assert!(text.starts_with(begin), "{name}: {text}");
    }
}

#[test]
fn key_with_an_explicit_curve_is_refused() {
    let text = refusal(Encryption::from_pem(pem("PUBLIC KEY", EXPLICIT_CURVE).as_bytes()));
    assert_eq!(text, "it does not name its curve");
}

#[test]
fn bytes_after_the_key_are_refused() {
    let session = &Vectors::load().vectors[0];
    let mut der = unhex(&session.server_public_der_hex);
    assert!(Encryption::from_der(&der).is_ok());
    der.push(0);
    assert!(refusal(Encryption::from_der(&der)).starts_with("it is not a public key ("));
}

#[test]
fn every_truncation_of_a_key_is_refused() {
    for session in Vectors::load().vectors {
        let der = unhex(&session.server_public_der_hex);
        for len in 0..der.len() {
            assert!(Encryption::from_der(&der[..len]).is_err(), "{} cut to {len} bytes", session.name);
        }
    }
}

#[test]
fn der_and_pem_of_a_key_are_the_same_key() {
    for session in Vectors::load().vectors {
        let der = Encryption::from_der(&unhex(&session.server_public_der_hex)).unwrap();
        let pem = session.settings(CipherMode::Stream);
        assert_eq!(exchange_with(&der, 2), exchange_with(&pem, 2), "{}", session.name);
    }
}

#[test]
fn text_before_the_key_and_other_line_ends_are_accepted() {
    let plain = public_pem(Curve::Secp256r1);
    let with_text = b"the gate's key, \xe9dition 2\n".iter().copied().chain(plain.bytes()).collect::<Vec<u8>>();
    for pem in [with_text, plain.replace('\n', "\r\n").into_bytes(), format!("{plain}\n\n").into_bytes()] {
        assert!(Encryption::from_pem(&pem).is_ok(), "{}", pem.escape_ascii());
    }
}

/// `openssl pkey -pubin` 3.0 reads each of these.
#[test]
fn what_openssl_accepts_is_accepted() {
    let plain = public_pem(Curve::Secp256k1);
    let (begin, rest) = plain.split_once('\n').unwrap();
    let (body, end) =
        rest.split_once("-----").map(|(body, end)| (body.replace('\n', ""), format!("-----{end}"))).unwrap();
    let wrapped = |width: usize| {
        let lines: Vec<_> = body.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join("\n")
    };
    let lines = wrapped(64);
    let variants = [
        format!("{begin}\n{body}\n{end}"),
        format!("{begin}\n{}\n{end}", wrapped(76)),
        format!("{begin}\n{}\n{end}", wrapped(3)),
        format!("{begin}  \n{} \t\n{end}", lines.replace('\n', "  \r\n")),
        format!("{begin}\n  {}\n{end}", lines.replace('\n', "\n  ")),
        format!("{begin}\n\n{lines}\n{end}"),
        format!("\u{feff}{plain}"),
        format!("{plain}the key of the other gate:\n{}", public_pem(Curve::Secp256r1)),
        format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{plain}"),
        format!("{plain}\nlast changed on a Tuesday"),
        plain.trim_end().to_owned(),
    ];
    let expected = exchange_with(&Encryption::from_pem(plain.as_bytes()).unwrap(), 2);
    for pem in variants {
        let key = Encryption::from_pem(pem.as_bytes()).unwrap_or_else(|error| panic!("{error}: {pem}"));
        assert_eq!(exchange_with(&key, 2), expected, "{pem}");
    }
}

#[test]
fn block_that_is_damaged_or_encrypted_is_refused() {
    let plain = public_pem(Curve::Secp256k1);
    let without_end = plain.split("-----END").next().unwrap();
    let encrypted = plain.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
    for pem in [without_end, &encrypted, &plain.replacen("\nM", "\n*", 1)] {
        let text = refusal(Encryption::from_pem(pem.as_bytes()));
        assert!(text.starts_with("its encoding is broken ("), "{text}: {pem}");
    }
}

#[test]
fn compressed_point_is_the_same_key() {
    for key in &KEYS {
        let load = |body| Encryption::from_pem(pem("PUBLIC KEY", body).as_bytes()).unwrap();
        let (plain, compressed) = (load(key.public), load(key.compressed));
        assert_eq!(exchange_with(&plain, 2), exchange_with(&compressed, 2), "{}", key.curve);
    }
}

#[test]
fn server_key_is_read_in_both_encodings() {
    for key in &KEYS {
        let sec1 = pem("EC PARAMETERS", key.parameters) + &pem("EC PRIVATE KEY", key.sec1);
        for text in [sec1, pem("PRIVATE KEY", key.pkcs8)] {
            let loaded = ServerKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(loaded.curve(), key.curve);
            assert_eq!(loaded.public_pem().unwrap(), public_pem(key.curve));
            assert_eq!(*loaded.to_pem().unwrap(), pem("PRIVATE KEY", key.pkcs8));
        }
    }
}

#[test]
fn bad_server_key_is_refused() {
    let refusal = |text: &str| ServerKey::from_pem(text.as_bytes()).unwrap_err();
    assert_eq!(refusal(""), KeyError::Empty.into());
    assert_eq!(refusal(&public_pem(Curve::Secp256k1)), KeyError::NoPemBlock("PRIVATE KEY").into());
    assert!(matches!(refusal(&pem("PRIVATE KEY", KEYS[0].public)), ServerKeyError::PrivateKeyInfo(_)));
    assert!(matches!(refusal(&pem("EC PRIVATE KEY", KEYS[0].pkcs8)), ServerKeyError::EcPrivateKey(_)));
}

#[test]
fn key_is_read_from_a_file() {
    let path = std::env::temp_dir().join(format!("rtm-server-key-{}.pem", std::process::id()));
    std::fs::write(&path, public_pem(Curve::Secp192r1)).unwrap();
    let loaded = Encryption::from_pem_file(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.unwrap().server.curve(), Curve::Secp192r1);
}

#[test]
fn missing_file_is_an_argument_error_with_its_cause() {
    let error = Encryption::from_pem_file("no/such/key.pem").unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::NotFound), "{error:?}");
}

#[test]
fn server_checks_the_client_s_point() {
    for session in Vectors::load().vectors {
        let key = session.server_key();
        let point = unhex(&session.client_public_hex);
        assert!(key.accept(&point, true, session.bits).is_ok());
        assert_eq!(key.accept(&point, true, 192).unwrap_err(), ServerKeyError::UnknownBits(192));

        let off_curve = ServerKeyError::from(KeyError::NotOnCurve(key.curve()));
        // Two official SDKs send the points of the shorter curves like this.
        let expected = point.len();
        for other in [&point[1..], &[&point[..], &[0; 16]].concat(), &[&[4], &point[..]].concat(), &[]] {
            let error = key.accept(other, true, session.bits).unwrap_err();
            assert_eq!(error, ServerKeyError::PointLength { curve: key.curve(), expected, actual: other.len() });
        }

        for at in [0, expected / 2, expected - 1] {
            let mut moved = point.clone();
            moved[at] ^= 1;
            assert_eq!(key.accept(&moved, true, session.bits).unwrap_err(), off_curve);
        }
        assert_eq!(key.accept(&vec![0xff; expected], true, 128).unwrap_err(), off_curve);
        assert_eq!(key.accept(&vec![0; expected], true, 128).unwrap_err(), off_curve);
    }
}

#[test]
fn lack_of_random_numbers_is_an_error() {
    for key in &KEYS {
        let settings = Encryption::from_pem(public_pem(key.curve).as_bytes()).unwrap();
        let none = KeyExchange::begin_with(&settings, &mut |_| Err(io::ErrorKind::Unsupported.into()));
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::Unsupported);
        // Neither 0 nor a number above the curve's order is a key.
        for byte in [0, 0xff] {
            let constant = KeyExchange::begin_with(&settings, &mut |bytes| {
                bytes.fill(byte);
                Ok(())
            });
            assert!(constant.is_err(), "{}", key.curve);
        }
    }
}

#[test]
fn invalid_random_number_is_replaced_by_another() {
    let settings = Encryption::from_pem(public_pem(Curve::Secp224r1).as_bytes()).unwrap();
    let mut tries = 0;
    let exchanged = settings.server.exchange(&mut |bytes| {
        tries += 1;
        bytes.fill(if tries < 4 { 0xff } else { 0 });
        *bytes.last_mut().unwrap() = 2;
        Ok(())
    });
    assert_eq!(exchanged.unwrap(), exchange_with(&settings, 2));
    assert_eq!(tries, 4);
}
