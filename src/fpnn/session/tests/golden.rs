//! The golden sessions: the same keys and bytes, however they are split, and bytes that must be refused.

use super::super::aes_cfb::AesKey;
use super::super::session_key::SessionKey;
use super::*;
use crate::fpnn::{Encryptor, Frame, read_answer};

/// Enciphers a frame as the engine does: with free bytes for the prefix in front of it.
fn seal(encryptor: &mut Encryptor, frame: &[u8]) -> Vec<u8> {
    let mut wire = vec![0; encryptor.prefix_len()];
    wire.extend_from_slice(frame);
    encryptor.encrypt(&mut wire);
    wire
}

#[test]
fn client_derives_the_golden_keys() {
    for session in Vectors::load().vectors {
        let settings = session.settings(CipherMode::Stream);
        assert_eq!(settings.server.curve().name(), session.curve);
        let scalar = unhex(&session.client_private_hex);
        let (public, secret) = settings
            .server
            .exchange(&mut |bytes| {
                bytes.copy_from_slice(&scalar);
                Ok(())
            })
            .unwrap();
        assert_eq!(public, unhex(&session.client_public_hex), "{}", session.name);
        assert_eq!(*secret, unhex(&session.shared_secret_hex), "{}", session.name);

        let derived = SessionKey::derive(&secret, session.key_bits());
        let key = match &derived.key {
            AesKey::Bits128(key) => key.as_slice(),
            AesKey::Bits256(key) => key.as_slice(),
        };
        assert_eq!(key, unhex(&session.aes_key_hex), "{}", session.name);
        assert_eq!(derived.iv.as_slice(), unhex(&session.iv_hex), "{}", session.name);
    }
}

#[test]
fn client_sends_and_reads_the_golden_bytes() {
    let vectors = Vectors::load();
    for session in &vectors.vectors {
        for (mode, wire) in session.modes() {
            let (mut encryptor, decryptor) = session.exchange(mode).into_session();
            let sent = vectors.plaintexts.client_to_server.iter().map(|frame| seal(&mut encryptor, &unhex(frame)));
            assert!(sent.eq(unhex_all(&wire.frames.client_to_server)), "{} {mode:?}", session.name);

            let mut decoder = decoder_with(decryptor);
            receive(&mut decoder, &unhex_all(&wire.frames.server_to_client).concat());
            let expected = plain_messages(&vectors.plaintexts.server_to_client);
            assert_eq!(messages(&mut decoder).unwrap(), expected, "{} {mode:?}", session.name);
            assert_eq!(decoder.buffered(), 0);
        }
    }
}

#[test]
fn server_sends_and_reads_the_golden_bytes() {
    let vectors = Vectors::load();
    for session in &vectors.vectors {
        let key = session.server_key();
        for (mode, wire) in session.modes() {
            let client = unhex(&session.client_public_hex);
            let (mut encryptor, decryptor) = key.accept(&client, mode == CipherMode::Stream, session.bits).unwrap();
            let sent = vectors.plaintexts.server_to_client.iter().map(|frame| seal(&mut encryptor, &unhex(frame)));
            assert!(sent.eq(unhex_all(&wire.frames.server_to_client)), "{} {mode:?}", session.name);

            let mut decoder = decoder_with(decryptor);
            receive(&mut decoder, &unhex_all(&wire.frames.client_to_server).concat());
            let expected = plain_messages(&vectors.plaintexts.client_to_server);
            assert_eq!(messages(&mut decoder).unwrap(), expected, "{} {mode:?}", session.name);
        }
    }
}

#[test]
fn key_quest_is_the_golden_one_except_for_the_version_byte() {
    let vectors = Vectors::load();
    for session in &vectors.vectors {
        for (mode, wire) in session.modes() {
            let mut quest = Vec::new();
            session.exchange(mode).write_quest(&mut quest, vectors.key_quest_seq);
            let mut expected = unhex(&wire.key_quest_bin_hex);
            assert_eq!(std::mem::replace(&mut expected[4], 1), 0);
            assert_eq!(quest, expected, "{} {mode:?}", session.name);
        }
    }
}

/// Reads what a server needs from `*key`: the client's point, the mode, the bits.
fn read_key_quest(message: Frame<'_>) -> (Vec<u8>, bool, i64) {
    let Frame::Quest(quest) = message else { panic!("an answer") };
    assert_eq!(quest.method, b"*key");
    let mut params = quest.params().unwrap();
    let (mut public, mut stream, mut bits) = (Vec::new(), false, 128);
    while let Some(key) = params.next_key().unwrap() {
        match key {
            b"publicKey" => public = params.bytes("publicKey").unwrap().to_vec(),
            b"streamMode" => stream = params.bool("streamMode").unwrap(),
            b"bits" => bits = params.int("bits").unwrap(),
            _ => params.skip().unwrap(),
        }
    }
    (public, stream, bits)
}

#[test]
fn quests_in_the_same_read_as_the_key_quest_are_deciphered() {
    let vectors = Vectors::load();
    for session in &vectors.vectors {
        let key = session.server_key();
        for (_, wire) in session.modes() {
            for key_quest in [&wire.key_quest_bin_hex, &wire.key_quest_str_hex] {
                let mut decoder = Decoder::new(MAX_PAYLOAD);
                let sent = [unhex(key_quest), unhex_all(&wire.frames.client_to_server).concat()].concat();
                receive(&mut decoder, &sent);
                let (public, stream, bits) = read_key_quest(decoder.next_frame().unwrap().unwrap());
                assert_eq!(public, unhex(&session.client_public_hex));
                decoder.set_decryptor(key.accept(&public, stream, bits).unwrap().1);
                let expected = plain_messages(&vectors.plaintexts.client_to_server);
                assert_eq!(messages(&mut decoder).unwrap(), expected, "{}", session.name);
            }
        }
    }
}

#[test]
fn every_cut_of_the_ciphertext_decodes_alike() {
    let vectors = Vectors::load();
    let expected = plain_messages(&vectors.plaintexts.server_to_client);
    for split in &vectors.receive_splits {
        assert_eq!(split.direction, "server_to_client");
        let session = vectors.session(&split.session);
        let (mode, wire) = session.mode(&split.mode);
        let bytes = unhex_all(&wire.frames.server_to_client).concat();
        let chunks = match (&split.chunks, split.every) {
            (Some(chunks), None) => chunks.clone(),
            (None, Some(every)) => bytes.chunks(every).map(<[u8]>::len).collect(),
            _ => panic!("{} has no cuts", split.name),
        };
        assert_eq!(chunks.iter().sum::<usize>(), bytes.len(), "{}", split.name);

        let mut decoder = decoder_with(session.client_opener(mode));
        let mut seen = Vec::new();
        let mut rest = bytes.as_slice();
        for len in chunks {
            let (chunk, later) = rest.split_at(len);
            receive(&mut decoder, chunk);
            seen.extend(messages(&mut decoder).unwrap());
            rest = later;
        }
        assert_eq!(seen, expected, "{}", split.name);
    }
}

#[test]
fn bytes_that_are_no_session_end_the_connection() {
    let vectors = Vectors::load();
    let mut refused = 0;
    for reject in vectors.rejects.iter().filter(|reject| reject.name != "stream.key_error_answer") {
        let Some(hex) = &reject.server_to_client_hex else { continue };
        let session = vectors.session(reject.session.as_ref().unwrap());
        let (mode, _) = session.mode(reject.mode.as_ref().unwrap());
        let mut decoder = decoder_with(session.client_opener(mode));
        receive(&mut decoder, &unhex(hex));
        let error = messages(&mut decoder).expect_err(&reject.name);
        match reject.name.split_once('.').unwrap().1 {
            "length_ffffffff" => assert!(matches!(error, ProtocolError::PayloadTooLarge { .. }), "{}", reject.name),
            "plain_answer" if mode == CipherMode::Package => {
                assert!(matches!(error, ProtocolError::PayloadTooLarge { .. }), "{}", reject.name);
            }
            "wrong_key" | "plain_answer" => assert!(matches!(error, ProtocolError::BadMagic(_)), "{}", reject.name),
            _ => assert!(matches!(error, ProtocolError::BadPackage { .. }), "{}", reject.name),
        }
        refused += 1;
    }
    assert_eq!(refused, 9);
}

#[test]
fn refused_key_exchange_is_an_error_answer() {
    let vectors = Vectors::load();
    let reject = vectors.rejects.iter().find(|reject| reject.name == "stream.key_error_answer").unwrap();
    let session = vectors.session(reject.session.as_ref().unwrap());
    let mut decoder = decoder_with(session.client_opener(CipherMode::Stream));
    receive(&mut decoder, &unhex(reject.server_to_client_hex.as_ref().unwrap()));
    let Some(Frame::Answer(answer)) = decoder.next_frame().unwrap() else { panic!("not an answer") };
    assert_eq!(answer.seq, vectors.key_quest_seq);
    let result = read_answer(answer.status, answer.flag, answer.payload, |_| Ok(()));
    assert!(matches!(result, Ok(Err(_))), "{result:?}");
}
