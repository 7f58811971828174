//! The server that the engine talks to: it remembers what it saw, answers, and does mischief.

use std::collections::{BTreeSet, VecDeque};

use rtm_server_sdk::fpnn::{Decoder, Frame, FrameWriter, MethodName, PayloadReader, Quest};

const PUSH: MethodName<'static> = MethodName::literal("pushroommsg");

/// One connection, from the server's end.
#[derive(Debug)]
pub struct Server {
    decoder: Decoder,
    /// Every sequence number that came over this connection.
    seqs: BTreeSet<u32>,
    /// Calls that came and were not answered: their sequence numbers and their tokens, if they have one.
    unanswered: VecDeque<(u32, Option<u32>)>,
    answered: Vec<(u32, Option<u32>)>,
    /// Calls of which the client was told that they were not sent.
    denied: BTreeSet<u32>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            decoder: Decoder::new(1024 * 1024),
            seqs: BTreeSet::new(),
            unanswered: VecDeque::new(),
            answered: Vec::new(),
            denied: BTreeSet::new(),
        }
    }
}

impl Server {
    /// Bytes come. Gives the tokens of the calls that are whole with them.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Vec<u32> {
        let mut tokens = Vec::new();
        while !bytes.is_empty() {
            let space = self.decoder.space();
            let taken = space.len().min(bytes.len());
            space[..taken].copy_from_slice(&bytes[..taken]);
            self.decoder.advance(taken);
            bytes = &bytes[taken..];
            while let Some(frame) = self.decoder.next_frame().expect("the engine writes sound frames") {
                let Frame::Quest(Quest { seq: Some(seq), payload, .. }) = frame else { continue };
                assert!(self.seqs.insert(seq), "the sequence number {seq} came twice");
                let token = token_in(payload);
                self.unanswered.push_back((seq, token));
                tokens.extend(token);
            }
        }
        tokens
    }

    /// The answer to one of the quests that came.
    pub fn next_answer(&mut self, detail: u8) -> Vec<u8> {
        if self.unanswered.is_empty() {
            return Vec::new();
        }
        let at = usize::from(detail) % self.unanswered.len();
        let Some((seq, token)) = self.unanswered.remove(at) else { return Vec::new() };
        self.answered.push((seq, token));
        answer(seq, token)
    }

    /// Something that a sound server does not do, or does of its own accord.
    pub fn mischief(&mut self, detail: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        match detail % 32 {
            // An answer that was given before.
            0..=9 => match self.answered.get(usize::from(detail / 8)) {
                Some((seq, token)) => answer(*seq, *token),
                None => bytes,
            },
            // An answer to nothing that was asked.
            10..=15 => answer(u32::from(detail) << 16 | 0x8000_0000, None),
            // A push, sound and not.
            16..=29 => {
                let mut frame = FrameWriter::two_way_quest(&mut bytes, detail.into(), PUSH);
                let _ = frame.params().int("rid", 1).int("from", 2).int("mid", 3).str("msg", "hello");
                frame.finish();
                bytes
            }
            // A frame that never becomes whole, or whose end comes with the next bytes.
            30 => answer(detail.into(), None)[..usize::from(detail % 12) + 1].to_vec(),
            _ => vec![detail; usize::from(detail)],
        }
    }

    /// The client was told that this call was not sent.
    pub fn deny(&mut self, token: u32) {
        let came = self.unanswered.iter().chain(&self.answered).any(|(_, came)| *came == Some(token));
        assert!(!came, "call {token} came, and is said not to have been sent");
        self.denied.insert(token);
    }

    pub fn was_denied(&self, token: u32) -> bool {
        self.denied.contains(&token)
    }
}

fn answer(seq: u32, token: Option<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut frame = FrameWriter::answer(&mut bytes, seq, 0);
    let _ = frame.params().optional_int("token", token.map(i64::from));
    frame.finish();
    bytes
}

/// The token that a payload carries.
pub fn token_in(payload: &[u8]) -> Option<u32> {
    let mut reader = PayloadReader::open(payload).ok()?;
    while let Some(key) = reader.next_key().ok()? {
        if key == b"token" {
            return u32::try_from(reader.int("token").ok()?).ok();
        }
        reader.skip().ok()?;
    }
    None
}
