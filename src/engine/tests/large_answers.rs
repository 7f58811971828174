//! Large answers, and how long they occupy the I/O thread.

use super::*;

#[test]
fn large_answer_arrives_whole() {
    let mut rig = Rig::with(|settings| settings.max_payload = 8 << 20);
    rig.connect();
    rig.call(1, SECOND);
    rig.call(2, SECOND);
    let seqs = rig.seen_seqs();
    let large = answer(seqs[0], 4 << 20);
    let mut bytes = large.clone();
    bytes.extend(answer(seqs[1], 10));
    for piece in bytes.chunks(30_000) {
        rig.receive(piece);
    }
    let Some((1, Ok(first))) = rig.outcomes.first() else { panic!("{:?}", rig.codes()) };
    assert!(large.ends_with(&first.payload) && first.payload.len() > 4 << 20);
    assert_eq!(rig.codes(), [(1, 0), (2, 0)]);
}

/// Creates an answer with a text of `len` bytes.
fn answer(seq: u32, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, seq, 0);
    let _ = frame.params().str("oinfo", &"x".repeat(len));
    frame.finish();
    bytes
}

/// Measures the longest time that the engine takes in one turn of the I/O thread, which is how long an answer of 60 MiB
/// can delay other calls: `cargo test --release --lib turn_of_the_io_thread -- --ignored --nocapture`.
#[cfg(feature = "encryption")]
#[test]
#[ignore = "a measurement, for a release build on an idle machine"]
fn no_turn_of_the_io_thread_is_long_while_a_large_answer_arrives() {
    use crate::fpnn::{CipherMode, Decryptor, Encryption, Encryptor, KeyExchange};

    const LEN: usize = 60 << 20;
    const READING_PER_TURN: Duration = Duration::from_micros(250);
    let encrypted = |mode| {
        let encryption = Encryption::from_pem(include_bytes!("public_key.pem")).unwrap().mode(mode);
        // Both directions start alike, so the client's encryptor can act as the server's.
        KeyExchange::begin(&encryption).unwrap().into_session()
    };
    for (name, (mut encryptor, decryptor)) in [
        ("plain", (Encryptor::Plain, Decryptor::Plain)),
        ("stream", encrypted(CipherMode::Stream)),
        ("package", encrypted(CipherMode::Package)),
    ] {
        let mut wire = vec![0; encryptor.prefix_len()];
        wire.extend(answer(7, LEN));
        encryptor.encrypt(&mut wire);
        let mut decoder = Decoder::new(64 << 20);
        decoder.set_decryptor(decryptor);
        let (mut turns, mut rest) = (Vec::new(), &wire[..]);
        let mut payload = None;
        while !rest.is_empty() {
            let start = Instant::now();
            while !rest.is_empty() && start.elapsed() < READING_PER_TURN {
                let space = decoder.space();
                let len = space.len().min(rest.len());
                space[..len].copy_from_slice(&rest[..len]);
                decoder.advance(len);
                rest = &rest[len..];
                if let Some(Frame::Answer(answer)) = decoder.next_frame().unwrap() {
                    let len = answer.payload.len();
                    payload = Some(decoder.take_payload(len, Vec::new()));
                }
            }
            turns.push(start.elapsed());
        }
        assert!(payload.is_some_and(|payload| payload.len() > LEN));
        turns.sort_unstable();
        let at = |percent: usize| turns[(turns.len() - 1) * percent / 100];
        let (median, most, longest) = (at(50), at(95), at(100));
        println!("{name:>8}: median {median:.2?}, 95 % within {most:.2?}, longest {longest:.2?}");
        // On a busy machine, the thread may lose the processor in any turn.
        assert!(most <= 5 * MILLI, "{name}: {most:?}");
    }
}
