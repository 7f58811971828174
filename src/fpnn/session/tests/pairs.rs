//! Both sides together, on every curve; what their debug output shows of keys; and bytes changed in transit.

use super::*;
use crate::fpnn::Encryptor;

const FRAMES: [&[u8]; 3] = [
    b"FPNN\x01\x80\x02\x00\x01\x00\x00\x00\x01\x00\x00\x00\x80",
    b"FPNN\x01\x80\x02\x00\x01\x00\x00\x00\x02\x00\x00\x00\x80",
    b"FPNN\x01\x80\x01\x05\x01\x00\x00\x00\x03\x00\x00\x00*ping\x80",
];

fn settings_for(key: &ServerKey, key_bits: KeyBits, mode: CipherMode) -> Encryption {
    Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap().key_bits(key_bits).mode(mode)
}

fn key_quest(settings: &Encryption) -> (Vec<u8>, (Encryptor, Decryptor)) {
    let exchange = KeyExchange::begin(settings).unwrap();
    let mut quest = Vec::new();
    exchange.write_quest(&mut quest, 1);
    (quest, exchange.into_session())
}

/// The point in a `*key` quest: the first value of its map.
fn point_of(quest: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    receive(&mut decoder, quest);
    let Some(crate::fpnn::Frame::Quest(quest)) = decoder.next_frame().unwrap() else { panic!("no quest") };
    let mut params = quest.params().unwrap();
    assert_eq!(params.next_key().unwrap(), Some(b"publicKey".as_slice()));
    params.bytes("publicKey").unwrap().to_vec()
}

fn assert_arrives(encryptor: &mut Encryptor, decryptor: Decryptor) {
    let mut decoder = decoder_with(decryptor);
    for frame in FRAMES {
        let mut wire = vec![0; encryptor.prefix_len()];
        wire.extend_from_slice(frame);
        encryptor.encrypt(&mut wire);
        assert!(!wire.windows(4).any(|bytes| bytes == b"FPNN"), "the frame is on the wire as it is");
        let mut arrived = Vec::new();
        for piece in wire.chunks(3) {
            receive(&mut decoder, piece);
            arrived.extend(messages(&mut decoder).unwrap());
        }
        let mut plain = Decoder::new(MAX_PAYLOAD);
        receive(&mut plain, frame);
        assert_eq!(arrived, messages(&mut plain).unwrap());
    }
}

#[test]
fn client_and_server_understand_each_other_on_every_curve() {
    for curve in Curve::ALL {
        let generated = ServerKey::generate(curve).unwrap();
        let key = ServerKey::from_pem(generated.to_pem().unwrap().as_bytes()).unwrap();
        for (key_bits, bits) in [(KeyBits::Aes128, 128), (KeyBits::Aes256, 256)] {
            for mode in [CipherMode::Stream, CipherMode::Package] {
                let (quest, (mut client_sealer, client_opener)) = key_quest(&settings_for(&generated, key_bits, mode));
                let point = point_of(&quest);
                let (mut encryptor, decryptor) = key.accept(&point, mode == CipherMode::Stream, bits).unwrap();
                assert_arrives(&mut client_sealer, decryptor);
                assert_arrives(&mut encryptor, client_opener);
            }
        }
    }
}

#[test]
fn each_connection_has_its_own_key() {
    let key = ServerKey::generate(Curve::Secp256k1).unwrap();
    let settings = settings_for(&key, KeyBits::Aes256, CipherMode::Stream);
    assert_ne!(point_of(&key_quest(&settings).0), point_of(&key_quest(&settings).0));
}

#[test]
fn equal_frames_look_different_in_stream_mode_and_equal_in_package_mode() {
    let key = ServerKey::generate(Curve::Secp256r1).unwrap();
    for mode in [CipherMode::Stream, CipherMode::Package] {
        let (_, (mut encryptor, _)) = key_quest(&settings_for(&key, KeyBits::Aes256, mode));
        let mut seal = || {
            let mut wire = vec![0; encryptor.prefix_len()];
            wire.extend_from_slice(FRAMES[0]);
            encryptor.encrypt(&mut wire);
            wire
        };
        assert_eq!(seal() == seal(), mode == CipherMode::Package);
    }
}

#[test]
fn defaults_are_256_bits_and_one_stream() {
    let key = ServerKey::generate(Curve::Secp224r1).unwrap();
    let settings = Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(format!("{settings:?}"), "Encryption { curve: secp224r1, key_bits: Aes256, mode: Stream }");
}

#[test]
fn no_debug_output_shows_a_key() {
    let session = &Vectors::load().vectors[0];
    assert_eq!(format!("{:?}", session.server_key()), "ServerKey { curve: Secp256k1, .. }");
    for mode in [CipherMode::Stream, CipherMode::Package] {
        let exchange = session.exchange(mode);
        assert_eq!(format!("{exchange:?}"), format!("KeyExchange {{ key_bits: Aes128, mode: {mode:?}, .. }}"));
        let (encryptor, decryptor) = exchange.into_session();
        let expected = match mode {
            CipherMode::Stream => "Stream(StreamEncryptor { .. }) Stream(StreamDecryptor { .. })",
            CipherMode::Package => "Package(PackageEncryptor { .. }) Package(PackageDecryptor { .. })",
        };
        assert_eq!(format!("{encryptor:?} {decryptor:?}"), expected);
    }
}

#[test]
fn flipped_bit_damages_nothing_before_it_and_never_panics() {
    let vectors = Vectors::load();
    let session = &vectors.vectors[0];
    let sound = plain_messages(&vectors.plaintexts.server_to_client);
    for (mode, wire) in session.modes() {
        let frames = unhex_all(&wire.frames.server_to_client);
        let bytes = frames.concat();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut decoder = decoder_with(session.client_opener(mode));
            receive(&mut decoder, &flipped);
            let mut seen = Vec::new();
            while let Ok(Some(message)) = decoder.next_frame() {
                seen.push(format!("{message:?}"));
            }

            let mut ends = frames.iter().scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            });
            let before = ends.position(|end| end > bit / 8).unwrap();
            assert!(seen.len() >= before && seen[..before] == sound[..before], "bit {bit}, {mode:?}");
            assert_ne!(seen, sound, "bit {bit}, {mode:?}");
        }
    }
}
